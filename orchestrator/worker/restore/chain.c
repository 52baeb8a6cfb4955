/* The backing chain of the restored point: the point itself and its parents, and the refusal of a
 * chain that is not whole. */
#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/restore/restore-internal.h"

/* Whether the point can be offered: it and all its parents exist and none is known to be damaged.
 * `bad`: a point that was just found to be damaged. */
static bool is_restorable(const struct restore *restore, const struct point *point,
                          const struct point *bad)
{
        for (size_t i = 0; point && i <= restore->points.count; i++) {
                if (point == bad || point->problem || !point->metadata || point->state.damaged)
                        return false;
                if (!point->metadata->parent)
                        return true;
                point = points_find_beside(&restore->points, point, point->metadata->parent);
        }
        return false;
}

/* The name of the next older good point. The caller frees. */
static char *older_good_point(const struct restore *restore, const struct point *bad)
{
        bool past = false;
        for (size_t i = 0; i < restore->points.count; i++) {
                const struct point *point = &restore->points.items[i];
                if (past && is_restorable(restore, point, bad))
                        return xasprintf("the next older good point: orch restore %s %s",
                                         restore->job.request->vm, point->name);
                past = past || point == restore->point;
        }
        return xasprintf("there is no older good point of %s", restore->job.request->vm);
}

/* The message is kept short, because its end says what to do and must not be cut off. */
int restore_refuse_point(const struct restore *restore, const struct point *bad,
                         const char *problem, struct error **err)
{
        _cleanup_free_ char *older = older_good_point(restore, bad);
        _cleanup_free_ char *cut = str_one_line(problem, 200);
        return error_set(err, ERROR_CORRUPT, "the point %s is not whole: %s. Nothing was %s; %s",
                         restore->point->name, cut, restore->reading ? "put in place" : "copied",
                         older);
}

const struct point *restore_chain_point(const struct restore *restore, size_t index)
{
        const struct point *point =
                points_find_beside(&restore->points, restore->point, restore->chain[index]);
        assert(point); /* find_chain() has found it */
        return point;
}

/* The point is not marked as damaged here: only `orch verify` marks points, because it reads
 * twice. */
int restore_refuse_damaged(struct restore *restore, const struct point *point, char *const *damage,
                           struct error **err)
{
        bool own = point == restore->point;
        _cleanup_free_ char *all = strv_join(damage, "; ");
        _cleanup_free_ char *problem =
                xasprintf("%s%s%s%s", own ? "" : "it builds on the point ", own ? "" : point->name,
                          own ? "" : ", which is damaged: ", all);
        report_check(restore->job.report, restore->reading ? CHECK_AFTER : CHECK_BEFORE,
                     CHECK_NAME_CHECKSUMS, CHECK_FAIL, "%s", problem);
        return restore_refuse_point(restore, point, problem, err);
}

void restore_tell_checksums(struct restore *restore, enum check_phase phase, uint64_t bytes)
{
        size_t count = strv_length(restore->chain);
        const char *points = count == 1 ? "point" : "points";
        _cleanup_free_ char *size = format_bytes(bytes);
        report_check(restore->job.report, phase, CHECK_NAME_CHECKSUMS, CHECK_PASS,
                     "%zu %s, %s read back and as published", count, points, size);
        report_step_end(restore->job.report, STEP_DONE, "%s in %zu %s", size, count, points);
}
