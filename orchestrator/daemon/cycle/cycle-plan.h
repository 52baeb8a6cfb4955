/* What a cycle would back up now: the VMs of the inventory that a filter lets through, whether each
 * is due, and in which order they would run. Starts nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "schema/config/inventory.h"

struct daemon;

/* Which VMs: each given list narrows the choice. Each vector is NULL-terminated or NULL. */
struct cycle_filter {
        bool all; /* also those that are not due; `schedule: manual` stays out */
        char **tags;
        char **hypervisors;
        char **exclude; /* globs over names */
};

struct cycle_item {
        const struct inventory_vm *vm;
        bool due;
        bool overdue;
        char reason[160];
        int64_t slot; /* that a cycle now would serve; 0: none */
        int64_t next_slot;
        int64_t last_good;
};

struct cycle_plan {
        struct cycle_item *items; /* in the order in which they would run */
        size_t count;
        size_t usual; /* VMs of the inventory whose schedule has the slot that a cycle now would
                         serve */
};
void cycle_plan_done(struct cycle_plan *plan);
#define _cleanup_cycle_plan_ _cleanup_(cycle_plan_done)

/* All VMs of the inventory that the filter lets through, `manual` ones only with `with_manual`;
 * `now`: epoch seconds. The plan points into the inventory. ERROR_CONFIG for a tag or hypervisor
 * that no VM has. */
int cycle_plan_make(const struct daemon *daemon, const struct cycle_filter *filter,
                    bool with_manual, int64_t now, struct cycle_plan *ret,
                    struct error **err) _must_check_;
/* Start of the next slot of any VM's schedule after `now`; epoch seconds, 0: none. */
int64_t cycle_plan_next_slot(const struct daemon *daemon, int64_t now);
