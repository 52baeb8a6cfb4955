/* Who reads a point now: `.reading-<job>` in the folder of a VM names the point and the parents
 * that it needs, and points_remove() leaves these alone (P4). Written durably before the point is
 * looked at, so that of a reader and a retention that meet one gives way: either the remover sees
 * the lease and puts the point back, or the reader sees that the point is gone.
 *
 * A lease of a process holds a lock on its file, so that one whose process is gone can be told and
 * swept; one that outlives its process (a VM that runs from the share) is dropped by its job's end
 * or recovery. What nobody has renewed for 7 days counts no more. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "repository/repository.h"

enum { LEASE_DAYS = 7 };

enum lease_life {
        LEASE_OF_PROCESS,    /* ends with the process that took it */
        LEASE_UNTIL_DROPPED, /* ends by lease_release() or leases_drop() */
};

struct lease; /* one that this process holds */

/* Takes it for `job`. `points` are names, NULL-terminated, the one that is read first, then its
 * parents; each is seen to be there. Names must be safe (asserted). ERROR_REFUSED when a point is
 * not there (any more). The caller ends it. */
struct lease *lease_take(struct repository *repository, const char *hypervisor, const char *vm,
                         char *const *points, const char *job, enum lease_life life,
                         struct error **err) _must_check_;
/* Whether lease_take() failed because this machine cannot write to the share, read-only or full as
 * it is, and who only reads may do without. */
bool lease_cannot_be_written(const struct error *error);
/* Says that it is still in use: at least once a day. */
int lease_renew(struct lease *lease, struct error **err) _must_check_;
/* Removes it from the share and frees the object; NULL is fine. A file that cannot be removed is
 * swept later. Returns NULL. */
struct lease *lease_release(struct lease *lease);
/* Frees the object; one that is until dropped stays on the share. NULL is fine. Returns NULL. */
struct lease *lease_free(struct lease *lease);
static inline _unused_ void lease_releasep(struct lease **lease)
{
        *lease = lease_release(*lease);
}

/* Removes what `job` holds in that VM's folder; none is fine. */
int leases_drop(struct repository *repository, const char *hypervisor, const char *vm,
                const char *job, struct error **err) _must_check_;
/* Says that `job` still reads there: for one whose process is another by now. ERROR_REFUSED when it
 * holds nothing. */
int leases_renew(struct repository *repository, const char *hypervisor, const char *vm,
                 const char *job, struct error **err) _must_check_;
/* Removes those whose process is gone, and those that nobody has renewed for LEASE_DAYS. With
 * dry_run only counts. */
int leases_sweep(struct repository *repository, const char *hypervisor, const char *vm, int64_t now,
                 bool dry_run, size_t *ret_removed, struct error **err) _must_check_;
