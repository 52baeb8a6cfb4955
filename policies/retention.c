/* Implements policies/retention.h.
 *
 * Every point starts as one to remove. Each rule can only keep more points (retention_keep()), and
 * parents come last, over all that is kept. So the order of the rules does not matter, and no rule
 * can undo the protection of another. */
#include "policies/retention.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/strings.h"

#define WEEK ((int64_t)7 * 24 * 60 * 60)

/* The first rule that keeps a point gives the reason. */
static _printf_(2, 3) bool retention_keep(struct retention_point *point, const char *format, ...)
{
        if (!point->remove)
                return false;
        point->remove = false;
        va_list ap;
        va_start(ap, format);
        vsnprintf(point->reason, sizeof point->reason, format, ap);
        va_end(ap);
        return true;
}

static int retention_compare_newest_first(const void *a, const void *b)
{
        const struct retention_point *left = *(struct retention_point *const *)a;
        const struct retention_point *right = *(struct retention_point *const *)b;

        if (left->started != right->started)
                return left->started < right->started ? 1 : -1;
        return strcmp(right->name, left->name);
}

static struct retention_point *retention_find_point(struct retention_point *points, size_t n_points,
                                                    const char *name)
{
        for (size_t i = 0; i < n_points; i++)
                if (streq(points[i].name, name))
                        return &points[i];
        return NULL;
}

/* A point is restorable when it and its whole backing chain are good: an increment with a gap below
 * it must not count as the last good copy. */
static bool retention_is_restorable(struct retention_point *points, size_t n_points,
                                    const struct retention_point *point)
{
        for (size_t steps = 0; steps <= n_points; steps++) {
                if (!point || !point->good)
                        return false;
                if (!point->parent)
                        return true;
                point = retention_find_point(points, n_points, point->parent);
        }
        return false; /* the chain is a loop */
}

/* Whether the only known problem is that the metadata of a point in its backing chain cannot be
 * read. That point may be intact, and then this one is too. */
static bool builds_on_unreadable(struct retention_point *points, size_t n_points,
                                 const struct retention_point *point)
{
        for (size_t steps = 0; point && point->good && point->parent && steps <= n_points;
             steps++) {
                point = retention_find_point(points, n_points, point->parent);
                if (point && point->unreadable)
                        return true;
        }
        return false;
}

/* The good points that are not in the future, newest first; *ret_count of them. The caller
 * frees. */
static struct retention_point **sort_good(struct retention_point *points, size_t n_points,
                                          int64_t now, size_t *ret_count)
{
        struct retention_point **good = xcalloc(n_points + 1, sizeof *good);
        size_t count = 0;

        for (size_t i = 0; i < n_points; i++)
                if (points[i].started <= now &&
                    retention_is_restorable(points, n_points, &points[i]))
                        good[count++] = &points[i];
        qsort(good, count, sizeof *good, retention_compare_newest_first);
        *ret_count = count;
        return good;
}

static void keep_newest(struct retention_point **good, size_t n_good, unsigned wanted,
                        const char *key)
{
        for (size_t i = 0; i < n_good && i < wanted; i++)
                retention_keep(good[i], "one of the newest %u good points (%s)", wanted, key);
}

/* Of each of the newest `wanted` local months (or years) that have a good point, the newest good
 * one. */
static void keep_newest_of_periods(struct retention_point **good, size_t n_good, unsigned wanted,
                                   bool months)
{
        char last[32] = "";
        unsigned seen = 0;

        for (size_t i = 0; i < n_good && seen < wanted; i++) {
                time_t started = (time_t)good[i]->started;
                struct tm local;
                char period[32];

                if (!localtime_r(&started, &local))
                        continue;
                if (strftime(period, sizeof period, months ? "%Y-%m" : "%Y", &local) == 0 ||
                    streq(period, last))
                        continue;
                strcpy(last, period);
                seen++;
                retention_keep(good[i], "the newest good point of %s (%s)", period,
                               months ? "keep_monthly" : "keep_yearly");
        }
}

