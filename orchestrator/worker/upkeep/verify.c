/* Implements worker/upkeep/verify.h. Damage found by repository/points-verify.c marks the point;
 * anything that could not be determined fails the job and marks nothing. `points` is the VM's
 * points as scanned, newest first; their state is kept up to date while the job goes through them
 * from the end. */
#include "worker/upkeep/verify.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/points.h"
#include "repository/staging.h"
#include "schema/records/verify-options.h"
#include "worker/job/cancel.h"
#include "worker/job/connect.h"

enum { DAMAGE_MAX_BYTES = 1500, NAMED_MAX = 5 };

struct verify {
        const struct job_request *request;
        struct report *report;
        struct verify_options options;
        struct repository *repository;
        struct point_list points;
        bool *chosen; /* for each of `points` */
        const char *reading;
        size_t n_verified;
        size_t n_damaged;
        char **damaged;        /* the first names */
        bool gone;             /* scrub only: retention has removed the point */
        struct error *problem; /* the first reason for which a point could not be read */
};

static void verify_done(struct verify *verify)
{
        verify_options_done(&verify->options);
        point_list_done(&verify->points);
        repository_free(verify->repository);
        free(verify->chosen);
        strv_free(verify->damaged);
        error_free(verify->problem);
}

static void note_damaged(struct verify *verify, const char *name)
{
        verify->n_damaged++;
        if (strv_length(verify->damaged) < NAMED_MAX)
                strv_add(&verify->damaged, name);
}

static bool is_on_share(const struct verify *verify, const char *path)
{
        for (size_t i = 0; i < verify->points.count; i++)
                if (streq(verify->points.items[i].path, path))
                        return true;
        return false;
}

/* A point may have been published or removed since the daemon sent its list. */
static bool has_come_or_gone(struct verify *verify, const char *path, bool was_there)
{
        _cleanup_point_list_ struct point_list now = { 0 };
        return points_read(verify->repository, path, &now, NULL) == 0 &&
               (now.count > 0) != was_there;
}

static void compare_with_catalog(struct verify *verify)
{
        struct report *report = verify->report;
        char **known = verify->options.known;
        for (size_t i = 0; i < verify->points.count; i++) {
                const struct point *point = &verify->points.items[i];
                if (strv_contains(known, point->path) ||
                    has_come_or_gone(verify, point->path, true))
                        continue;
                report_warning(report, "%s is on the share and was not in the catalog; it is now",
                               point->path);
                report_state(report, point->path, &point->state);
        }
        for (size_t i = 0; known && known[i]; i++) {
                if (is_on_share(verify, known[i]) || has_come_or_gone(verify, known[i], false))
                        continue;
                report_check(report, CHECK_AFTER, CHECK_NAME_FOLDER_PRESENT, CHECK_FAIL,
                             "%s is in the catalog and not on the share: bring the folder back "
                             "from a snapshot of the share, where it "
                             "was not removed on purpose",
                             known[i]);
                report_state(report, known[i], NULL);
                note_damaged(verify, path_base(known[i]));
        }
}

static void choose_ancestors(struct verify *verify, const struct point *point)
{
        for (size_t steps = 0;
             point && point->metadata && point->metadata->parent && steps < verify->points.count;
             steps++) {
                point = points_find_beside(&verify->points, point, point->metadata->parent);
                if (point)
                        verify->chosen[point - verify->points.items] = true;
        }
}

static int verify_choose_points(struct verify *verify, struct error **err)
{
        const struct verify_options *options = &verify->options;
        verify->chosen = xcalloc(verify->points.count + 1, sizeof *verify->chosen);
        if (options->point) {
                const struct point *point =
                        points_choose(&verify->points, verify->request->vm, options->point, err);
                if (!point)
                        return -1;
                verify->chosen[point - verify->points.items] = true;
                if (!options->alone)
                        choose_ancestors(verify, point);
                return 0;
        }
        for (size_t i = 0; i < verify->points.count; i++) {
                const struct metadata *metadata = verify->points.items[i].metadata;
                verify->chosen[i] = !metadata || metadata->started >= options->since;
                if (verify->chosen[i])
                        choose_ancestors(verify, &verify->points.items[i]);
        }
        return 0;
}

struct verdict {
        int64_t when;
        const char *damage; /* NULL: whole */
        /* For a whole point: taken before the point was read, so that a file modified meanwhile
         * counts as modified; or NULL. */
        const char *stat_digest;
};

