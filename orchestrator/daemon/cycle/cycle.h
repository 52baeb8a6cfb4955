/* The cycle: one pass over the VMs that are due, by priority, with a second try at its end for
 * those whose cause of failure may have passed; then metadata/last-run-summary.json is written. At
 * most one cycle runs at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "daemon/cycle/cycle-plan.h"

struct batch;
struct cycle;
struct daemon;
struct job;

/* A new cycle without jobs yet, so that streams can subscribe to its batch first; no cycle may be
 * running. `bacula_job` may be NULL. It frees itself when it ends. */
struct cycle *cycle_new(struct daemon *daemon, const char *bacula_job);
/* Starts the jobs of the plan: `all`, or those that are due. `broken`: the error of the inventory
 * when an older one is used, which is reported first and makes the exit status 2; else NULL. The
 * cycle may be gone afterwards, when there was nothing to do. */
void cycle_go(struct cycle *cycle, const struct cycle_plan *plan, bool all,
              const struct error *broken);
/* Whether a job of it that has just failed will be tried again at its end. */
bool cycle_tries_again(const struct cycle *cycle, const struct job *job);
struct batch *cycle_batch(const struct cycle *cycle);
/* Cancels its jobs, waiting and running ones; nothing is tried again. Returns how many. */
size_t cycle_cancel(struct cycle *cycle, const char *why);

/* cycle.trigger: internal. Starts a cycle if a slot began in the last 12 h and no cycle of this
 * trigger has served it, and arms the timer for the next slot. Does nothing with an external
 * trigger. */
void cycle_check_trigger(struct daemon *daemon);
