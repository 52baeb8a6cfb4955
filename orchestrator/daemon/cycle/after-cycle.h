/* What follows a cycle: work on existing points, one job at a time, each kind of work within its
 * own time budget of the settings. The cycle itself has ended by then, so that a scheduler that
 * waits for the backups (Bacula) does not wait for this. It ends when all budgets are used, when
 * the next cycle starts, or when the daemon stops. */
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
        /* the subjects of the jobs of this kind since the cycle; NULL-terminated or NULL */
        char *const *tried;
};

/* A kind of work. To add one, put it into the table of after-cycle.c. */
struct after_cycle_work {
        const char *what; /* for the log: "points verified" */
        unsigned (*budget_minutes)(const struct settings *settings);
        /* The next job (not in a batch yet); *ret_about is its subject, as it will be in `tried`,
         * and the caller frees it. NULL: no more jobs after this cycle. `points` is the array of
         * `orch list --json` as of the end of the cycle. */
        struct job *(*next)(struct daemon *daemon, const json_t *points,
                            const struct after_cycle_budget *budget, char **ret_about);
        /* A job has ended; NULL: nothing to do. */
        void (*ended)(struct daemon *daemon, const json_t *points, const struct job *job,
                      const char *about);
};

/* Called when a cycle has ended. Does nothing where no kind of work has a budget. */
void after_cycle_start(struct daemon *daemon);
/* A new cycle starts: no further job is chosen, and one that waits or runs is cancelled. */
void after_cycle_cancel(struct daemon *daemon, const char *why);