static void apply_verdict(struct point_state *state, void *data)
{
        const struct verdict *verdict = data;
        state->damaged = verdict->damage != NULL;
        xstrdup_replace(&state->damage, verdict->damage);
        xstrdup_replace(&state->stat_digest, verdict->stat_digest);
        if (!verdict->damage)
                state->verified = verdict->when;
}

/* A read-only share is still worth verifying, so the verdict is reported even if it cannot be
 * written. */
static void verify_mark(struct verify *verify, struct point *point, const char *damage,
                        const char *stat_digest)
{
        struct verdict verdict = { .when = clock_realtime_s(),
                                   .damage = damage,
                                   .stat_digest = stat_digest };
        _cleanup_error_ struct error *error = NULL;
        struct point_state state = { 0 };
        point->uncertain = false; /* it has a verdict now */
        if (points_change_state(verify->repository, point->path, apply_verdict, &verdict, &state,
                                &error) < 0) {
                report_warning(verify->report, "the verdict on %s cannot be kept: %s", point->name,
                               error->message);
                apply_verdict(&point->state, &verdict);
                return;
        }
        point_state_done(&point->state);
        point->state = state;
        report_state(verify->report, point->path, &point->state);
}

static void verify_on_bytes(uint64_t done, uint64_t total, void *data)
{
        struct verify *verify = data;
        report_progress(verify->report, verify->reading, done, total);
}

/* Also called while qemu-img checks an image, because qemu-img reports no progress meanwhile. */
static bool verify_is_given_up(void *data)
{
        struct verify *verify = data;
        report_life(verify->report, "%s is being checked", verify->reading);
        return worker_cancelled(NULL);
}

static void tell_damaged(struct verify *verify, struct point *point, char *const *damage)
{
        _cleanup_free_ char *all = strv_join(damage, "; ");
        _cleanup_free_ char *short_text = str_one_line(all, DAMAGE_MAX_BYTES);
        verify_mark(verify, point, short_text, NULL);
        note_damaged(verify, point->name);
        report_step_end(verify->report, STEP_FAILED, "%s is damaged", point->name);
        for (size_t i = 0; damage[i]; i++)
                report_check(verify->report, CHECK_AFTER, CHECK_NAME_POINT_WHOLE, CHECK_FAIL, "%s",
                             damage[i]);
}

static void tell_whole(struct verify *verify, struct point *point, uint64_t bytes,
                       const char *stat_digest)
{
        _cleanup_free_ char *size = format_bytes(bytes);
        _cleanup_free_ char *before =
                point->state.damaged
                        ? xstrdup(point->state.damage ? point->state.damage : "no reason")
                        : NULL;
        verify_mark(verify, point, NULL, stat_digest);
        verify->n_verified++;
        report_step_end(verify->report, STEP_DONE, "%s is whole, %s read", point->name, size);
        if (before)
                report_log(verify->report, "%s was marked as damaged (%s) and is so no more",
                           point->name, before);
}

/* Retention may remove a point while it is read. */
static bool is_gone(struct verify *verify, const struct point *point)
{
        _cleanup_point_list_ struct point_list now = { 0 };
        if (points_read(verify->repository, point->path, &now, NULL) < 0 || now.count)
                return false;
        report_step_end(verify->report, STEP_SKIPPED, "%s was removed meanwhile", point->name);
        return true;
}

/* The point, or the parent of it, that cannot be judged now, because the share does not return its
 * data or because a newer orch wrote it. This is not a finding, and marks nothing as damaged. */
static const struct point *find_uncertain(const struct verify *verify, const struct point *point)
{
        if (!point->metadata && point->uncertain)
                return point;
        for (size_t steps = 0;
             point && point->metadata && point->metadata->parent && steps < verify->points.count;
             steps++) {
                point = points_find_beside(&verify->points, point, point->metadata->parent);
                if (point && point->uncertain)
                        return point;
        }
        return NULL;
}

static void tell_uncertain(struct verify *verify, const struct point *point,
                           const struct point *unread)
{
        report_step_end(verify->report, STEP_FAILED, "%s cannot be judged: of %s, %s", point->name,
                        unread->name, unread->problem);
        if (!verify->problem)
                error_set(&verify->problem, ERROR_INTERNAL, "%s cannot be judged: of %s, %s",
                          point->name, unread->name, unread->problem);
}

