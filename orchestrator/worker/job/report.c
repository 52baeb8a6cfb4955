/* Implements worker/job/report.h. Every event is sent with one write(2). A closed stdout (the
 * daemon died) is recorded and never ends the worker, because the worker has to move the VM back to
 * its own disks first. */
#include "worker/job/report.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"

enum { PROGRESS_INTERVAL_MS = 500, LIFE_INTERVAL_MS = 60 * 1000 };

void report_init(struct report *report, const char *vm, struct metadata *metadata)
{
        int64_t now = clock_monotonic_ms();
        *report = (struct report){
                .vm = vm, .metadata = metadata, .job_started_ms = now, .sent_ms = now
        };
}

void report_done(struct report *report)
{
        strbuf_done(&report->log);
        *report = (struct report){ 0 };
}

static void send_event(struct report *report, struct event *event)
{
        event->time_ms = clock_realtime_ms();
        report->sent_ms = clock_monotonic_ms();
        _cleanup_free_ char *described = event_describe(event, report->vm);
        if (described)
                strbuf_addf(&report->log, "%s\n", described);
        if (report->daemon_gone)
                return;
        _cleanup_free_ char *line = event_format(event);
        _cleanup_strbuf_ struct strbuf out = { 0 };
        strbuf_addf(&out, "%s\n", line);
        if (fs_write_all(STDOUT_FILENO, out.data, out.length, NULL) < 0)
                report->daemon_gone = true;
}

static void send_step(struct report *report, const char *step, enum step_state state,
                      const char *text, int64_t duration_ms)
{
        _cleanup_(event_freep) struct event *event = event_new(EVENT_STEP);
        event->step = xstrdup(step);
        event->state = state;
        event->text = xstrdup(text);
        event->duration_ms = duration_ms;
        send_event(report, event);
}

