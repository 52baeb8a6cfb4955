/* Implements worker/upkeep/prune.h. The present content of the share decides again which points may
 * be removed (policies/retention.h); the list that a user confirmed before can only narrow that
 * down. */
#include "worker/upkeep/prune.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "policies/retention.h"
#include "repository/points.h"
#include "schema/records/prune-options.h"
#include "worker/job/cancel.h"
#include "worker/job/connect.h"

enum { CLOCK_AHEAD_MAX_S = 24 * 60 * 60 };

static bool remove_point(const struct prune *prune, const struct retention_point *point,
                         const char *path)
{
        _cleanup_error_ struct error *error = NULL;
        if (points_remove(prune->repository, prune->home, prune->vm->name, point->name, &error) <
            0) {
                if (error->kind == ERROR_BUSY)
                        report_log(prune->report, "the old point %s is kept for now: %s",
                                   point->name, error->message);
                else
                        report_warning(prune->report, "the old point %s cannot be removed: %s",
                                       point->name, error->message);
                return false;
        }
        report_log(prune->report, "the old point %s was removed: %s", point->name, point->reason);
        report_removed(prune->report, point->name);
        report_state(prune->report, path, NULL);
        return true;
}

static bool may_go(const struct prune *prune, const struct retention_point *decided)
{
        if (!decided->remove || streq(decided->name, prune->spared))
                return false;
        return !prune->agreed || strv_contains(prune->agreed, decided->name);
}

/* A clock that is ahead makes every point look old, so it is compared with the clock of the share's
 * server. */
static int check_clock(const struct prune *prune, struct error **err)
{
        int64_t now = clock_realtime_s();
        int64_t server = 0;
        if (repository_server_time(prune->repository, &server, err) < 0)
                return -1;
        if (now - server <= CLOCK_AHEAD_MAX_S)
                return 0;
        _cleanup_free_ char *ours = clock_format_local(now);
        _cleanup_free_ char *theirs = clock_format_local(server);
        return error_set(err, ERROR_REFUSED,
                         "this machine's clock says %s and that of the share %s: no point is "
                         "removed until they agree",
                         ours, theirs);
}

int prune_points(const struct prune *prune, size_t *ret_kept, size_t *ret_removed,
                 struct error **err)
{
        _cleanup_point_list_ struct point_list list = { 0 };
        if (check_clock(prune, err) < 0 ||
            points_scan_vm(prune->repository, prune->home, prune->vm->name, &list, err) < 0)
                return -1;
        _cleanup_free_ struct retention_point *points = xcalloc(list.count + 1, sizeof *points);
        for (size_t i = 0; i < list.count; i++) {
                const struct point *point = &list.items[i];
                points[i] = (struct retention_point){
                        .name = point->name,
                        .parent = point->metadata ? point->metadata->parent : NULL,
                        .started = point_started(point),
                        .good = point->metadata && !point->state.damaged,
                        .unreadable = !point->metadata || point->uncertain,
                        .held = point->state.held,
                };
        }
        retention_decide(prune->vm, points, list.count, clock_realtime_s());
        size_t removed = 0;
        for (size_t i = 0; i < list.count && !worker_cancelled(NULL); i++)
                if (may_go(prune, &points[i]))
                        removed += remove_point(prune, &points[i], list.items[i].path);
        *ret_removed = removed;
        *ret_kept = list.count - removed;
        return 0;
}

static int prune_vm(const struct job_request *request, const struct settings *settings,
                    const struct inventory *inventory, struct report *report, struct error **err)
{
        _cleanup_prune_options_ struct prune_options options = { 0 };
        _cleanup_(repository_freep) struct repository *repository = NULL;
        const struct inventory_vm *vm = inventory_find_vm(inventory, request->vm);
        if (!vm)
                return error_set(err, ERROR_CONFIG,
                                 "the inventory has no VM named %s: nothing says how long its "
                                 "points are kept",
                                 request->vm);
        if (prune_options_from_json(request->options, &options, err) < 0)
                return -1;
        repository = worker_open_repository(settings, request, err);
        /* The repository lock must still be held by this worker's daemon, because another orch's
         * points must not be touched. */
        if (!repository || repository_check_holder(repository, getppid(), err) < 0)
                return -1;
        const char *home = vm->hypervisor ? vm->hypervisor : request->pinned_hypervisor;
        if (!home)
                return error_set(err, ERROR_CONFIG, "%s has no home yet: it was never backed up",
                                 vm->name);
        const struct prune prune = { .repository = repository,
                                     .home = home,
                                     .vm = vm,
                                     .agreed = options.points,
                                     .report = report };
        size_t kept = 0;
        size_t removed = 0;
        report_step(report, STEP_NAME_RETENTION);
        if (prune_points(&prune, &kept, &removed, err) < 0)
                return -1;
        report_step_end(report, STEP_DONE, "%zu points kept, %zu removed", kept, removed);
        return worker_check_cancelled(err);
}

int prune_run(const struct job_request *request, const struct settings *settings,
              const struct inventory *inventory, struct report *report)
{
        _cleanup_error_ struct error *failure = NULL;
        (void)!prune_vm(request, settings, inventory, report, &failure);
        if (failure)
                return report_failure(report, NULL, TAKE_PTR(failure));
        report_result(report, "ok", NULL, NULL);
        return STATUS_OK;
}
