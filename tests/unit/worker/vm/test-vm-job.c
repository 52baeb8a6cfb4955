/* What all jobs on a VM decide by themselves: how long a guest may stand still, and when a job
 * ended. */
#include <criterion/criterion.h>

#include "base/clock.h"
#include "worker/vm/vm-job.h"

Test(vm_job, the_vms_own_deadline_counts_before_the_settings)
{
        struct inventory_vm vm = { .thaw_deadline_seconds = 0 };
        struct settings settings = { .limits = { .thaw_deadline_seconds = 30 } };
        const struct vm_job job = { .vm = &vm, .settings = &settings };
        cr_expect_eq(vm_job_thaw_deadline_seconds(&job), 30);
        vm.thaw_deadline_seconds = 7;
        cr_expect_eq(vm_job_thaw_deadline_seconds(&job), 7);
}

/* The wall clock may be set back while a job runs; its end is never before its start. */
Test(vm_job, a_job_never_ends_before_it_began)
{
        int64_t now = clock_realtime_s();
        struct job_request request = { .started = now - 100 };
        struct vm_job job = { .request = &request, .begun_ms = clock_monotonic_ms() - 100 * 1000 };
        int64_t end = vm_job_end_time(&job);
        cr_expect(end >= now && end <= now + 5, "%jd", (intmax_t)(end - now));
        request.started = now + 5000;
        end = vm_job_end_time(&job);
        cr_expect(end >= request.started + 100 && end <= request.started + 105, "%jd",
                  (intmax_t)(end - request.started));
}
