/* Implements cli/offline/standalone.h with the daemon's own event loop and supervision of a worker.
 */
#include "cli/offline/standalone.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/loop/loop.h"
#include "daemon/loop/worker-process.h"
#include "schema/config/inventory.h"
#include "schema/json/json-fields.h"

enum {
        CONFIG_MAX_BYTES = 16 * 1024 * 1024,
        STALL_SLACK_MS = 60000,
        GRACE_MS = 30000,
        STUCK_MS = 5000
};
static const char no_inventory[] = "vms: []\n";

struct standalone {
        struct settings *settings;
        char *settings_text;
        char *inventory_text;
        struct inventory *inventory;
        struct repository *repository;
};

/* One run of a worker. */
struct run {
        struct loop *loop;
        struct worker_process *worker;
        const struct job_request *request;
        const struct client_stream *stream;
        int status; /* -1: no result yet */
        bool cancelled;
};

struct standalone *standalone_free(struct standalone *standalone)
{
        if (!standalone)
                return NULL;
        settings_free(standalone->settings);
        free(standalone->settings_text);
        free(standalone->inventory_text);
        inventory_free(standalone->inventory);
        repository_free(standalone->repository);
        free(standalone);
        return NULL;
}

static struct inventory *parse_event(const struct settings *settings, const char *text)
{
        _cleanup_problems_ struct problems problems = { 0 };
        return inventory_parse(text, strlen(text), settings->inventory, &problems);
}

/* A machine that only restores has no inventory, and a broken one must not prevent a restore. Both
 * count as an empty inventory. */
static void read_inventory_or_none(struct standalone *standalone)
{
        const struct settings *settings = standalone->settings;
        _cleanup_error_ struct error *error = NULL;
        standalone->inventory_text =
                fs_read_file(settings->inventory, CONFIG_MAX_BYTES, NULL, &error);
        standalone->inventory = standalone->inventory_text
                                        ? parse_event(settings, standalone->inventory_text)
                                        : NULL;
        if (standalone->inventory)
                return;
        if (!error || error->errnum != ENOENT)
                log_warning("%s cannot be used and counts as empty; `orch config check` shows its "
                            "mistakes",
                            settings->inventory);
        xstrdup_replace(&standalone->inventory_text, no_inventory);
        standalone->inventory = parse_event(settings, no_inventory);
}

struct standalone *standalone_new(const struct cli *cli, struct error **err)
{
        _cleanup_(standalone_freep) struct standalone *standalone = xcalloc(1, sizeof *standalone);
        standalone->settings = cli_load_settings(cli);
        if (!standalone->settings)
                return NULL;
        const struct settings *settings = standalone->settings;
        standalone->settings_text = fs_read_file(settings->file, CONFIG_MAX_BYTES, NULL, err);
        if (!standalone->settings_text)
                return NULL;
        read_inventory_or_none(standalone);
        standalone->repository =
                repository_open(settings->repository_path, settings->repository_fstype, err);
        return standalone->repository ? TAKE_PTR(standalone) : NULL;
}

struct repository *standalone_repository(const struct standalone *standalone)
{
        return standalone->repository;
}

const struct settings *standalone_settings(const struct standalone *standalone)
{
        return standalone->settings;
}

const struct inventory *standalone_inventory(const struct standalone *standalone)
{
        return standalone->inventory;
}

int standalone_lock(struct repository *repository, struct error **err)
{
        _cleanup_(lock_holder_done) struct lock_holder holder = { 0 };
        int result = repository_lock(repository, &holder, err);
        if (result != LOCK_HELD_ELSEWHERE)
                return result == LOCK_TAKEN ? 0 : -1;
        _cleanup_free_ char *since =
                holder.since ? clock_format_local(holder.since) : xstrdup("an unknown time");
        return error_set(err, ERROR_REFUSED,
                         "%s is in use: process %lld on %s has locked it since %s. Stop the daemon "
                         "there first; if it is dead, run `orch repository unlock`",
                         repository_path(repository), (long long)holder.pid,
                         holder.host ? holder.host : "an unknown host", since);
}

/* A job id in the daemon's form: "20261120-3f9a". */
static char *make_job_id(int64_t now)
{
        unsigned short random = 0;
        if (getrandom(&random, sizeof random, 0) != sizeof random)
                random = (unsigned short)getpid();
        time_t seconds = (time_t)now;
        struct tm tm;
        localtime_r(&seconds, &tm);
        return xasprintf("%04d%02d%02d-%04x", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, random);
}

