/* A worker's reports: events for the daemon, the text of backup.log, and the checks and warnings of
 * the metadata. One call writes all three, so that they never disagree. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strings.h"
#include "schema/records/exit-status.h"
#include "schema/records/messages.h"
#include "schema/records/metadata.h"
#include "schema/records/steps.h"

struct report {
        const char *vm;            /* for the log's lines; not owned */
        struct metadata *metadata; /* gets checks and warnings; not owned; may be NULL */
        struct strbuf log;         /* backup.log so far */
        enum step_name step;       /* the current step; STEP_NAME_NONE: none */
        int64_t job_started_ms;    /* monotonic */
        int64_t step_started_ms;   /* monotonic */
        int64_t progress_sent_ms;  /* monotonic; progress is sent at most twice a second */
        uint64_t progress_bytes;   /* at the last progress event, for the rate */
        int64_t sent_ms;           /* monotonic; time of the last event */
        bool daemon_gone;          /* stdout was closed: events are dropped */
};

void report_init(struct report *report, const char *vm, struct metadata *metadata);
void report_done(struct report *report);

/* Begins a step; the previous one, if it is still open, ends as done. */
void report_step(struct report *report, enum step_name step);
/* Ends the current step. `detail` may be NULL. */
void report_step_end(struct report *report, enum step_state state, const char *format, ...)
        _printf_(3, 4);
/* A step was undone, or (`error`) its undo failed. */
void report_undone(struct report *report, enum undo_name undone, const struct error *error);
void report_check(struct report *report, enum check_phase phase, enum check_name name,
                  enum check_verdict verdict, const char *format, ...) _printf_(5, 6);
void report_warning(struct report *report, const char *format, ...) _printf_(2, 3);
/* A warning that an operator should receive at once. */
void report_alert(struct report *report, const char *format, ...) _printf_(2, 3);
void report_log(struct report *report, const char *format, ...) _printf_(2, 3);
/* A sign of life during a long operation. It may be called as often as wanted: it logs a line only
 * if nothing was reported for a minute. The daemon assumes that a worker that reports nothing is
 * stuck. */
void report_life(struct report *report, const char *format, ...) _printf_(2, 3);
void report_progress(struct report *report, const char *disk, uint64_t done_bytes,
                     uint64_t total_bytes);
void report_removed(struct report *report, const char *point);
/* A domain of a hypervisor; `vm` is the inventory's name of that VM, NULL: not in the inventory. */
void report_domain(struct report *report, const char *name, const char *uuid, const char *state,
                   const char *vm);
/* The new state.json of a point, by the point's path relative to the repository; NULL: the point
 * does not exist (any more). */
void report_state(struct report *report, const char *path, const struct point_state *state);
/* The last event. `path` and `error` may be NULL. */
void report_result(struct report *report, const char *status, const char *path,
                   const struct error *error);
/* The last event of a job that failed or was cancelled, by the kind of `failure`, which is freed.
 * Returns the worker's exit status (schema/records/exit-status.h). `path` may be NULL. */
int report_failure(struct report *report, const char *path, struct error *failure);
