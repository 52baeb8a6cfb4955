/* The share: its marker, its lock, and what is below it. All functions do blocking file I/O: a
 * worker, a standalone CLI verb or the catalog thread may call them, never the daemon's loop. Only
 * repository_probe() is safe on a dead mount: it reads mountinfo first, and accesses the share only
 * in a child process with a deadline. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "schema/config/settings.h"
#include "schema/records/metadata.h"

struct repository; /* an opened share: path, marker UUID, a descriptor of its root */

struct repository_status {
        char *path;
        char *mount_type; /* "nfs4", "ext4", …; NULL: not a mount point */
        char *uuid;       /* of the marker; NULL: none */
        uint64_t free_bytes;
        uint64_t total_bytes;
        bool writable;
};
void repository_status_done(struct repository_status *status);
#define _cleanup_repository_status_ _cleanup_(repository_status_done)

/* Checks that `path` is itself a mount point of the right type, has a marker, and is writable. The
 * order, each failure with a message of its own: mountinfo (exact mount point, last match wins;
 * fstype nfs requires nfs4) → in a child with a deadline: statfs, marker, write test.
 * ERROR_REFUSED: not a mount, wrong type, no or foreign marker; ERROR_TIMEOUT: the share does not
 * answer. */
int repository_probe(const char *path, enum repository_fstype fstype, int64_t timeout_ms,
                     struct repository_status *ret, struct error **err) _must_check_;
/* repository_probe() without the write test. */
int repository_probe_read(const char *path, enum repository_fstype fstype, int64_t timeout_ms,
                          struct repository_status *ret, struct error **err) _must_check_;

/* Makes a share an orch repository: writes the marker with a new UUID. ERROR_REFUSED on an
 * unmounted path, a mount of the wrong type, or a share that already has a marker (the message
 * names its UUID). The caller frees *ret_uuid. */
int repository_init(const char *path, enum repository_fstype fstype, char **ret_uuid,
                    struct error **err) _must_check_;

/* Opens the repository after a probe with a deadline. The probe does not test writing, so that a
 * full share can be pruned and a read-only one can be restored from; repository_probe() tests that.
 * The caller frees. */
struct repository *repository_open(const char *path, enum repository_fstype fstype,
                                   struct error **err) _must_check_;
struct repository *repository_free(struct repository *repository);
DEFINE_FREEP(struct repository, repository_free)

const char *repository_uuid(const struct repository *repository);
const char *repository_path(const struct repository *repository);
/* The first 8 hex digits of the UUID, as used in names on hypervisors. */
const char *repository_short_uuid(const struct repository *repository);

/* The share's time in epoch seconds: the clock of its server, which sets the times of the root
 * folder, or of this machine for a local file system. It works on a full share. */
int repository_server_time(const struct repository *repository, int64_t *ret,
                           struct error **err) _must_check_;

/* The repository-wide lock (P5): an open-file-description lock on `.orch-lock`, whose content names
 * the holder. */
struct lock_holder {
        char *host;
        int64_t pid;
        int64_t since; /* epoch seconds */
};
void lock_holder_done(struct lock_holder *holder);

enum lock_result { LOCK_TAKEN, LOCK_HELD_ELSEWHERE };
/* Returns a lock_result, or -1. The lock is held until repository_unlock() or the process's end.
 * With HELD_ELSEWHERE *ret_holder describes the holder (unknown fields are NULL or 0). */
int repository_lock(struct repository *repository, struct lock_holder *ret_holder,
                    struct error **err) _must_check_;
void repository_unlock(struct repository *repository);
/* Checks on the server that the lock taken by repository_lock() is still held. A client that was
 * disconnected for longer than its NFS lease has lost it, and so has one whose lock was broken by
 * force: ERROR_REFUSED, and this object no longer holds the lock. */
int repository_check_lock(struct repository *repository, struct error **err) _must_check_;
/* For a worker, whose daemon may not yet know that it has lost the lock: ERROR_REFUSED, naming the
 * holder, when a process other than `pid` of this machine holds it. No holder, or one that left no
 * name, is no error. */
int repository_check_holder(struct repository *repository, pid_t pid,
                            struct error **err) _must_check_;
/* For `orch repository unlock`: breaks a lock whose holder is dead. ERROR_REFUSED, naming the
 * holder, while a live process of this host holds the lock, or while any other host holds it and
 * `force` is not set. *ret_holder is the former holder. */
int repository_break_lock(struct repository *repository, bool force, struct lock_holder *ret_holder,
                          struct error **err) _must_check_;
