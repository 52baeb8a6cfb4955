/* The order of a restore's steps, and its end. Until the copies are compared nothing is changed but
 * temporary files; then, for one that replaces a machine, that one is shut off, set aside, and the
 * new one takes its place.
 *
 * Invariant: when restore_run() returns, the undo stack is empty: the restore is complete, or all
 * of it was undone, or the result says what could not be and its journal stays for a recovery. */
#include "worker/restore/restore.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "transports/local-host.h"
#include "worker/backup/backup-internal.h"
#include "worker/job/cancel.h"
#include "worker/job/connect.h"
#include "worker/job/names.h"
#include "worker/restore/restore-internal.h"

enum when { ALWAYS, NEVER_INSTANT, ONLY_INSTANT };

struct step {
        const char *name; /* as in events; NULL: the step reports its own parts */
        int (*run)(struct restore *restore, struct error **err);
        bool changes; /* not in a dry run */
        enum when when;
};

static const struct step steps[] = {
        { "point", restore_choose_point, false },
        { "checksums", restore_verify_point, false, NEVER_INSTANT },
        { "original", restore_find_original, false },
        { "target", restore_choose_target, false },
        { "plan", restore_plan, false },
        { "layers", restore_find_layers, false, ONLY_INSTANT },
        { "checks-before", restore_check, false },
        { "journal", restore_begin, true },
        { "overlays", restore_lay_overlays, true, ONLY_INSTANT },
        { NULL, restore_copy, true, NEVER_INSTANT },
        { "compare", restore_compare, true, NEVER_INSTANT },
        { NULL, restore_end_reading, true, NEVER_INSTANT },
        { NULL, restore_stop_original, true },
        { "rename", restore_move, true },
        { "define", restore_define, true },
};

static const struct step export_steps[] = {
        { "point", restore_choose_point, false },
        { "checksums", restore_verify_point, false },
        { NULL, restore_export, false },
};

static int open_repository(struct restore *restore, struct error **err)
{
        restore->repository = worker_open_repository(restore->settings, restore->request, err);
        if (!restore->repository)
                return -1;
        restore->tag = names_tag(repository_short_uuid(restore->repository), restore->request->job);
        return 0;
}

static int run_step(struct restore *restore, const struct step *step, struct error **err)
{
        if (step->when != ALWAYS && restore->options.instant != (step->when == ONLY_INSTANT))
                return 0;
        if (step->changes && restore->dry_run)
                return 0;
        if (worker_check_cancelled(err) < 0)
                return -1;
        if (step->name)
                report_step(restore->report, step->name);
        if (step->run(restore, err) < 0)
                return -1;
        if (step->name)
                report_step_end(restore->report, STEP_DONE, NULL);
        return 0;
}

/* A machine that replaces another is kept only once it has been started, where that was asked
 * for. */
static int bring_to_life(struct restore *restore, struct error **err)
{
        bool starts = restore->options.start || restore->options.instant;
        if (starts) {
                report_step(restore->report, "start");
                if (restore_start(restore, err) < 0)
                        return -1;
        }
        if (restore_complete(restore, err) < 0)
                return -1;
        if (starts && restore_await(restore, err) < 0)
                return restore->options.instant ? restore_leave_pulling(restore, err) : -1;
        return restore->options.instant ? restore_pull(restore, err) : 0;
}

static int run_steps(struct restore *restore, struct error **err)
{
        bool exports = restore->options.export_folder;
        const struct step *list = exports ? export_steps : steps;
        size_t count = exports ? ARRAY_LENGTH(export_steps) : ARRAY_LENGTH(steps);
        report_step(restore->report, "open-share");
        if (open_repository(restore, err) < 0)
                return -1;
        report_step_end(restore->report, STEP_DONE, NULL);
        if (exports) {
                restore->host = local_host_new();
                restore->host_repository = repository_path(restore->repository);
        }
        for (size_t i = 0; i < count; i++)
                if (run_step(restore, &list[i], err) < 0)
                        return -1;
        return exports || restore->dry_run ? 0 : bring_to_life(restore, err);
}

static int finish_failed(struct restore *restore, struct error *failure)
{
        worker_note_cancellation(failure);
        if (restore->report->step)
                report_step_end(restore->report, STEP_FAILED, "%s", failure->message);
        undo_run_after(&restore->undo, restore->report, "Undoing the restore", restore->request->vm,
                       &failure);
        bool cancelled = failure->kind == ERROR_CANCELLED;
        report_result(restore->report, cancelled ? "cancelled" : "failed", NULL, failure);
        error_free(failure);
        return cancelled ? 5 : 1;
}

static int finish_ok(struct restore *restore)
{
        if (restore->dry_run)
                report_log(restore->report, "nothing was changed: this was a dry run");
        else if (!restore->options.export_folder)
                report_log(restore->report, "%s is restored from %s as %s on %s%s",
                           restore->request->vm, restore->point->name, restore->name,
                           restore->host->name,
                           restore->options.start || restore->options.instant ? "" : "; it is off");
        report_result(restore->report, "ok", restore->point->path, NULL);
        return 0;
}

int restore_run(const struct job_request *request, const struct settings *settings,
                const struct inventory *inventory, struct report *report)
{
        _cleanup_(restore_done) struct restore restore = {
                .request = request,
                .settings = settings,
                .inventory = inventory,
                .report = report,
                .journal_fd = -1,
        };
        struct error *failure = NULL;
        int r = restore_options_read(request->options, &restore.options, &failure);
        restore.dry_run = restore.options.dry_run;
        if (r == 0)
                r = run_steps(&restore, &failure);
        return r == 0 ? finish_ok(&restore) : finish_failed(&restore, failure);
}
