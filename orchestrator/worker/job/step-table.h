/* The one runner of step tables. A job is a table of rows, each with the step's name, the kinds of
 * run that it belongs to, and the function; the order of the table is the order of the job.
 *
 *     DEFINE_STEP_TABLE(backup)         struct backup_step, and run_backup_steps()
 *     static const struct backup_step steps[] = {
 *             { { STEP_NAME_LOCATE, BACKUP | CHECK }, step_locate }, …
 *
 * A row without a name reports its own parts. Between two rows the runner only does this: it checks
 * before each step whether the job was cancelled, and it ends a step as done after its function has
 * succeeded. A failed step stays open, so that the job's end reports it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "worker/job/report.h"

struct step_row {
        enum step_name name; /* STEP_NAME_NONE: the step reports its own parts */
        unsigned kinds;      /* the bits of the kinds of run that it belongs to */
        bool runs_cancelled; /* also after a cancel, because the job has its result by then */
};

/* 1: the step has to be run, and was reported as begun; 0: it does not belong to a run of this
 * kind; -1: ERROR_CANCELLED. */
int step_row_begin(const struct step_row *row, unsigned kind, struct report *report,
                   struct error **err) _must_check_;
/* Ends the step after its function has succeeded. */
void step_row_end(const struct step_row *row, struct report *report);

/* run_<type>_steps() runs the rows of one kind of run, in order. It ends early, successfully, once
 * `*over` is true (a VM that is skipped). -1 with the error of the step that failed. */
#define DEFINE_STEP_TABLE(type)                                                              \
        struct type##_step {                                                                 \
                struct step_row row;                                                         \
                int (*run)(struct type * subject, struct error **err);                       \
        };                                                                                   \
        static int run_##type##_steps(struct type *subject, const struct type##_step *steps, \
                                      size_t count, unsigned kind, struct report *report,    \
                                      const bool *over, struct error **err)                  \
        {                                                                                    \
                for (size_t i = 0; i < count && !*over; i++) {                               \
                        int r = step_row_begin(&steps[i].row, kind, report, err);            \
                        if (r < 0 || (r > 0 && steps[i].run(subject, err) < 0))              \
                                return -1;                                                   \
                        if (r > 0)                                                           \
                                step_row_end(&steps[i].row, report);                         \
                }                                                                            \
                return 0;                                                                    \
        }
