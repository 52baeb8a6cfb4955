/* Retention after a good backup (P4): the points of this VM that no rule keeps go. A failure here is a warning: the new point is good. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "policies/retention.h"
#include "repository/points.h"
#include "worker/backup-internal.h"

static bool remove_point(struct backup *backup, const struct retention_point *point)
{
        _cleanup_error_ struct error *error = NULL;
        if (points_remove(backup->repository, backup->home, backup->vm->name, point->name, &error) < 0) {
                if (error->kind == ERROR_BUSY)
                        report_log(backup->report, "the old point %s is kept for now: %s", point->name, error->message);
                else
                        report_warning(backup->report, "the old point %s cannot be removed: %s", point->name, error->message);
                return false;
        }
        report_log(backup->report, "the old point %s was removed: %s", point->name, point->reason);
        report_removed(backup->report, point->name);
        return true;
}

int backup_prune(struct backup *backup, struct error **err)
{
        _cleanup_point_list_ struct point_list list = { 0 };
        if (points_scan_vm(backup->repository, backup->home, backup->vm->name, &list, err) < 0) {
                report_warning(backup->report, "retention was left out: %s", error_message(err ? *err : NULL));
                if (err)
                        *err = error_free(*err);
                return 0;
        }
        _cleanup_free_ struct retention_point *points = xcalloc(list.count, sizeof *points);
        for (size_t i = 0; i < list.count; i++) {
                const struct point *point = &list.items[i];
                points[i] = (struct retention_point){
                        .name = point->name,
                        .parent = point->metadata ? point->metadata->parent : NULL,
                        .started = point->metadata ? point->metadata->started : 0,
                        .good = point->metadata && !point->state.damaged,
                        .held = point->state.held,
                };
        }
        retention_decide(backup->vm, points, list.count, clock_realtime_s());
        size_t removed = 0;
        for (size_t i = 0; i < list.count; i++) {
                /* The point of this very job is never a candidate, whatever the clock says; nor one whose age cannot be told. */
                if (!points[i].remove || streq(points[i].name, backup->point) || !list.items[i].metadata)
                        continue;
                removed += remove_point(backup, &points[i]);
        }
        report_step_end(backup->report, STEP_DONE, "%zu points kept, %zu removed", list.count - removed, removed);
        return 0;
}
