/* A fingerprint of a published point: content, owner, mode and times of its files. Two of them,
 * taken before and after another program reads the point, show whether that program changed it. */
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
        uint64_t bytes; /* this and the fields below are 0 and NULL for a folder */
        struct timespec modified;
        struct timespec changed; /* ctime: also set by a change of owner, mode or label */
        char *sha256;
};

struct fingerprint {
        struct fingerprint_file *files; /* sorted by name */
        size_t count;
        uint64_t bytes;
};

/* Reads every file of the point (`path` is relative to the repository) from the storage, not from
 * the page cache. It skips what orch itself writes later: state.json and the folder proof.
 * ERROR_CORRUPT for a file that is missing or differs from its checksums.sha256. `progress` (may be
 * NULL) counts the bytes of the whole point; ERROR_CANCELLED when its `cancelled` returns true.
 * fingerprint_done() frees. */
int fingerprint_take(struct repository *repository, const char *path,
                     const struct staging_progress *progress, struct fingerprint *ret,
                     struct error **err) _must_check_;
/* NULL when both are equal; else a sentence about the first difference, which the caller frees. */
char *fingerprint_compare(const struct fingerprint *before, const struct fingerprint *after);
void fingerprint_done(struct fingerprint *fingerprint);