static void keep_by_itself(const struct inventory_vm *vm, struct retention_point *point,
                           bool restorable, int64_t now)
{
        if (point->unreadable)
                retention_keep(point, "its metadata cannot be read");
        if (point->held)
                retention_keep(point, "held");
        if (point->started > now)
                retention_keep(point, "it starts in the future; check the clocks");
        if (vm->retention_weeks > 0 && point->started >= now - (int64_t)vm->retention_weeks * WEEK)
                retention_keep(point, "not older than %u weeks", vm->retention_weeks);
        if (vm->retention_weeks == 0 && !restorable)
                retention_keep(point,
                               "damaged, and no retention_weeks sets when it may be removed");
}

/* The point before one whose metadata cannot be read: most likely its parent, or its parent's
 * parent. */
static struct retention_point *find_the_one_before(struct retention_point *points, size_t n_points,
                                                   const struct retention_point *point)
{
        struct retention_point *before = NULL;
        for (size_t i = 0; i < n_points; i++) {
                const struct retention_point *other = &points[i];
                if (other != point && retention_compare_newest_first(&point, &other) < 0 &&
                    (!before || retention_compare_newest_first(&other, &before) < 0))
                        before = &points[i];
        }
        return before;
}

static struct retention_point *retention_find_parent(struct retention_point *points,
                                                     size_t n_points,
                                                     const struct retention_point *point)
{
        if (point->parent)
                return retention_find_point(points, n_points, point->parent);
        return point->unreadable ? find_the_one_before(points, n_points, point) : NULL;
}

/* Keeps parents, transitively. Each round keeps the parents of what the round before kept. Every
 * round but the last keeps at least one more point, so the loop ends even for a circular chain. */
static void keep_parents(struct retention_point *points, size_t n_points)
{
        for (bool again = true; again;) {
                again = false;
                for (size_t i = 0; i < n_points; i++) {
                        struct retention_point *parent =
                                points[i].remove
                                        ? NULL
                                        : retention_find_parent(points, n_points, &points[i]);
                        if (parent)
                                again |= retention_keep(parent, "%.60s %s it as its parent",
                                                        points[i].name,
                                                        points[i].parent ? "needs" : "may need");
                }
        }
}

static void start_over(const struct inventory_vm *vm, struct retention_point *point, bool has_rule)
{
        point->remove = has_rule;
        if (!has_rule)
                strcpy(point->reason, "no retention is set for this VM");
        else if (vm->retention_weeks > 0)
                snprintf(point->reason, sizeof point->reason,
                         "older than %u weeks, and no other rule keeps it", vm->retention_weeks);
        else
                strcpy(point->reason, "no rule keeps it");
}

void retention_decide(const struct inventory_vm *vm, struct retention_point *points,
                      size_t n_points, int64_t now)
{
        bool has_rule = vm->retention_weeks || vm->keep_last || vm->keep_monthly || vm->keep_yearly;
        size_t n_good = 0;
        _cleanup_free_ struct retention_point **good = sort_good(points, n_points, now, &n_good);

        for (size_t i = 0; i < n_points; i++)
                start_over(vm, &points[i], has_rule);
        for (size_t i = 0; i < n_points; i++)
                keep_by_itself(vm, &points[i],
                               retention_is_restorable(points, n_points, &points[i]), now);
        for (size_t i = 0; i < n_points; i++)
                if (builds_on_unreadable(points, n_points, &points[i]))
                        retention_keep(&points[i],
                                       "it builds on a point whose metadata cannot be read");
        if (n_good > 0)
                retention_keep(good[0], "the newest good point");
        keep_newest(good, n_good, vm->keep_last, "keep_last");
        keep_newest(good, n_good, vm->min_points, "min_points");
        keep_newest_of_periods(good, n_good, vm->keep_monthly, true);
        keep_newest_of_periods(good, n_good, vm->keep_yearly, false);
        keep_parents(points, n_points);
}
