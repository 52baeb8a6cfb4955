/* Which points of one VM may be removed (P4). Pure.
 *
 * A point is kept when any rule keeps it: younger than retention_weeks, among the newest keep_last
 * good ones, the newest good of a month or year within keep_monthly or keep_yearly, held, one of
 * the newest min_points good ones, the newest good one of all, a parent that a kept point needs, or
 * in the future of `now`. With no retention key given, everything is kept. Damaged points never
 * count as good; they are removed only when they are older than retention_weeks and not held. The
 * same holds for a point with a damaged or missing point anywhere in its backing chain. A point
 * whose metadata cannot be read is kept for an operator to examine, and so are the points that
 * build on it and the point before it, which may be its parent.
 *
 * keep_monthly: N means the newest N local months that have a good point, keep_yearly the same for
 * years: a pause in the backups does not use them up. A point in the future (a clock was wrong) is
 * kept in addition and counts for no rule. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/config/inventory.h"

struct retention_point {
        const char *name;
        const char *parent; /* NULL for a full */
        int64_t started;    /* epoch seconds */
        bool good;          /* not damaged */
        /* its metadata cannot be read: whether it is good is unknown, and so is its parent where
         * that is NULL; `started` is taken from its name */
        bool unreadable;
        bool held;
        bool remove;     /* out */
        char reason[96]; /* out: why it is kept or removed */
};

/* Fills `remove` and `reason` of each point. Points may be in any order. The caller removes the
 * newest first, so that no point is ever on the share without its parent. */
void retention_decide(const struct inventory_vm *vm, struct retention_point *points,
                      size_t n_points, int64_t now);
