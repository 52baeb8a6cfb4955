/* Implements worker/test-restore/test-restore.h: the order of a test-restore, and its end.
 *
 * Invariants: everything that was made on the hypervisor is removed before the result is reported,
 * except a domain that is to be kept. A verdict is only written if there is one, because an
 * unreachable hypervisor says nothing about a point. */
#include "worker/test-restore/test-restore.h"

#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/test-traces.h"
#include "worker/job/cancel.h"
#include "worker/job/step-table.h"
#include "worker/recover/recovery.h"
#include "worker/test-restore/test-restore-internal.h"

enum { TEST = 1 << 0 };

DEFINE_STEP_TABLE(test_restore)

static const struct test_restore_step steps[] = {
        { { STEP_NAME_POINT, TEST }, test_restore_choose },
        { { STEP_NAME_READ_POINT, TEST }, test_restore_read_point },
        { { STEP_NAME_HYPERVISOR, TEST }, test_restore_find_host },
        { { STEP_NAME_PREPARE, TEST }, test_restore_prepare },
        { { STEP_NAME_START, TEST }, test_restore_start },
        { { STEP_NAME_BOOT, TEST }, test_restore_watch },
        { { STEP_NAME_TESTS, TEST }, test_restore_run_tests },
};

/* Keeps the domain as it is, and reports how to remove it. */
static int test_restore_keep(struct test_restore *test, struct error **err)
{
        struct vm_job *job = &test->job;
        if (test_traces_keep(job->host, test->name, job->host_entry->scratch, err) < 0)
                return -1;
        undo_settle(&job->undo, UNDO_NAME_TEST_DOMAIN);
        test->kept = true;
        report_log(job->report,
                   "%s is kept on %s (its files: %s). It uses the point, which is held for it for "
                   "%d days. To remove it: orch "
                   "test-restore --remove %s",
                   test->name, job->host->name, test->work, LEASE_DAYS, job->vm->name);
        return 0;
}

static int remove_and_compare(struct test_restore *test, struct error **err)
{
        struct vm_job *job = &test->job;
        report_step(job->report, test->options.keep ? STEP_NAME_KEEP : STEP_NAME_REMOVE);
        if (test->options.keep ? test_restore_keep(test, err) < 0
                               : undo_run(&job->undo, job->report, err) < 0)
                return -1;
        report_step(job->report, STEP_NAME_COMPARE_POINT);
        return test_restore_compare_point(test, err);
}

/* After a verdict: saves the guest's output, removes the domain and compares the point. The verdict
 * is written whatever the outcome of these is. */
static int test_restore_conclude(struct test_restore *test, struct error **err)
{
        struct vm_job *job = &test->job;
        _cleanup_error_ struct error *error = NULL;
        report_step(job->report, STEP_NAME_EVIDENCE);
        test_restore_save_evidence(test);
        if (remove_and_compare(test, &error) < 0)
                report_step_end(job->report, STEP_FAILED, "%s", error->message);
        report_step(job->report, STEP_NAME_RECORD);
        if (test_restore_record(test, err) < 0)
                return -1;
        report_step_end(job->report, STEP_DONE, NULL);
        if (error)
                return error_propagate(err, TAKE_PTR(error));
        if (test->booted && test->tests_passed)
                return 0;
        return error_set(err, ERROR_CORRUPT, "%s of %s %s: %s", test->point->name, job->vm->name,
                         test->booted ? "comes up, but does not pass its tests" : "is NOT BOOTABLE",
                         test->reason);
}

static int test_restore_finish(struct test_restore *test, struct error *failure)
{
        struct report *report = test->job.report;
        const char *path = test->point ? test->point->path : NULL;
        if (!failure) {
                report_result(report, "ok", path, NULL);
                return 0;
        }
        if (!test->has_verdict)
                worker_note_cancellation(failure);
        if (report->step)
                report_step_end(report, STEP_FAILED, "%s", failure->message);
        undo_run_after(&test->job.undo, report, "Removing the test domain", test->job.request->vm,
                       &failure);
        return report_failure(report, path, failure);
}

/* `orch test-restore --remove`. */
static int remove_kept(struct test_restore *test, struct error **err)
{
        struct vm_job *job = &test->job;
        size_t count = 0;
        report_step(job->report, STEP_NAME_REMOVE);
        job->home = xstrdup(job->vm->hypervisor ? job->vm->hypervisor
                                                : job->request->pinned_hypervisor);
        job->repository = repository_open(job->settings->repository_path,
                                          job->settings->repository_fstype, err);
        if (!job->repository || recover_tests(job, true, &count, err) < 0)
                return -1;
        report_step_end(job->report, STEP_DONE, "%zu test domains of %s", count, job->vm->name);
        return 0;
}

int test_restore_run(const struct job_request *request, const struct settings *settings,
                     const struct inventory *inventory, struct report *report)
{
        _cleanup_(test_restore_done) struct test_restore test = {
                .job = {
                        .request = request,
                        .settings = settings,
                        .inventory = inventory,
                        .vm = inventory_find_vm(inventory, request->vm),
                        .report = report,
                        .metadata = metadata_new(),
                },
                .pattern_ms = -1,
                .agent_ms = -1,
        };
        struct error *failure = NULL;
        int r = -1;
        if (!test.job.vm)
                error_set(&failure, ERROR_CONFIG, "the inventory has no VM named %s", request->vm);
        else
                r = test_restore_options_read(request->options, &test.options, &failure);
        if (r == 0 && test.options.remove)
                (void)remove_kept(&test, &failure);
        else if (r == 0 && run_test_restore_steps(&test, steps, ARRAY_LENGTH(steps), TEST, report,
                                                  &test.ended_early, &failure) == 0)
                (void)test_restore_conclude(&test, &failure);
        return test_restore_finish(&test, failure);
}
