/* What follows a cycle: work on the points that are there, one job at a time, each kind within a
 * budget of its own out of the settings. The cycle itself has ended by then, so that whoever waits
 * for its backups (Bacula) waits for nothing else. It ends when every kind has had its time, when
 * the next cycle begins, or when the daemon stops. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "schema/config/settings.h"

struct after_cycle;
struct daemon;
struct job;

struct after_cycle_budget {
        int64_t whole_seconds;
        int64_t left_seconds;
        /* what this kind's jobs of this cycle were about; NULL-terminated or NULL */
        char *const *tried;
};

/* A kind of work. To add one, put it into the table of after-cycle.c. */
struct after_cycle_work {
        const char *what; /* for the log: "points verified" */
        unsigned (*budget_minutes)(const struct settings *settings);
        /* The next job (not in a batch yet), with *ret_about the text by which `tried` will name
         * it, the caller's; NULL: no more in this cycle. `points` is the array of `orch list
         * --json` as it was at the cycle's end. */
        struct job *(*next)(struct daemon *daemon, const json_t *points,
                            const struct after_cycle_budget *budget, char **ret_about);
        /* A job has ended; NULL: nothing to do. */
        void (*ended)(struct daemon *daemon, const json_t *points, const struct job *job,
                      const char *about);
};

/* Called when a cycle has ended. Does nothing where no kind has a budget. */
void after_cycle_start(struct daemon *daemon);
/* A new cycle begins: nothing more is begun, and what waits or runs is cancelled. */
void after_cycle_cancel(struct daemon *daemon, const char *why);
