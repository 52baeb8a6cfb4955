/* Full or increment, and which point is the parent of an increment. Pure. */
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
        bool same_vm;       /* of the machine being backed up now, by its UUID */
        bool checkpoint;    /* the VM still has the checkpoint of its snapshot */
};

struct level_choice {
        enum vm_level level;
        const struct level_point *parent; /* of an increment */
        /* an expected full: the first one, or one that is due by age */
        bool expected;
        char reason[160]; /* why it is a full although an increment was requested; else "" */
};

/* Incremental: the parent is the newest restorable point whose checkpoint the VM still has.
 * Differential: it is the newest such full. The result is a full when there is no parent, when the
 * full of that chain is `full_every_weeks` old (0: never by age), or when `now`, the new point's
 * start, is before the parent's start: the points of a chain must be in order of time. */
void level_decide(enum vm_level wanted, unsigned full_every_weeks, const struct level_point *points,
                  size_t n_points, int64_t now, struct level_choice *ret);
