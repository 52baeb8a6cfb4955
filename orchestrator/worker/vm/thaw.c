/* Thaws a guest, for the capture, its undoing and a recovery.
 *
 * A guest stays frozen when it is saved into an image, and when it is migrated to another
 * hypervisor. So a thaw first finds where the guest is now, and is not complete while the guest is
 * in a saved image. */
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/vm/vm-job.h"

enum { THAW_PATIENCE_MS = 20 * 1000, THAW_PAUSE_US = 300 * 1000 };

enum guest_place { GUEST_HERE, GUEST_SAVED, GUEST_MOVED, GUEST_OFF };

/* For GUEST_MOVED, *ret_moved is a connection to the hypervisor that runs it; the caller frees
 * it. */
static int find_guest(struct vm_job *job, enum guest_place *ret, struct hypervisor **ret_moved,
                      struct error **err)
{
        _cleanup_domain_info_ struct domain_info info = { 0 };
        int found = job->host->ops->find_domain(job->host, job->uuid, NULL, &info, err);
        if (found < 0)
                return -1;
        if (found && !domain_state_is_off(info.state))
                *ret = GUEST_HERE;
        else if (found && info.has_managed_save)
                *ret = GUEST_SAVED;
        else
                *ret = (*ret_moved = vm_job_find_moved(job)) ? GUEST_MOVED : GUEST_OFF;
        return 0;
}

int vm_job_refuse_saved(const struct vm_job *job, struct error **err)
{
        return error_set(err, ERROR_BUSY,
                         "%s was saved (managed save) while it may have been frozen: it is thawed "
                         "as soon as it is found started again "
                         "(on %s: virsh start %s; then at once: orch recover %s)",
                         job->vm->name, job->host->name, job->vm->domain, job->vm->name);
}

/* If the thaw command fails, that proves nothing: the freeze status decides. */
static bool is_thawed(const struct vm_job *job, struct hypervisor *host, struct error **ret_error)
{
        enum fsfreeze_status status = FSFREEZE_FROZEN;
        _cleanup_error_ struct error *error = NULL;
        int filesystems = 0;
        int r = host->ops->fsthaw(host, job->uuid, &filesystems, &error);
        if (host->ops->fsfreeze_status(host, job->uuid, &status, ret_error) < 0)
                return false;
        if (status == FSFREEZE_THAWED)
                return true;
        if (r < 0)
                error_propagate(ret_error, TAKE_PTR(error));
        else
                error_set(ret_error, ERROR_TIMEOUT, "the guest still says frozen");
        return false;
}

int vm_job_thaw(struct vm_job *job, struct error **err)
{
        struct deadline deadline = deadline_in_ms(THAW_PATIENCE_MS);
        _cleanup_(hypervisor_freep) struct hypervisor *moved = NULL;
        for (;;) {
                struct hypervisor *host = moved ? moved : job->host;
                enum guest_place place = GUEST_HERE;
                _cleanup_error_ struct error *error = NULL;
                if (is_thawed(job, host, &error))
                        return 0;
                bool lost = error->kind == ERROR_UNREACHABLE;
                if (!moved && !lost && find_guest(job, &place, &moved, NULL) == 0 &&
                    place == GUEST_SAVED)
                        return vm_job_refuse_saved(job, err);
                if (place == GUEST_OFF)
                        return 0;
                if (place == GUEST_MOVED) {
                        report_warning(job->report,
                                       "%s was moved from %s to %s while it was frozen: it is "
                                       "thawed there",
                                       job->vm->name, job->host->name, moved->name);
                        continue;
                }
                if (deadline_passed(deadline) || lost) {
                        error_propagate(err, TAKE_PTR(error));
                        return error_prefix(err,
                                            "%s could not be thawed (the dead-man timer on %s goes "
                                            "on trying; by hand: virsh domfsthaw %s)",
                                            job->vm->name, host->name, job->vm->domain);
                }
                usleep(THAW_PAUSE_US);
        }
}

int vm_job_undo_freeze(void *data, struct error **err)
{
        struct vm_job *job = data;
        bool fired = false;
        enum guest_place place = GUEST_HERE;
        _cleanup_(hypervisor_freep) struct hypervisor *moved = NULL;
        if (vm_job_ensure_connection(job, err) < 0 || find_guest(job, &place, &moved, err) < 0)
                return -1;
        if (place == GUEST_SAVED)
                return vm_job_refuse_saved(job, err);
        if (place != GUEST_OFF && vm_job_thaw(job, err) < 0)
                return -1;
        return deadman_disarm(&job->deadman, job->host, &fired, err);
}
