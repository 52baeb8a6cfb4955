/* Implements cli/client/follow.h. A stream has one state, which is updated line by line.
 * schema/records/messages.h describes the worker's events; the daemon's own (queued, started,
 * notice, end) are described here. If stdout cannot be written, the client leaves the stream; the
 * jobs continue. */
#include "cli/client/follow.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/bacula-console.h"
#include "cli/terminal/output.h"
#include "cli/terminal/progress.h"
#include "cli/terminal/values.h"
#include "schema/json/json-fields.h"
#include "schema/records/messages.h"

enum { BACULA_ASKED_EVERY_MS = 10 * 1000 };

struct follow {
        const struct cli *cli;
        struct client *client;
        const struct follow_options *options;
        size_t n_warnings;
        char *running; /* the job that started last and has not ended, or NULL */
        char *running_vm;
        size_t n_waiting; /* jobs that are queued and have not started */
        bool cancel_told; /* the daemon was asked to cancel the jobs of the cancelled Bacula job */
        bool console_is_bad; /* the warning that bconsole cannot be asked was printed */
};

static void follow_done(struct follow *follow)
{
        free(follow->running);
        free(follow->running_vm);
}

/* The worker's event in a line, or NULL if this version does not know it. In a stream its type is
 * called "event", and the names of job, VM and hypervisor are added. */
static struct event *worker_event(const json_t *line)
{
        json_t *copy = json_copy((json_t *)(uintptr_t)line);
        json_object_set(copy, "type", json_object_get(line, "event"));
        json_object_del(copy, "event");
        json_object_del(copy, "job");
        json_object_del(copy, "vm");
        json_object_del(copy, "hypervisor");
        _cleanup_free_ char *text = json_dumps(copy, JSON_COMPACT);
        json_decref(copy);
        _cleanup_error_ struct error *error = NULL;
        struct event *event = event_parse(text, strlen(text), &error);
        if (!event)
                log_debug("an event is not shown: %s", error_message(error));
        return event;
}

/* "12:00:03"; the caller frees. */
static char *time_of_day(int64_t time_ms)
{
        _cleanup_free_ char *when = clock_format_local(time_ms / 1000);
        const char *space = strchr(when, ' ');
        return xstrdup(space ? space + 1 : when);
}

static char *describe_passed_check(const struct event *event, const char *vm)
{
        _cleanup_free_ char *when = time_of_day(event->time_ms);
        return xasprintf("%s %s check %s: pass%s%s", when, vm, event->check.name,
                         str_empty(event->check.measured) ? "" : ", ", event->check.measured);
}

/* True if the line could not be written to stdout. */
static bool show_worker_event(struct follow *follow, const json_t *line)
{
        _cleanup_(event_freep) struct event *event = worker_event(line);
        if (!event)
                return false;
        const char *vm = value_text(line, "vm");
        if (!*vm)
                vm = value_text(line, "hypervisor");
        if (event->type == EVENT_PROGRESS) {
                if (!follow->cli->terminal)
                        return false;
                _cleanup_free_ char *text = progress_line(event, vm, output_columns() - 1);
                output_live(text);
                return false;
        }
        bool is_result = event->type == EVENT_RESULT;
        if (follow->cli->verbosity < 0 && !is_result)
                return false;
        bool passed = event->type == EVENT_CHECK && event->check.verdict == CHECK_PASS;
        _cleanup_free_ char *text =
                passed && (follow->options->passed_checks || follow->cli->verbosity > 0)
                        ? describe_passed_check(event, vm)
                        : event_describe(event, *vm ? vm : NULL);
        return text && !output_line(text);
}

/* The prefix "12:00:03 " of a line of the daemon's own. A line without a time is from now, unless a
 * log is being read. The caller frees. */
static char *time_prefix(const struct follow *follow, const json_t *line)
{
        int64_t time_ms = value_integer(line, "time_ms",
                                        follow->options->just_watching ? 0 : clock_realtime_ms());
        _cleanup_free_ char *when = time_ms ? time_of_day(time_ms) : NULL;
        return xasprintf("%s%s", when ? when : "", when ? " " : "");
}

/* Prints a line of the daemon's own about a job: "12:00:03 prod-db-01 queued at place 3 (job
 * 20261120-3f9a)". */
