/* The share: its marker, its lock, and what is below it. All of it plain blocking file I/O: called
 * from a worker, a standalone CLI verb, or the catalog thread, never from the daemon's loop.
 * repository_probe() alone is safe on a dead mount: it looks at mountinfo first and touches the
 * share only in a child process that can be killed. */
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

/* Is `path` itself a mount point of the right type, marked, writable? In this order, each failure
 * with a sentence of its own: mountinfo (exact mount point, last match wins; fstype nfs wants nfs4)
 * → in a child with a deadline: statfs, marker, write test. ERROR_REFUSED: not a mount, wrong type,
 * no or foreign marker; ERROR_TIMEOUT: the share does not answer. */
int repository_probe(const char *path, enum repository_fstype fstype, int64_t timeout_ms,
                     struct repository_status *ret, struct error **err) _must_check_;
/* The same without the write test. */
int repository_probe_read(const char *path, enum repository_fstype fstype, int64_t timeout_ms,
                          struct repository_status *ret, struct error **err) _must_check_;

/* Makes a share an orch repository: writes the marker with a new UUID. Refused on an unmounted
 * path, the wrong type, or where a marker is already (its UUID is then said). *ret_uuid is the
 * caller's. */
int repository_init(const char *path, enum repository_fstype fstype, char **ret_uuid,
                    struct error **err) _must_check_;

/* Opens after a probe of its own, with a deadline; only for reading, so that a full share can be
 * pruned and a read-only one restored from. Whether it is writable, repository_probe() tells. The
 * caller frees. */
struct repository *repository_open(const char *path, enum repository_fstype fstype,
                                   struct error **err) _must_check_;
struct repository *repository_free(struct repository *repository);
DEFINE_FREEP(struct repository, repository_free)

const char *repository_uuid(const struct repository *repository);
const char *repository_path(const struct repository *repository);
/* The first 8 hex digits of the UUID, as used in names on hypervisors. */
const char *repository_short_uuid(const struct repository *repository);

/* What time the share has it, epoch seconds: its server's clock, which stamps its root folder when
 * that is touched; this machine's, where it has no server. Works on a share that is full. */
int repository_server_time(const struct repository *repository, int64_t *ret,
                           struct error **err) _must_check_;

/* The repository-wide lock (P5): an open-file-description lock on `.orch-lock`, whose content tells
 * the holder. */
struct lock_holder {
        char *host;
        int64_t pid;
        int64_t since; /* epoch seconds */
};
void lock_holder_done(struct lock_holder *holder);

enum lock_result { LOCK_TAKEN, LOCK_HELD_ELSEWHERE };
/* Returns a lock_result, or -1. The lock is held until repository_unlock() or the process's end.
 * With HELD_ELSEWHERE *ret_holder tells who (fields may be NULL/0 where it is not known). */
int repository_lock(struct repository *repository, struct lock_holder *ret_holder,
                    struct error **err) _must_check_;
void repository_unlock(struct repository *repository);
/* Asks the server whether the lock that repository_lock() took is still ours. A client that was cut
 * off for longer than its lease has lost it, and so has one whose lock was broken by force:
 * ERROR_REFUSED then, and this object holds no lock any more. */
int repository_check_lock(struct repository *repository, struct error **err) _must_check_;
/* For a worker, whose daemon may not know yet that it has lost the lock: ERROR_REFUSED, naming the
 * holder, when another process than `pid` of this machine holds it. Nobody, or a holder that left
 * no name, is fine. */
int repository_check_holder(struct repository *repository, pid_t pid,
                            struct error **err) _must_check_;
/* For `orch repository unlock`: breaks a lock whose holder is dead. Refused (ERROR_REFUSED, naming
 * the holder) while the lock is held by a live process of this host, or by any other host unless
 * `force`. *ret_holder: who held it. */
int repository_break_lock(struct repository *repository, bool force, struct lock_holder *ret_holder,
                          struct error **err) _must_check_;