void report_step(struct report *report, enum step_name step)
{
        if (report->step)
                report_step_end(report, STEP_DONE, NULL);
        report->step = step;
        report->step_started_ms = clock_monotonic_ms();
        send_step(report, step_name_text(step), STEP_BEGIN, NULL, 0);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static char *format_optional(const char *format, va_list ap)
{
        return format ? xvasprintf(format, ap) : NULL;
}
#pragma GCC diagnostic pop

void report_step_end(struct report *report, enum step_state state, const char *format, ...)
{
        if (!report->step)
                return;
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *text = format_optional(format, ap);
        va_end(ap);
        const char *step = step_name_text(report->step);
        report->step = STEP_NAME_NONE;
        send_step(report, step, state, text, clock_monotonic_ms() - report->step_started_ms);
}

void report_undone(struct report *report, enum undo_name undone, const struct error *error)
{
        send_step(report, undo_name_text(undone), error ? STEP_FAILED : STEP_UNDONE,
                  error ? error->message : NULL, 0);
}

void report_check(struct report *report, enum check_phase phase, enum check_name name,
                  enum check_verdict verdict, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *measured = xvasprintf(format, ap);
        va_end(ap);
        if (report->metadata)
                metadata_add_check(report->metadata, phase, check_name_text(name), verdict,
                                   measured);
        _cleanup_(event_freep) struct event *event = event_new(EVENT_CHECK);
        event->check.phase = phase;
        event->check.name = xstrdup(check_name_text(name));
        event->check.verdict = verdict;
        event->check.measured = xstrdup(measured);
        send_event(report, event);
        /* A passed check is not printed on a terminal, but backup.log records all checks. */
        if (verdict == CHECK_PASS) {
                _cleanup_free_ char *clean = str_one_line(measured, 400);
                strbuf_addf(&report->log, "         %s check %s: passed, %s\n", report->vm,
                            check_name_text(name), clean);
        }
}

static void send_text(struct report *report, enum event_type type, const char *text)
{
        _cleanup_(event_freep) struct event *event = event_new(type);
        event->text = xstrdup(text);
        send_event(report, event);
}

static void report_send_warning(struct report *report, const char *text, bool alert)
{
        if (report->metadata)
                strv_add(&report->metadata->warnings, text);
        _cleanup_(event_freep) struct event *event = event_new(EVENT_WARNING);
        event->text = xstrdup(text);
        event->alert = alert;
        send_event(report, event);
}

void report_warning(struct report *report, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *text = xvasprintf(format, ap);
        va_end(ap);
        report_send_warning(report, text, false);
}

void report_alert(struct report *report, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *text = xvasprintf(format, ap);
        va_end(ap);
        report_send_warning(report, text, true);
}

void report_log(struct report *report, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *text = xvasprintf(format, ap);
        va_end(ap);
        send_text(report, EVENT_LOG, text);
}

void report_life(struct report *report, const char *format, ...)
{
        if (clock_monotonic_ms() - report->sent_ms < LIFE_INTERVAL_MS)
                return;
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *text = xvasprintf(format, ap);
        va_end(ap);
        send_text(report, EVENT_LOG, text);
}

void report_progress(struct report *report, const char *disk, uint64_t done_bytes,
                     uint64_t total_bytes)
{
        int64_t now = clock_monotonic_ms();
        int64_t since = now - report->progress_sent_ms;
        if (since < PROGRESS_INTERVAL_MS)
                return;
        _cleanup_(event_freep) struct event *event = event_new(EVENT_PROGRESS);
        event->disk = xstrdup(disk);
        event->done_bytes = done_bytes;
        event->total_bytes = total_bytes;
        if (report->progress_sent_ms && done_bytes > report->progress_bytes && since < 60000)
                event->bytes_per_second =
                        (done_bytes - report->progress_bytes) * 1000 / (uint64_t)since;
        event->remaining_seconds =
                event->bytes_per_second && total_bytes >= done_bytes
                        ? (int64_t)((total_bytes - done_bytes) / event->bytes_per_second)
                        : -1;
        report->progress_sent_ms = now;
        report->progress_bytes = done_bytes;
        send_event(report, event);
}

void report_removed(struct report *report, const char *point)
{
        send_text(report, EVENT_REMOVED, point);
}

void report_domain(struct report *report, const char *name, const char *uuid, const char *state,
                   const char *vm)
{
        _cleanup_(event_freep) struct event *event = event_new(EVENT_DOMAIN);
        event->domain.name = xstrdup(name);
        event->domain.uuid = xstrdup(uuid);
        event->domain.state = xstrdup(state);
        event->domain.vm = xstrdup(vm);
        send_event(report, event);
}

void report_state(struct report *report, const char *path, const struct point_state *state)
{
        _cleanup_(event_freep) struct event *event = event_new(EVENT_STATE);
        event->path = xstrdup(path);
        event->point_state = state ? point_state_to_json(state) : NULL;
        send_event(report, event);
}

void report_result(struct report *report, const char *status, const char *path,
                   const struct error *error)
{
        if (report->step)
                report_step_end(report, error ? STEP_FAILED : STEP_DONE, NULL);
        _cleanup_(event_freep) struct event *event = event_new(EVENT_RESULT);
        event->status = xstrdup(status);
        event->path = xstrdup(path);
        event->duration_ms = clock_monotonic_ms() - report->job_started_ms;
        event->error_kind = error ? error->kind : ERROR_INTERNAL;
        event->error = error ? xstrdup(error->message) : NULL;
        if (report->metadata) {
                _cleanup_free_ char *text = metadata_format(report->metadata);
                event->metadata = json_loads(text, 0, NULL);
        }
        send_event(report, event);
}

int report_failure(struct report *report, const char *path, struct error *failure)
{
        bool cancelled = failure->kind == ERROR_CANCELLED;
        report_result(report, cancelled ? "cancelled" : "failed", path, failure);
        error_free(failure);
        return cancelled ? STATUS_CANCELLED : STATUS_JOB_FAILED;
}