static bool show_job_line(struct follow *follow, const json_t *line, const char *what)
{
        if (follow->cli->verbosity < 0)
                return false;
        _cleanup_free_ char *when = time_prefix(follow, line);
        const char *vm = value_text(line, "vm");
        _cleanup_free_ char *text =
                xasprintf("%s%s %s (job %s)", when, *vm ? vm : value_text(line, "hypervisor"), what,
                          value_text(line, "job"));
        return !output_line(text);
}

static bool show_queued_event(struct follow *follow, const json_t *line)
{
        int64_t position = value_integer(line, "position", 0);
        _cleanup_free_ char *what = position > 0
                                            ? xasprintf("queued at place %lld", (long long)position)
                                            : xstrdup("queued");
        return show_job_line(follow, line, what);
}

static bool show_started(struct follow *follow, const json_t *line)
{
        const char *hypervisor = value_text(line, "hypervisor");
        _cleanup_free_ char *what = *hypervisor && *value_text(line, "vm")
                                            ? xasprintf("started on %s", hypervisor)
                                            : xstrdup("started");
        return show_job_line(follow, line, what);
}

/* Errors and warnings go to stderr; information goes to stdout with the events. */
static bool show_notice(struct follow *follow, const json_t *line)
{
        const char *level = value_text(line, "level");
        const char *text = value_text(line, "text");
        if (streq(level, "error")) {
                output_complain(text);
                return false;
        }
        if (streq(level, "warning")) {
                output_live(NULL);
                log_warning("%s", text);
                return false;
        }
        if (follow->cli->verbosity < 0)
                return false;
        _cleanup_free_ char *when = time_prefix(follow, line);
        const char *vm = value_text(line, "vm");
        _cleanup_free_ char *timed = xasprintf("%s%s%s%s", when, vm, *vm ? " " : "", text);
        return !output_line(timed);
}

static bool show_end(struct follow *follow, const json_t *line)
{
        const char *text = value_text(line, "text");
        if (follow->options->strict && follow->n_warnings &&
            value_integer(line, "exit_status", STATUS_JOB_FAILED) == STATUS_OK) {
                _cleanup_free_ char *count = format_count((int64_t)follow->n_warnings, "warning");
                _cleanup_free_ char *verdict =
                        xasprintf("%s; %s, which --strict counts as a failure", text, count);
                return !output_line(verdict);
        }
        return *text && !output_line(text);
}

static bool is_warning(const json_t *line)
{
        const char *kind = value_text(line, "event");
        return streq(kind, "warning") ||
               (streq(kind, "notice") && streq(value_text(line, "level"), "warning")) ||
               (streq(kind, "check") &&
                streq(value_text(value_object(line, "check"), "verdict"), "warn"));
}

/* Updates the state that show_end() and on_interrupt() need, whether the line is shown or not. */
static void take_note(struct follow *follow, const json_t *line)
{
        const char *kind = value_text(line, "event");
        follow->n_warnings += is_warning(line);
        if (streq(kind, "queued")) {
                follow->n_waiting++;
        } else if (streq(kind, "started")) {
                if (follow->n_waiting)
                        follow->n_waiting--;
                xstrdup_replace(&follow->running, value_text(line, "job"));
                xstrdup_replace(&follow->running_vm, value_text(line, "vm"));
        } else if (streq(kind, "result") && streq(value_text(line, "job"), follow->running)) {
                xstrdup_replace(&follow->running, NULL);
                xstrdup_replace(&follow->running_vm, NULL);
        }
}

static enum client_next on_stream_line(const json_t *line, void *data)
{
        struct follow *follow = data;
        const char *kind = value_text(line, "event");
        bool stdout_is_gone;
        take_note(follow, line);
        if (follow->cli->json)
                stdout_is_gone = !output_json_line(line);
        else if (streq(kind, "queued"))
                stdout_is_gone = show_queued_event(follow, line);
        else if (streq(kind, "started"))
                stdout_is_gone = show_started(follow, line);
        else if (streq(kind, "notice"))
                stdout_is_gone = show_notice(follow, line);
        else if (streq(kind, "end"))
                stdout_is_gone = show_end(follow, line);
        else
                stdout_is_gone = show_worker_event(follow, line);
        return stdout_is_gone ? CLIENT_STOP : CLIENT_GO_ON;
}

