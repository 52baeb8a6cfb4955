/* Part of a recovery (worker/recover/recovery.h): the VM was migrated to this hypervisor while a
 * job of ours had it frozen on another one.
 *
 * That job's watchdog timer is still on the old hypervisor, where it can no longer thaw the guest;
 * its file shows that the freeze here is ours. */
#include "base/memory.h"
#include "base/strings.h"
#include "worker/job/connect.h"
#include "worker/recover/recovery.h"

enum { CONNECT_MS = 15 * 1000 };

static int disarm_moved(struct hypervisor *host, char *const *tags, struct error **err)
{
        for (size_t i = 0; tags && tags[i]; i++) {
                struct deadman deadman = { .tag = tags[i], .armed = true };
                bool fired = false;
                if (deadman_disarm(&deadman, host, &fired, err) < 0)
                        return -1;
        }
        return 0;
}

static int moved_settle(struct recovery *recovery, struct hypervisor *host,
                        const struct deadman_traces *traces, struct error **err)
{
        struct vm_job *job = recovery->job;
        if ((traces->armed || traces->stale) && job->running && recover_thaw(recovery, err) < 0)
                return -1;
        if (!recovery->dry_run && (disarm_moved(host, traces->armed, err) < 0 ||
                                   disarm_moved(host, traces->stale, err) < 0 ||
                                   disarm_moved(host, traces->fired, err) < 0))
                return -1;
        recovery_says(
                recovery,
                "the dead-man timer of an interrupted job was left on %s, where %s ran: disarmed",
                host->name, job->vm->name);
        return 0;
}

static int look_there(struct recovery *recovery, const char *name, struct error **err)
{
        struct vm_job *job = recovery->job;
        const struct inventory_hypervisor *entry = inventory_find_hypervisor(job->inventory, name);
        _cleanup_(hypervisor_freep) struct hypervisor *host =
                worker_connect(job->settings, entry, CONNECT_MS, err);
        struct deadman_traces traces = { 0 };
        if (!host || deadman_find(host, recovery->short_uuid, job->uuid, &traces, err) < 0)
                return -1;
        int r = moved_settle(recovery, host, &traces, err);
        deadman_traces_done(&traces);
        return r;
}

void recover_moved_freezes(struct recovery *recovery)
{
        char *const *names = recovery->job->traces_elsewhere;
        for (size_t i = 0; names && names[i]; i++) {
                struct error *error = NULL;
                if (look_there(recovery, names[i], &error) < 0)
                        recovery_fails(recovery, error);
        }
}
