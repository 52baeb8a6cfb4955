/* The cycle: one pass over the VMs that are due, by priority, with one more try at its end for
 * those whose cause of failure may have passed; then metadata/last-run-summary.json. At most one
 * runs at a time. */
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
