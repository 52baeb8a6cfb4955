/* The JSON lines that the daemon itself puts into streams (schema/openapi.yaml, "Stream"). Each is
 * one line without its newline that the caller frees. */
#pragma once

#include <jansson.h>

#include "daemon/state/jobs.h"
#include "daemon/state/queue.h"

/* The worker's event of a line that line_of_event() made; NULL for any other line. The caller
 * frees. */
struct event *event_of_line(const char *line);
/* A worker's event with the job's id and its VM (or hypervisor) added. */
char *line_of_event(const struct job *job, const struct event *event);
char *line_queued(const struct job *job, size_t position);
char *line_started(const struct job *job);
/* level: "info", "warning", "error". */
char *line_notice(const char *level, const char *format, ...) _printf_(2, 3);
/* A notice about one job, so that it also stands in its log. */
char *line_job_notice(const struct job *job, const char *level, const char *text);
char *line_keepalive(void);

struct tally {
        size_t total;
        size_t succeeded;
        size_t failed;
        size_t cancelled;
        size_t skipped;
        uint64_t stored_bytes;
        int64_t duration_seconds;
};
/* `text` is the verdict for people. */
char *line_end(int exit_status, const struct tally *tally, const char *text);
/* The result of a job whose worker sent none. */
char *line_result(const struct job *job);

/* A JSON object; the caller owns it. */
json_t *tally_to_json(const struct tally *tally);
/* JOB of the API; `position`: in the queue, 0 for one that does not wait. */
json_t *job_to_json(const struct job *job, size_t position);
