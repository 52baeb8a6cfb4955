/* The order of a restore's steps, and its end. Only temporary files are made until the copies have
 * been compared. Then, if a machine is replaced, it is shut off and set aside, and the new one
 * takes its place.
 *
 * Invariant: when restore_run() returns, the undo stack is empty. The restore is complete, or all
 * of it was undone, or the result says what could not be undone and its journal stays for a
 * recovery. */
#include "worker/restore/restore.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "transports/local-host.h"
#include "worker/job/cancel.h"
#include "worker/job/connect.h"
#include "worker/job/names.h"
#include "worker/job/step-table.h"
#include "worker/restore/restore-internal.h"

static int restore_open_repository(struct restore *restore, struct error **err)
{
        restore->job.repository =
                worker_open_repository(restore->job.settings, restore->job.request, err);
        if (!restore->job.repository)
                return -1;
        restore->job.tag = names_tag(repository_short_uuid(restore->job.repository),
                                     restore->job.request->job);
        return 0;
}

/* The step "start" ends when the guest answers: await_guest(). */
static int start_machine(struct restore *restore, struct error **err)
{
        report_step(restore->job.report, STEP_NAME_START);
        return restore_start(restore, err);
}

/* If the guest does not answer, an instant restore ends without pulling. Its disks are pulled all
 * the same, by the process that resumes the pull. */
static int await_guest(struct restore *restore, struct error **err)
{
        if (restore_await(restore, err) == 0)
                return 0;
        return restore->options.instant ? restore_leave_pulling(restore, err) : -1;
}

/* An export needs no hypervisor. */
static int use_local_host(struct restore *restore, struct error **err)
{
        (void)err;
        restore->job.host = local_host_new();
        restore->job.host_repository = repository_path(restore->job.repository);
        return 0;
}

/* The kinds of run: what is made, whether anything is changed, and whether the machine is started
 * at the end. Each kind is one bit. */
enum {
        DRY_PLAIN = 1 << 0,
        DRY_INSTANT = 1 << 1,
        PLAIN = 1 << 2,   /* copied, and left shut off */
        START = 1 << 3,   /* copied, and started */
        INSTANT = 1 << 4, /* started from the point, its disks pulled afterwards */
        EXPORT = 1 << 5,
        COPIES = PLAIN | START,
        CHANGES = PLAIN | START | INSTANT,
        PLANS = CHANGES | DRY_PLAIN | DRY_INSTANT,
};

DEFINE_STEP_TABLE(restore)

/* If a start was requested, a machine that replaces another is only kept after it has started. */
static const struct restore_step steps[] = {
        { { STEP_NAME_OPEN_SHARE, PLANS | EXPORT }, restore_open_repository },
        { { STEP_NAME_NONE, EXPORT }, use_local_host },
        { { STEP_NAME_POINT, PLANS | EXPORT }, restore_choose_point },
        { { STEP_NAME_CHECKSUMS, COPIES | DRY_PLAIN | EXPORT }, restore_verify_point },
        { { STEP_NAME_NONE, EXPORT }, restore_export },
        { { STEP_NAME_ORIGINAL, PLANS }, restore_find_original },
        { { STEP_NAME_TARGET, PLANS }, restore_choose_target },
        { { STEP_NAME_PLAN, PLANS }, restore_plan },
        { { STEP_NAME_LAYERS, INSTANT | DRY_INSTANT }, restore_find_layers },
        { { STEP_NAME_CHECKS_BEFORE, PLANS }, restore_check },
        { { STEP_NAME_JOURNAL, CHANGES }, restore_begin },
        { { STEP_NAME_OVERLAYS, INSTANT }, restore_lay_overlays },
        { { STEP_NAME_NONE, COPIES }, restore_copy },
        { { STEP_NAME_COMPARE, COPIES }, restore_compare },
        { { STEP_NAME_NONE, COPIES }, restore_end_reading },
        { { STEP_NAME_NONE, CHANGES }, restore_stop_original },
        { { STEP_NAME_RENAME, CHANGES }, restore_move },
        { { STEP_NAME_DEFINE, CHANGES }, restore_define },
        { { STEP_NAME_NONE, START | INSTANT, .runs_cancelled = true }, start_machine },
        { { STEP_NAME_NONE, CHANGES, .runs_cancelled = true }, restore_complete },
        { { STEP_NAME_NONE, START | INSTANT, .runs_cancelled = true }, await_guest },
        { { STEP_NAME_NONE, INSTANT, .runs_cancelled = true }, restore_pull },
};

static unsigned kind_of(const struct restore_options *options)
{
        if (options->export_folder)
                return EXPORT;
        if (options->dry_run)
                return options->instant ? DRY_INSTANT : DRY_PLAIN;
        return options->instant ? INSTANT : options->start ? START : PLAIN;
}

static int restore_finish_failed(struct restore *restore, struct error *failure)
{
        worker_note_cancellation(failure);
        if (restore->job.report->step)
                report_step_end(restore->job.report, STEP_FAILED, "%s", failure->message);
        undo_run_after(&restore->job.undo, restore->job.report, "Undoing the restore",
                       restore->job.request->vm, &failure);
        return report_failure(restore->job.report, NULL, failure);
}

static int restore_finish_ok(struct restore *restore)
{
        if (restore->dry_run)
                report_log(restore->job.report, "nothing was changed: this was a dry run");
        else if (!restore->options.export_folder)
                report_log(restore->job.report, "%s is restored from %s as %s on %s%s",
                           restore->job.request->vm, restore->point->name, restore->name,
                           restore->job.host->name,
                           restore->options.start || restore->options.instant ? "" : "; it is off");
        report_result(restore->job.report, "ok", restore->point->path, NULL);
        return 0;
}

int restore_run(const struct job_request *request, const struct settings *settings,
                const struct inventory *inventory, struct report *report)
{
        _cleanup_(restore_done) struct restore restore = {
                .job = {
                        .request = request,
                        .settings = settings,
                        .inventory = inventory,
                        .vm = inventory_find_vm(inventory, request->vm ? request->vm : ""),
                        .report = report,
                },
                .journal_fd = -1,
        };
        struct error *failure = NULL;
        bool over = false;
        int r = restore_options_read(request->options, &restore.options, &failure);
        restore.dry_run = restore.options.dry_run;
        if (r == 0)
                r = run_restore_steps(&restore, steps, ARRAY_LENGTH(steps),
                                      kind_of(&restore.options), report, &over, &failure);
        return r == 0 ? restore_finish_ok(&restore) : restore_finish_failed(&restore, failure);
}
