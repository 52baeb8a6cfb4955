/* A backup in progress on the share: `<hypervisor>/<vm>/.staging-<job>/`, which no scan lists until
 * it is published (P3).
 *
 * staging_create() → files are written (disks by the hypervisor, the rest here) →
 * staging_hash_file() of each → staging_write_checksums() → staging_publish(): everything fsynced,
 * renamed to its final name, the folder above fsynced. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "repository/repository.h"

struct staging;

/* Makes <repository>/<hypervisor>/<vm>/.staging-<job>/ (0700). Names must be safe (asserted). The
 * caller frees with staging_free(). ERROR_REFUSED when the folder exists. */
struct staging *staging_create(struct repository *repository, const char *hypervisor,
                               const char *vm, const char *job, struct error **err) _must_check_;
/* Removes the folder and everything in it. ERROR_REFUSED after staging_publish(). */
int staging_remove(struct staging *staging, struct error **err) _must_check_;
/* Frees the object; the folder on the share stays. */
struct staging *staging_free(struct staging *staging);
DEFINE_FREEP(struct staging, staging_free)

/* The absolute path on this host. The object keeps ownership. */
const char *staging_path(const struct staging *staging);
/* The path relative to the repository, to be joined with a hypervisor's own mount path. The object
 * keeps ownership. */
const char *staging_relative_path(const struct staging *staging);

/* Writes a file with a mode, durably. `name` may have one folder in front ("configs/version.txt"),
 * which is then created. */
int staging_write_file(struct staging *staging, const char *name, mode_t mode, const void *data,
                       size_t length, struct error **err) _must_check_;

struct staging_progress {
        void (*on_bytes)(uint64_t done_bytes, uint64_t total_bytes, void *data); /* may be NULL */
        bool (*cancelled)(void *data);                                           /* may be NULL */
        void *data;
};

/* Reads a file through this host's mount, fsyncs it, and returns its SHA-256 (lower-case hex, the
 * caller frees) and its length. ERROR_CORRUPT for a missing or empty file. The hash is kept for
 * staging_write_checksums(). */
char *staging_hash_file(struct staging *staging, const char *name,
                        const struct staging_progress *progress, uint64_t *ret_bytes,
                        struct error **err) _must_check_;

/* Sets a function that is polled every 100 ms while an image is checked; true ends the check with
 * ERROR_CANCELLED. */
void staging_set_cancelled(struct staging *staging, bool (*cancelled)(void *data), void *data);

/* Runs `qemu-img info` and `qemu-img check` on a qcow2 through this host's mount, in child
 * processes with a deadline. ERROR_CORRUPT when the image has errors, is not qcow2, or has another
 * virtual size or another backing file than expected (NULL: none). */
int staging_check_image(struct staging *staging, const char *name, uint64_t virtual_bytes,
                        const char *backing_file, struct error **err) _must_check_;

/* Writes checksums.sha256 with every file hashed so far, in sha256sum's format, sorted by name. */
int staging_write_checksums(struct staging *staging, struct error **err) _must_check_;

/* Chooses the point's name for a job started at `started` (epoch seconds): that local time, or the
 * first second after it that no existing point has. The caller frees. */
char *staging_choose_point_name(struct staging *staging, int64_t started,
                                struct error **err) _must_check_;

/* Publishes under exactly `point`. ERROR_REFUSED when that name exists, or when a file in the
 * folder was not hashed, has changed since, or is missing: no unverified file is ever published
 * (only `state.json` has no checksum). Files that hypervisors wrote get mode 0600, the folder 0750.
 * After success staging_path() is the point's path. */
int staging_publish(struct staging *staging, const char *point, struct error **err) _must_check_;
