/* Leases of readers: `.reading-<job>` in the folder of a VM names a point that is being read and
 * its parents, and points_remove() does not remove these (P4). The lease is written durably before
 * the reader checks that the point exists. So when a reader and a removal meet, one of them yields:
 * either the removal sees the lease and renames the point back, or the reader sees that the point
 * is gone.
 *
 * A lease of a process holds a lock on its file, so that a lease whose process has ended can be
 * recognised and removed. A lease that outlives its process (a VM that runs from the share) is
 * dropped when its job ends or is recovered. A lease that was not renewed for 7 days is void. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "repository/repository.h"

enum { LEASE_DAYS = 7 };

enum lease_life {
        LEASE_OF_PROCESS,    /* valid until the process that took it ends */
        LEASE_UNTIL_DROPPED, /* valid until lease_release() or leases_drop() */
};

struct lease; /* a lease that this process holds */

/* Takes a lease for `job`. `points` are names, NULL-terminated: the point to be read, then its
 * parents; their existence is checked. Names must be safe (asserted). ERROR_REFUSED when a point
 * does not exist. The caller ends the lease with lease_release() or lease_free(). */
struct lease *lease_take(struct repository *repository, const char *hypervisor, const char *vm,
                         char *const *points, const char *job, enum lease_life life,
                         struct error **err) _must_check_;
/* Whether lease_take() failed because the share is read-only or full for this machine. A caller
 * that only reads may then go on without a lease. */
bool lease_cannot_be_written(const struct error *error);
/* Renews the lease. The holder calls it at least once a day. */
int lease_renew(struct lease *lease, struct error **err) _must_check_;
/* Removes the lease from the share and frees the object; NULL is allowed. A file that cannot be
 * removed now is removed by a later leases_sweep(). Returns NULL. */
struct lease *lease_release(struct lease *lease);
/* Frees the object; a LEASE_UNTIL_DROPPED stays on the share. NULL is allowed. Returns NULL. */
struct lease *lease_free(struct lease *lease);
static inline _unused_ void lease_releasep(struct lease **lease)
{
        *lease = lease_release(*lease);
}

/* Removes the lease of `job` in that VM's folder. A missing lease is no error. */
int leases_drop(struct repository *repository, const char *hypervisor, const char *vm,
                const char *job, struct error **err) _must_check_;
/* Renews the lease of `job` from another process than the one that took it. ERROR_REFUSED when the
 * job has no lease. */
int leases_renew(struct repository *repository, const char *hypervisor, const char *vm,
                 const char *job, struct error **err) _must_check_;
/* Removes the leases whose process has ended, and those that were not renewed for LEASE_DAYS. With
 * dry_run it only counts them. */
int leases_sweep(struct repository *repository, const char *hypervisor, const char *vm, int64_t now,
                 bool dry_run, size_t *ret_removed, struct error **err) _must_check_;
