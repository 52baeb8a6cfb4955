/* A backup in progress on the share: `<hypervisor>/<vm>/.staging-<job>/`, invisible until it is
 * published (P3).
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

/* Makes <repository>/<hypervisor>/<vm>/.staging-<job>/ (0700). Names must be safe (asserted). */
struct staging *staging_create(struct repository *repository, const char *hypervisor,
                               const char *vm, const char *job, struct error **err) _must_check_;
/* Removes the folder with all in it. ERROR_REFUSED after staging_publish(). */
int staging_remove(struct staging *staging, struct error **err) _must_check_;
/* Frees the object; the folder on the share stays. */
struct staging *staging_free(struct staging *staging);
DEFINE_FREEP(struct staging, staging_free)

/* absolute, as this host sees it */
const char *staging_path(const struct staging *staging);
/* below the repository: for a hypervisor's own mount path */
const char *staging_relative_path(const struct staging *staging);

/* Writes a file with a mode, durably. `name` may have one folder in front ("configs/version.txt"),
 * which is made. */
int staging_write_file(struct staging *staging, const char *name, mode_t mode, const void *data,
                       size_t length, struct error **err) _must_check_;

struct staging_progress {
        void (*on_bytes)(uint64_t done_bytes, uint64_t total_bytes, void *data); /* may be NULL */
        bool (*cancelled)(void *data);                                           /* may be NULL */
        void *data;
};

/* Reads a file back through this host's mount, fsyncs it, and returns its SHA-256 (lower-case hex,
 * the caller frees) and its length. ERROR_CORRUPT for a missing or empty file. Remembers the hash
 * for staging_write_checksums(). */
char *staging_hash_file(struct staging *staging, const char *name,
                        const struct staging_progress *progress, uint64_t *ret_bytes,
                        struct error **err) _must_check_;

/* Asked every 100 ms while an image is checked: true ends it with ERROR_CANCELLED. */
void staging_set_cancelled(struct staging *staging, bool (*cancelled)(void *data), void *data);

/* `qemu-img check` and `qemu-img info` of a qcow2 through this host's mount, in killable children.
 * ERROR_CORRUPT when the image has errors, is not qcow2, or has another virtual size or another
 * backing file than expected (NULL: none). */
int staging_check_image(struct staging *staging, const char *name, uint64_t virtual_bytes,
                        const char *backing_file, struct error **err) _must_check_;

/* checksums.sha256 over every file hashed so far, in sha256sum's format, sorted by name. */
int staging_write_checksums(struct staging *staging, struct error **err) _must_check_;

/* The name that staging_publish() will try first for a job started then: local time; free of
 * existing points (a second later otherwise). The caller frees. */
char *staging_choose_point_name(struct staging *staging, int64_t started,
                                struct error **err) _must_check_;

/* Publishes under exactly `point`. ERROR_REFUSED when that name exists, or when a file in the
 * folder was not hashed, was changed since, or is missing: nothing unverified is ever published
 * (`state.json` alone has no checksum). Modes: what hypervisors wrote becomes 0600, the folder
 * 0750. After success staging_path() is the point's. */
int staging_publish(struct staging *staging, const char *point, struct error **err) _must_check_;