struct job_request *standalone_request(const struct standalone *standalone, enum job_action action,
                                       const char *vm)
{
        const struct settings *settings = standalone->settings;
        struct job_request *request = xcalloc(1, sizeof *request);
        request->started = clock_realtime_s();
        request->job = make_job_id(request->started);
        request->action = action;
        request->vm = xstrdup(vm);
        request->trigger = xstrdup("adhoc");
        request->settings_path = xstrdup(settings->file);
        request->settings_text = xstrdup(standalone->settings_text);
        request->inventory_path = xstrdup(settings->inventory);
        request->inventory_text = xstrdup(standalone->inventory_text);
        request->repository_uuid = xstrdup(repository_uuid(standalone->repository));
        return request;
}

static int status_of(const char *word)
{
        return streq(word, "cancelled") ? STATUS_CANCELLED
               : streq(word, "failed")  ? STATUS_JOB_FAILED
                                        : STATUS_OK;
}

static void cancel_worker(struct run *run)
{
        run->cancelled = true;
        worker_process_cancel(run->worker);
}

/* Passes the event to the stream, in the form of the daemon's streams. */
static void hand_over_request(struct run *run, const struct event *event)
{
        _cleanup_free_ char *text = event_format(event);
        _cleanup_json_ json_t *line = json_loads(text, 0, NULL);
        json_object_set(line, "event", json_object_get(line, "type"));
        json_object_del(line, "type");
        json_object_set_new(line, "job", json_string(run->request->job));
        json_object_set_new(line, "vm", json_from_text(run->request->vm));
        if (run->stream->on_line(line, run->stream->data) == CLIENT_STOP && !run->cancelled)
                cancel_worker(run);
}

static void on_standalone_event(void *data, const struct event *event)
{
        struct run *run = data;
        if (event->type == EVENT_RESULT)
                run->status = status_of(event->status);
        hand_over_request(run, event);
}

static void end_without_result(struct run *run)
{
        _cleanup_error_ struct error *failure = worker_process_failure(run->worker);
        _cleanup_(event_freep) struct event *event = event_new(EVENT_RESULT);
        event->status = xstrdup("failed");
        event->error_kind = failure->kind;
        event->error = xstrdup(failure->message);
        on_standalone_event(run, event);
}

static void on_over(void *data)
{
        struct run *run = data;
        if (run->status < 0)
                end_without_result(run);
        loop_quit(run->loop);
}

static void on_standalone_signal(void *data, int signal)
{
        (void)signal;
        struct run *run = data;
        if (!run->cancelled)
                log_warning("interrupted: the job rolls back and ends");
        cancel_worker(run);
}

static int run_worker(struct run *run, const struct settings *settings, const sigset_t *signals,
                      struct error **err)
{
        static const struct worker_handlers handlers = { .event = on_standalone_event,
                                                         .stuck = on_over,
                                                         .ended = on_over };
        _cleanup_free_ char *name = xasprintf("%s %s", run->request->job, run->request->vm);
        const struct worker_options options = {
                .name = name,
                .stall_ms = (int64_t)settings->limits.copy_stall_seconds * 1000 + STALL_SLACK_MS,
                .grace_ms = GRACE_MS,
                .stuck_ms = STUCK_MS,
                .last_resort_signal = SIGKILL,
        };
        _cleanup_free_ char *text = job_request_format(run->request);
        _cleanup_(loop_source_freep) struct loop_source *source =
                loop_add_signals(run->loop, signals, on_standalone_signal, run, err);
        if (!source ||
            !(run->worker = worker_process_start(run->loop, &options, text, &handlers, run, err)))
                return -1;
        int r = loop_run(run->loop, err);
        run->worker = worker_process_free(run->worker);
        return r;
}

int standalone_run(struct standalone *standalone, const struct job_request *request,
                   const struct client_stream *stream, struct error **err)
{
        sigset_t signals;
        sigset_t before;
        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        _cleanup_(loop_freep) struct loop *loop = loop_new(err);
        if (!loop)
                return STATUS_FROM_ERROR;
        sigprocmask(SIG_BLOCK, &signals, &before);
        struct run run = { .loop = loop, .request = request, .stream = stream, .status = -1 };
        int r = run_worker(&run, standalone->settings, &signals, err);
        sigprocmask(SIG_SETMASK, &before, NULL);
        return r < 0 ? STATUS_FROM_ERROR : run.status;
}
