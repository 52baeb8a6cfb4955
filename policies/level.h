/* Full or increment, and on which point an increment builds. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/config/inventory.h"

struct level_point {
        const char *name;
        const char *parent; /* NULL for a full */
        int64_t started;    /* epoch seconds */
        bool good;          /* not damaged */
        bool same_vm;       /* of the machine that is backed up now, by its UUID */
        bool checkpoint;    /* the VM still has the checkpoint of its moment */
};

struct level_choice {
        enum vm_level level;
        const struct level_point *parent; /* of an increment */
        /* a full that was to be expected: the first one, or one that is due */
        bool expected;
        char reason[160]; /* of a full where an increment was asked for; else "" */
};

/* Incremental: on the newest point that can be restored and whose checkpoint the VM still has;
 * differential: on the newest such full. A full when there is none, or when the full of that chain
 * is `full_every_weeks` old (0: never by age), or when `now`, the new point's start, is before its
 * parent's: a chain is in the order of its times. */
void level_decide(enum vm_level wanted, unsigned full_every_weeks, const struct level_point *points,
                  size_t n_points, int64_t now, struct level_choice *ret);