static void on_interrupt(void *data)
{
        struct follow *follow = data;
        output_live(NULL);
        if (isatty(STDERR_FILENO))
                fputc('\n', stderr); /* the terminal shows "^C" */
        if (follow->options->just_watching)
                return;
        if (follow->running)
                log_warning("interrupted, but the daemon continues with job %s%s%s%s%s. `orch "
                            "cancel %s` cancels it, `orch log %s -f` follows it",
                            follow->running, str_empty(follow->running_vm) ? "" : " (",
                            follow->running_vm ? follow->running_vm : "",
                            str_empty(follow->running_vm) ? "" : ")",
                            follow->n_waiting ? " and then with the queued jobs" : "",
                            follow->running, follow->running);
        else
                log_warning("interrupted, but the daemon continues with this request. `orch "
                            "status` shows its jobs, `orch cancel JOB` cancels one");
}

int follow_read_options(const struct cli *cli, struct follow_options *ret, struct error **err)
{
        const char *job = options_get(cli->options, "bacula-job");
        const char *console = options_get(cli->options, "bacula-console");
        if (job && !name_is_safe(job))
                return error_set(err, ERROR_CONFIG,
                                 "--bacula-job %s: expected the number that Bacula inserts for %%i",
                                 job);
        if (console && !job)
                return error_set(err, ERROR_CONFIG,
                                 "--bacula-console needs --bacula-job, the job to look for");
        *ret = (struct follow_options){
                .strict = options_has(cli->options, "strict"),
                .bacula_job = job,
                .bacula_console = console,
        };
        return 0;
}

/* After a cancel it keeps following: the jobs roll back, and the verdict is still to come. */
static void ask_bacula(void *data)
{
        struct follow *follow = data;
        const char *job = follow->options->bacula_job;
        if (follow->cancel_told)
                return;
        _cleanup_error_ struct error *error = NULL;
        int cancelled = bacula_console_is_cancelled(follow->options->bacula_console, job, &error);
        if (cancelled < 0 && !follow->console_is_bad) {
                follow->console_is_bad = true;
                log_warning("cannot check whether Bacula's job %s is cancelled (%s); `orch cancel "
                            "--bacula-job %s` cancels what it started",
                            job, error_message(error), job);
        }
        if (cancelled <= 0)
                return;
        _cleanup_json_ json_t *body = json_object();
        json_object_set_new(body, "bacula_job", json_string(job));
        _cleanup_json_ json_t *answer = NULL;
        if (client_call(follow->client, "/v1/cancel", body, &answer, &error) != STATUS_OK) {
                log_warning(
                        "Bacula's job %s is cancelled, but its orch jobs cannot be cancelled: %s",
                        job, error_message(error));
                return;
        }
        follow->cancel_told = true;
        if (follow->cli->json)
                return;
        _cleanup_free_ char *line = xasprintf(
                "Bacula's job %s is cancelled: the jobs that it started roll back and end", job);
        output_line(line);
}

int follow_source(const struct cli *cli,
                  int (*source)(const struct client_stream *stream, void *data, struct error **err),
                  void *data, const struct follow_options *options, struct error **err)
{
        _cleanup_(follow_done) struct follow follow = { .cli = cli, .options = options };
        struct client_stream stream = { .on_line = on_stream_line, .data = &follow };
        signal(SIGPIPE, SIG_IGN);
        int status = source(&stream, data, err);
        output_live(NULL);
        return status == STATUS_OK && options->strict && follow.n_warnings ? STATUS_JOB_FAILED
                                                                           : status;
}

int follow_jobs(const struct cli *cli, struct client *client, const char *path, const json_t *body,
                const struct follow_options *options, struct error **err)
{
        _cleanup_(follow_done) struct follow follow = { .cli = cli,
                                                        .client = client,
                                                        .options = options };
        struct client_stream stream = {
                .on_line = on_stream_line,
                .on_interrupt = on_interrupt,
                .on_tick = options->bacula_console ? ask_bacula : NULL,
                .tick_ms = BACULA_ASKED_EVERY_MS,
                .data = &follow,
        };
        /* Bacula's job log takes stderr too, and cuts long lines. */
        if (!isatty(STDERR_FILENO))
                log_limit_lines(OUTPUT_LINE_BYTES);
        /* A closed stdout shows as a failed write, not as a signal. */
        signal(SIGPIPE, SIG_IGN);
        int status = client_stream(client, path, body, &stream, err);
        output_live(NULL);
        if (status == STATUS_OK && options->strict && follow.n_warnings)
                return STATUS_JOB_FAILED;
        return options->just_watching && status != STATUS_NO_DAEMON &&
                               status != STATUS_INTERRUPTED && !(err && *err)
                       ? STATUS_OK
                       : status;
}