static int verify_point(struct verify *verify, struct point *point, struct error **err)
{
        if (worker_check_cancelled(err) < 0)
                return -1;
        report_step(verify->report, STEP_NAME_VERIFY);
        const struct staging_progress progress = { .on_bytes = verify_on_bytes,
                                                   .cancelled = verify_is_given_up,
                                                   .data = verify };
        _cleanup_error_ struct error *error = NULL;
        _cleanup_strv_ char **damage = NULL;
        uint64_t bytes = 0;
        verify->reading = point->name;
        const struct point *unread = find_uncertain(verify, point);
        if (unread) {
                tell_uncertain(verify, point, unread);
                return 0;
        }
        _cleanup_free_ char *stat_digest =
                points_stat_digest(verify->repository, point->path, NULL);
        int r = points_verify(verify->repository, point, &verify->points, POINTS_WHOLE, &progress,
                              &bytes, &damage, &error);
        if (r < 0 && error->kind == ERROR_CANCELLED)
                return error_propagate(err, TAKE_PTR(error));
        if ((r < 0 || damage) && is_gone(verify, point))
                return 0;
        if (r < 0) {
                report_step_end(verify->report, STEP_FAILED, "%s could not be read: %s",
                                point->name, error->message);
                if (!verify->problem)
                        verify->problem = TAKE_PTR(error);
        } else if (damage) {
                tell_damaged(verify, point, damage);
        } else {
                tell_whole(verify, point, bytes, stat_digest);
        }
        return 0;
}

/* A point whose parent is damaged cannot be restored either, even if it was not selected for
 * verification. */
static void mark_children(struct verify *verify)
{
        for (size_t i = verify->points.count; i-- > 0;) {
                struct point *point = &verify->points.items[i];
                if (verify->chosen[i] || !point->metadata || !point->metadata->parent ||
                    point->state.damaged)
                        continue;
                for (size_t j = 0; j < verify->points.count; j++) {
                        const struct point *parent = &verify->points.items[j];
                        if (!parent->state.damaged || parent->uncertain ||
                            !streq(parent->name, point->metadata->parent) ||
                            !streq(parent->hypervisor, point->hypervisor))
                                continue;
                        _cleanup_free_ char *damage = xasprintf("%s builds on %s, which is damaged",
                                                                point->name, parent->name);
                        verify_mark(verify, point, damage, NULL);
                        note_damaged(verify, point->name);
                        report_check(verify->report, CHECK_AFTER, CHECK_NAME_POINT_WHOLE,
                                     CHECK_FAIL, "%s", damage);
                        break;
                }
        }
}

static int sum_up(struct verify *verify, struct error **err)
{
        if (verify->n_damaged) {
                _cleanup_free_ char *names = strv_join(verify->damaged, ", ");
                return error_set(err, ERROR_CORRUPT,
                                 "%zu damaged (%s%s), %zu whole; bring damaged files back from a "
                                 "snapshot of the share and verify "
                                 "again, or rely on another point",
                                 verify->n_damaged, names,
                                 verify->n_damaged > NAMED_MAX ? ", …" : "", verify->n_verified);
        }
        return verify->problem ? error_propagate(err, TAKE_PTR(verify->problem)) : 0;
}

static bool verify_has_point(const struct verify *verify, const char *name)
{
        for (size_t i = 0; i < verify->points.count; i++)
                if (streq(verify->points.items[i].name, name))
                        return true;
        return false;
}

static int verify_vm(struct verify *verify, const struct settings *settings, struct error **err)
{
        if (verify_options_from_json(verify->request->options, &verify->options, err) < 0 ||
            !(verify->repository = worker_open_repository(settings, verify->request, err)) ||
            points_scan_named(verify->repository, verify->request->vm, &verify->points, err) < 0)
                return -1;
        if (verify->options.compare)
                compare_with_catalog(verify);
        if (verify->points.count == 0 && !verify->n_damaged && !verify->options.alone)
                return error_set(err, ERROR_CONFIG, "%s has no points on the share",
                                 verify->request->vm);
        verify->gone = verify->options.alone && !verify_has_point(verify, verify->options.point);
        if (verify->gone)
                return 0;
        if (verify->points.count && verify_choose_points(verify, err) < 0)
                return -1;
        for (size_t i = verify->points.count; i-- > 0;)
                if (verify->chosen[i] && verify_point(verify, &verify->points.items[i], err) < 0)
                        return -1;
        mark_children(verify);
        return sum_up(verify, err);
}

int verify_run(const struct job_request *request, const struct settings *settings,
               struct report *report)
{
        _cleanup_(verify_done) struct verify verify = { .request = request, .report = report };
        _cleanup_error_ struct error *failure = NULL;
        (void)!verify_vm(&verify, settings, &failure);
        if (failure && !verify.gone)
                return report_failure(report, NULL, TAKE_PTR(failure));
        report_result(report, verify.gone ? "skipped" : "ok", NULL, failure);
        return failure ? STATUS_JOB_FAILED : STATUS_OK;
}
