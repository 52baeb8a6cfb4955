/* Part of a recovery (worker/recover/recovery.h): test domains that interrupted jobs of ours left
 * on the VM's home. A test domain whose job still has a worker is in use; a kept one stays. Test
 * domains are not part of the VM, so they are removed even if the VM itself cannot be found. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "repository/leases.h"
#include "worker/host/test-traces.h"
#include "worker/job/connect.h"
#include "worker/job/names.h"
#include "worker/recover/recovery.h"

static bool trace_concerns_vm(const struct vm_job *job, const struct test_trace *trace)
{
        return (!trace->vm || streq(trace->vm, job->vm->name)) &&
               !strv_contains(job->request->live_jobs, trace->job) &&
               !streq(trace->job, job->request->job);
}

/* 1: removed, 0: left alone. */
static int test_trace_settle(struct vm_job *job, struct hypervisor *host,
                             const struct inventory_hypervisor *entry,
                             const struct test_trace *trace, bool kept_too, struct error **err)
{
        if (trace->kept && !kept_too) {
                report_log(job->report,
                           "the test domain %s on %s was kept on purpose; to remove it: orch "
                           "test-restore --remove %s",
                           trace->name, host->name, job->vm->name);
                return 0;
        }
        if (job->request->dry_run) {
                report_log(job->report,
                           "would be put right: the test domain %s of an interrupted job is left "
                           "on %s",
                           trace->name, host->name);
                return 1;
        }
        if (test_traces_remove(host, trace->name, entry->scratch, err) < 0)
                return -1;
        if (job->repository && job->home &&
            leases_drop(job->repository, job->home, job->vm->name, trace->job, err) < 0)
                return -1;
        if (trace->kept)
                report_log(job->report, "the test domain %s is removed from %s", trace->name,
                           host->name);
        else
                report_warning(job->report,
                               "the test domain %s of an interrupted job was left on %s: removed",
                               trace->name, host->name);
        return 1;
}

static int settle_all(struct vm_job *job, struct hypervisor *host,
                      const struct inventory_hypervisor *entry, bool kept_too, size_t *ret_count,
                      struct error **err)
{
        _cleanup_free_ char *short_uuid = names_short_uuid(job->request->repository_uuid);
        struct test_trace_list traces = { 0 };
        if (test_traces_find(host, short_uuid, entry->scratch, &traces, err) < 0)
                return -1;
        int r = 0;
        for (size_t i = 0; i < traces.count && r >= 0; i++) {
                if (trace_concerns_vm(job, &traces.items[i]))
                        r = test_trace_settle(job, host, entry, &traces.items[i], kept_too, err);
                *ret_count += r > 0;
        }
        test_traces_done(&traces);
        return r < 0 ? -1 : 0;
}

int recover_tests(struct vm_job *job, bool kept_too, size_t *ret_count, struct error **err)
{
        const struct inventory_hypervisor *home =
                job->home ? inventory_find_hypervisor(job->inventory, job->home) : NULL;
        *ret_count = 0;
        if (!home)
                return 0;
        if (job->host && job->host_entry == home)
                return settle_all(job, job->host, home, kept_too, ret_count, err);
        _cleanup_(hypervisor_freep) struct hypervisor *host =
                worker_connect(job->settings, home, 0, err);
        return host ? settle_all(job, host, home, kept_too, ret_count, err) : -1;
}
