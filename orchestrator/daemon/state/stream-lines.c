/* Implements daemon/state/stream-lines.h with jansson; texts from outside are cleaned by
 * json_from_text(). */
#include "daemon/state/stream-lines.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"

static void set_field(json_t *json, const char *name, json_t *value)
{
        json_object_set_new(json, name, value);
}

static json_t *json_from_time(int64_t epoch_seconds)
{
        if (!epoch_seconds)
                return json_null();
        _cleanup_free_ char *text = clock_format_rfc3339(epoch_seconds);
        return json_string(text);
}

static json_t *new_line(const char *event, const struct job *job)
{
        json_t *json = json_object();
        set_field(json, "event", json_string(event));
        if (!job)
                return json;
        set_field(json, "job", json_string(job->id));
        if (job->vm)
                set_field(json, "vm", json_from_text(job->vm));
        return json;
}

static char *finish_line(json_t *json)
{
        char *line = json_write_line(json);
        json_decref(json);
        return line;
}

/* The event is valid and formatted again, with its type first, which is called "event" in a stream.
 * The names need no quoting: they are safe. */
char *line_of_event(const struct job *job, const struct event *event)
{
        static const char head[] = "{\"type\":";
        _cleanup_free_ char *text = event_format(event);
        assert(str_starts_with(text, head));
        const char *subject = job->vm ? job->vm : job->hypervisor;
        return xasprintf("{\"job\":\"%s\",\"%s\":\"%s\",\"event\":%s", job->id,
                         job->vm ? "vm" : "hypervisor", subject, text + sizeof head - 1);
}

struct event *event_of_line(const char *line)
{
        _cleanup_json_ json_t *json = json_read_document(line, strlen(line), "line", NULL);
        json_t *type = json ? json_object_get(json, "event") : NULL;
        if (!type)
                return NULL;
        json_object_set(json, "type", type);
        _cleanup_free_ char *text = json_write_line(json);
        return event_parse(text, strlen(text), NULL);
}

char *line_queued(const struct job *job, size_t position)
{
        json_t *json = new_line("queued", job);
        set_field(json, "hypervisor", json_from_text(job->hypervisor));
        set_field(json, "action", json_string(job_action_name(job->action)));
        set_field(json, "position", json_integer((json_int_t)position));
        return finish_line(json);
}

char *line_started(const struct job *job)
{
        json_t *json = new_line("started", job);
        set_field(json, "hypervisor", json_from_text(job->hypervisor));
        set_field(json, "action", json_string(job_action_name(job->action)));
        set_field(json, "time_ms", json_integer(clock_realtime_ms()));
        return finish_line(json);
}

char *line_notice(const char *level, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *text = xvasprintf(format, ap);
        va_end(ap);
        json_t *json = new_line("notice", NULL);
        set_field(json, "level", json_string(level));
        set_field(json, "text", json_from_text(text));
        return finish_line(json);
}

char *line_job_notice(const struct job *job, const char *level, const char *text)
{
        json_t *json = new_line("notice", job);
        set_field(json, "level", json_string(level));
        set_field(json, "text", json_from_text(text));
        return finish_line(json);
}

char *line_keepalive(void)
{
        return xstrdup("{\"event\":\"keepalive\"}");
}

json_t *tally_to_json(const struct tally *tally)
{
        json_t *json = json_object();
        set_field(json, "total", json_integer((json_int_t)tally->total));
        set_field(json, "succeeded", json_integer((json_int_t)tally->succeeded));
        set_field(json, "failed", json_integer((json_int_t)tally->failed));
        set_field(json, "cancelled", json_integer((json_int_t)tally->cancelled));
        set_field(json, "skipped", json_integer((json_int_t)tally->skipped));
        set_field(json, "stored_bytes", json_integer((json_int_t)tally->stored_bytes));
        set_field(json, "duration_seconds", json_integer(tally->duration_seconds));
        return json;
}

char *line_end(int exit_status, const struct tally *tally, const char *text)
{
        json_t *json = new_line("end", NULL);
        set_field(json, "exit_status", json_integer(exit_status));
        set_field(json, "summary", tally_to_json(tally));
        set_field(json, "text", json_from_text(text));
        return finish_line(json);
}

char *line_result(const struct job *job)
{
        _cleanup_(event_freep) struct event *event = event_new(EVENT_RESULT);
        event->time_ms = clock_realtime_ms();
        event->status = xstrdup(job_outcome_name(job->outcome));
        event->error_kind = job->error_kind;
        event->error = xstrdup(job->error);
        return line_of_event(job, event);
}

static json_t *progress_to_json(const struct job_progress *progress)
{
        if (!progress->disk)
                return json_null();
        json_t *json = json_object();
        set_field(json, "disk", json_from_text(progress->disk));
        set_field(json, "done_bytes", json_integer((json_int_t)progress->done_bytes));
        set_field(json, "total_bytes", json_integer((json_int_t)progress->total_bytes));
        set_field(json, "bytes_per_second", json_integer((json_int_t)progress->bytes_per_second));
        set_field(json, "remaining_seconds", json_integer(progress->remaining_seconds));
        return json;
}

static const char *trigger_name(const struct job *job)
{
        return job->class >= JOB_CLASS_CYCLE ? "cycle" : "adhoc";
}

json_t *job_to_json(const struct job *job, size_t position)
{
        json_t *json = json_object();
        set_field(json, "job", json_string(job->id));
        set_field(json, "vm", json_from_text(job->vm));
        set_field(json, "hypervisor", json_from_text(job->hypervisor));
        set_field(json, "action", json_string(job_action_name(job->action)));
        set_field(json, "trigger", json_string(trigger_name(job)));
        set_field(json, "priority", json_integer(job->priority));
        set_field(json, "state", json_string(job_state_name(job->state)));
        set_field(json, "cancelling", json_boolean(job->cancelling));
        set_field(json, "started", json_from_time(job->started));
        set_field(json, "step", json_from_text(job->step));
        set_field(json, "step_since", json_from_time(job->step_since));
        set_field(json, "progress", progress_to_json(&job->progress));
        set_field(json, "position", json_integer((json_int_t)position));
        return json;
}
