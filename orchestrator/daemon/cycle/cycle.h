/* The cycle: one pass over the VMs that are due, by priority, with one more try at its end for
 * those whose cause of failure may have passed; then metadata/last-run-summary.json. At most one
 * runs at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "schema/config/inventory.h"

struct daemon;
struct cycle;
struct job;

/* Which VMs: every given list narrows down. Each vector is NULL-terminated or NULL. */
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
        int64_t slot; /* that a run now serves; 0: none */
        int64_t next_slot;
        int64_t last_good;
};

struct cycle_plan {
        struct cycle_item *items; /* in the order they would run */
        size_t count;
        size_t usual; /* VMs of the inventory whose schedule has the slot that a run now serves */
};
void cycle_plan_done(struct cycle_plan *plan);
#define _cleanup_cycle_plan_ _cleanup_(cycle_plan_done)

/* All VMs of the inventory that the filter lets through, `manual` ones only with `with_manual`;
 * `now`: epoch seconds. The plan points into the inventory. ERROR_CONFIG for a tag or hypervisor
 * that no VM has. */
int cycle_plan(const struct daemon *daemon, const struct cycle_filter *filter, bool with_manual,
               int64_t now, struct cycle_plan *ret, struct error **err) _must_check_;

/* A new cycle without jobs yet, so that streams can subscribe to its batch first; none may be
 * there. `bacula_job` may be NULL. It frees itself at its end. */
struct cycle *cycle_new(struct daemon *daemon, const char *bacula_job);
/* Runs it over the plan: `all`, or what is due. `broken`: what is wrong with the inventory when an
 * older one is used (told first; the exit status is then 2); else NULL. It may be gone afterwards
 * when there is nothing to do. */
void cycle_go(struct cycle *cycle, const struct cycle_plan *plan, bool all,
              const struct error *broken);
/* Whether a job of it that has just failed will be tried once more at its end. */
bool cycle_tries_again(const struct cycle *cycle, const struct job *job);
struct batch *cycle_batch(const struct cycle *cycle);
/* Cancels its jobs, those that wait and those that run; nothing is tried again. Returns how
 * many. */
size_t cycle_cancel(struct cycle *cycle, const char *why);

/* cycle.trigger: internal. Starts a cycle if a slot has begun in the last 12 h that no own cycle
 * has served, and arms the timer for the next. Does nothing with an external trigger. */
void cycle_check_trigger(struct daemon *daemon);
/* The begin of the next slot of any VM; 0: none. */
int64_t cycle_next_slot(const struct daemon *daemon, int64_t now);
