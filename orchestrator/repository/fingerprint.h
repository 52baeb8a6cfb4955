/* The files of a published point as they stand: what they hold, whose they are, and when they were
 * last touched. Taken before and after something else reads them, it shows whether that left them
 * alone. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/error.h"
#include "repository/repository.h"

struct staging_progress;

struct fingerprint_file {
        char *name; /* relative to the point */
        mode_t mode;
        uid_t owner;
        gid_t group;
        uint64_t bytes; /* these and what follows: 0 and NULL for a folder */
        struct timespec modified;
        struct timespec changed; /* also by a change of owner, mode or label */
        char *sha256;
};

struct fingerprint {
        struct fingerprint_file *files; /* sorted by name */
        size_t count;
        uint64_t bytes;
};

/* Reads every file of the point (its path relative to the repository) from the storage, not from
 * memory, but for what orch itself writes later: state.json and the folder proof. ERROR_CORRUPT for
 * a file that its checksums.sha256 does not agree with, or that is missing. Progress (may be NULL)
 * counts bytes of the whole point; ERROR_CANCELLED when it says so. fingerprint_done() frees. */
int fingerprint_take(struct repository *repository, const char *path,
                     const struct staging_progress *progress, struct fingerprint *ret,
                     struct error **err) _must_check_;
/* NULL when both are the same; else what differs first, a sentence that the caller frees. */
char *fingerprint_compare(const struct fingerprint *before, const struct fingerprint *after);
void fingerprint_done(struct fingerprint *fingerprint);
