/* Which points of one VM may go (P4). Pure.
 *
 * A point is kept when any rule keeps it: younger than retention_weeks, among the newest keep_last
 * good ones, the newest good of a month or year within keep_monthly or keep_yearly, held, one of
 * the newest min_points good ones, the newest good one of all, a parent that a kept point needs, or
 * in the future of `now`. With no retention key given, everything is kept. Damaged points count as
 * nobody's good point and go only when they are older than retention_weeks and not held; so does a
 * point that builds, at any remove, on a damaged or missing one. One whose metadata cannot be read
 * is kept for a person to look at, and so are those that build on it and the one before it, which
 * it may build on.
 *
 * keep_monthly: N means the newest N local months that have a good point, keep_yearly the same for
 * years: a pause in the backups does not use them up. A point in the future (some clock was wrong)
 * is kept beside all others and counts for no rule. */
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
        /* whether it is good is not known; nor is its parent where NULL: `started` is then by its
         * name */
        bool unreadable;
        bool held;
        bool remove;     /* out */
        char reason[96]; /* out: why it is kept or goes */
};

/* Fills `remove` and `reason` of each point. Points may be in any order. Remove the newest first:
 * then no point ever stands on the share without the parent that it needs. */
void retention_decide(const struct inventory_vm *vm, struct retention_point *points,
                      size_t n_points, int64_t now);
