/* Implements daemon/daemon.h: start, signals, periodic work, and the ordered stop.
 *
 * Whatever changes the state calls daemon_changed(); the next turn of the loop then starts and ends
 * what can be started or ended. So no handler starts or frees something that its caller still uses.
 * The phases of the stop only go forward (enum daemon_phase). */
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api.h"
#include "daemon/api/control-api.h"
#include "daemon/api/metrics-server.h"
#include "daemon/cycle/cycle.h"
#include "daemon/cycle/pause.h"
#include "daemon/jobs/batch.h"
#include "daemon/jobs/orphans.h"
#include "daemon/jobs/recoveries.h"
#include "daemon/jobs/runner.h"
#include "daemon/loop/sd-notify.h"
#include "daemon/notices/notices.h"
#include "daemon/state/state.h"
#include "schema/records/exit-status.h"

enum { KEEPALIVE_MS = 10000, SHARE_CLOSE_MS = 5000, DRAIN_MS = 2000 };

static char **wanted_pins(void *data)
{
        const struct daemon *daemon = data;
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        char **names = NULL;
        for (size_t i = 0; inventory && i < inventory->n_vms; i++)
                strv_add(&names, inventory->vms[i].name);
        for (size_t i = 0; i < daemon->queue.count; i++)
                if (daemon->queue.items[i]->vm && !strv_contains(names, daemon->queue.items[i]->vm))
                        strv_add(&names, daemon->queue.items[i]->vm);
        return names;
}

static void on_pin(void *data, const char *vm, const char *uuid, const char *hypervisor)
{
        struct daemon *daemon = data;
        const struct vm_state *state = vm_states_find(&daemon->states, vm);
        /* A pin that was set by a job may not have been recorded yet. */
        if (uuid || !state || !state->pin)
                vm_states_set_pin(&daemon->states, vm, uuid, hypervisor);
        daemon_changed(daemon);
}

static void on_point(void *data, const char *vm, const char *path, const struct catalog_list *rows)
{
        struct daemon *daemon = data;
        vm_states_refresh_point(&daemon->states, vm, path, rows);
        daemon_changed(daemon);
}

static void on_opened(void *data, const struct catalog_list *rows)
{
        struct daemon *daemon = data;
        vm_states_load(&daemon->states, rows);
        cycle_check_trigger(daemon);
        daemon_changed(daemon);
}

static void notify_status(const struct daemon *daemon)
{
        size_t running = runner_count_running(daemon);
        if (running)
                sd_notify_status("%zu running, %zu queued", running, daemon->queue.count);
        else
                sd_notify_status("idle, %zu queued", daemon->queue.count);
}

static void on_share_closed(void *data)
{
        struct daemon *daemon = data;
        daemon->phase = DAEMON_ENDED;
        daemon->drain_deadline_ms = clock_monotonic_ms() + DRAIN_MS;
        loop_timer_arm(daemon->schedule_timer, DRAIN_MS, 0);
}

/* Streams that follow a job whose worker is stuck end without an "end" line, because its outcome is
 * not known. */
static void close_share(struct daemon *daemon)
{
        daemon->phase = DAEMON_CLOSING;
        for (size_t i = 0; i < daemon->jobs->count; i++)
                stream_set_end(&daemon->jobs->items[i]->followers, NULL);
        notices_stop(daemon->notices);
        share_stop(daemon->share, SHARE_CLOSE_MS, on_share_closed, daemon);
}

static void on_schedule(void *data)
{
        struct daemon *daemon = data;
        runner_schedule(daemon);
        notify_status(daemon);
        if (daemon->phase == DAEMON_STOPPING && !daemon->batches &&
            runner_count_running(daemon) == 0)
                close_share(daemon);
}

static void cancel_running(struct daemon *daemon)
{
        for (size_t i = 0; i < daemon->n_busy; i++)
                runner_cancel(daemon, daemon->busy[i], "the daemon is stopping");
}

/* SIGTERM: begins the stop; a second one cancels what `on_stop: finish` let run. */
static void daemon_stop(struct daemon *daemon)
{
        if (daemon->phase != DAEMON_RUNNING) {
                cancel_running(daemon);
                return;
        }
        log_info("stopping: %zu running, %zu queued", runner_count_running(daemon),
                 daemon->queue.count);
        sd_notify_send("STOPPING=1");
        daemon->phase = DAEMON_STOPPING;
        while (daemon->queue.count)
                runner_cancel(daemon, daemon->queue.items[0], "the daemon is stopping");
        if (daemon->settings->daemon.on_stop == ON_STOP_CANCEL)
                cancel_running(daemon);
        daemon_changed(daemon);
}

static void on_daemon_signal(void *data, int signal)
{
        struct daemon *daemon = data;
        if (signal != SIGHUP) {
                daemon_stop(daemon);
                return;
        }
        if (daemon_reload_inventory(daemon, NULL) == 0)
                log_info("the inventory was read again: %zu VMs",
                         inventory_keeper_get(daemon->inventory)->n_vms);
        cycle_check_trigger(daemon);
}

static int64_t keepalive_ms(const struct daemon *daemon)
{
        return daemon->options.keepalive_ms ? daemon->options.keepalive_ms : KEEPALIVE_MS;
}

static void queue_due_recoveries(struct daemon *daemon)
{
        const char *hypervisor = NULL;
        for (const char *vm; (vm = recoveries_take_due(daemon->recoveries, &hypervisor));)
                runner_queue_recover(daemon, vm, hypervisor,
                                     "an earlier job could not repair the VM");
}

static void on_tick(void *data)
{
        struct daemon *daemon = data;
        control_api_keep_alive(daemon->api, keepalive_ms(daemon) / 2);
        pause_check(daemon);
        queue_due_recoveries(daemon);
        if (daemon->trigger_waits)
                cycle_check_trigger(daemon);
        notices_check(daemon->notices);
        int64_t day = clock_realtime_s() / 86400;
        if (day != daemon->pruned_day)
                jobs_prune_logs(daemon->jobs, clock_realtime_s());
        daemon->pruned_day = day;
}

static void on_watchdog(void *data)
{
        (void)data;
        sd_notify_send("WATCHDOG=1");
}

static void on_cycle_timer(void *data)
{
        cycle_check_trigger(data);
}

static int before_wait(void *data)
{
        struct daemon *daemon = data;
        int timeout = control_api_turn(daemon->api);
        int metrics_timeout = metrics_server_turn(daemon->metrics);
        if (metrics_timeout >= 0 && (timeout < 0 || metrics_timeout < timeout))
                timeout = metrics_timeout;
        if (daemon->phase == DAEMON_ENDED && (!control_api_is_busy(daemon->api) ||
                                              clock_monotonic_ms() >= daemon->drain_deadline_ms))
                loop_quit(daemon->loop);
        return timeout;
}

/* Each problem as a line of its own. */
static void print_problems(const struct problems *problems)
{
        _cleanup_free_ char *text = problems_format(problems);
        char *rest = text;
        for (char *line; (line = strsep(&rest, "\n"));)
                if (*line)
                        log_error("%s", line);
}

static int load_settings(struct daemon *daemon, const char *path)
{
        _cleanup_problems_ struct problems problems = { 0 };
        daemon->settings = settings_load(path ? path : settings_default_path(),
                                         &daemon->settings_text, &problems);
        if (!daemon->settings) {
                print_problems(&problems);
                return STATUS_USAGE;
        }
        static const enum log_format formats[] = { [LOG_FORM_TEXT] = LOG_FORMAT_TEXT,
                                                   [LOG_FORM_JSON] = LOG_FORMAT_JSON,
                                                   [LOG_FORM_JOURNAL] = LOG_FORMAT_JOURNAL };
        log_set_format(formats[daemon->settings->log_form]);
        _cleanup_error_ struct error *error = NULL;
        if (clock_set_timezone(daemon->settings->cycle_timezone, &error) < 0) {
                log_error("%s: cycle.timezone: %s", daemon->settings->file, error->message);
                return STATUS_USAGE;
        }
        return STATUS_OK;
}

/* The state folder belongs to one daemon at a time, since two would mix up their jobs. Held until
 * the process ends. */
static int lock_state(struct daemon *daemon, struct error **err)
{
        daemon->state_folder = xstrdup(daemon->settings->daemon.state);
        if (fs_make_dirs(daemon->state_folder, err) < 0)
                return -1;
        _cleanup_free_ char *path = path_join(daemon->state_folder, "daemon.lock");
        daemon->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (daemon->lock_fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open %s", path);
        if (flock(daemon->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK
                               ? error_set(err, ERROR_REFUSED,
                                           "another daemon is running: it holds %s (`orch status` "
                                           "asks it; a second one needs "
                                           "its own daemon.state, socket and repository)",
                                           path)
                               : error_set_errno(err, ERROR_INTERNAL, errno, "cannot lock %s",
                                                 path);
        return 0;
}

static int take_signals(struct daemon *daemon, struct error **err)
{
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot block signals");
        daemon->signals = loop_add_signals(daemon->loop, &signals, on_daemon_signal, daemon, err);
        return daemon->signals ? 0 : -1;
}

static int make_timers(struct daemon *daemon, struct error **err)
{
        if (!(daemon->schedule_timer = loop_add_timer(daemon->loop, on_schedule, daemon, err)) ||
            !(daemon->tick = loop_add_timer(daemon->loop, on_tick, daemon, err)) ||
            !(daemon->cycle_timer =
                      loop_add_wall_timer(daemon->loop, on_cycle_timer, daemon, err)) ||
            !(daemon->watchdog = loop_add_timer(daemon->loop, on_watchdog, daemon, err)))
                return -1;
        loop_timer_arm(daemon->tick, keepalive_ms(daemon) / 2, keepalive_ms(daemon) / 2);
        int64_t watchdog_ms = sd_notify_watchdog_ms();
        if (watchdog_ms)
                loop_timer_arm(daemon->watchdog, watchdog_ms, watchdog_ms);
        return 0;
}

static int make_share(struct daemon *daemon, struct error **err)
{
        const struct share_handlers handlers = { .pin_names = wanted_pins,
                                                 .opened = on_opened,
                                                 .pin = on_pin,
                                                 .point = on_point,
                                                 .data = daemon };
        const struct share_timing timing = {
                .retry_ms = daemon->options.share_retry_ms,
                .refresh_ms = daemon->options.share_refresh_ms,
                .answer_ms = daemon->options.share_answer_ms,
        };
        daemon->share = share_new(daemon->loop, daemon->settings, &timing, &handlers, err);
        return daemon->share ? 0 : -1;
}

/* The daemon also runs without this address: metrics are less important than backups. */
static void start_metrics(struct daemon *daemon)
{
        _cleanup_error_ struct error *error = NULL;
        if (str_empty(daemon->settings->metrics_listen))
                return;
        daemon->metrics = metrics_server_new(daemon, daemon->settings->metrics_listen, &error);
        if (!daemon->metrics)
                log_error("%s", error->message);
}

static int daemon_start(struct daemon *daemon, struct error **err)
{
        if (lock_state(daemon, err) < 0 || !(daemon->loop = loop_new(err)) ||
            take_signals(daemon, err) < 0 || make_timers(daemon, err) < 0 ||
            !(daemon->jobs = jobs_new(daemon->state_folder, err)) ||
            !(daemon->api = control_api_new(daemon, api_routes, err)) ||
            make_share(daemon, err) < 0)
                return -1;
        daemon->inventory = inventory_keeper_new(daemon->settings->inventory, daemon->state_folder);
        (void)!daemon_reload_inventory(daemon, NULL);
        if (!(daemon->notices = notices_new(daemon, err)))
                return -1;
        daemon->listener = notices_listener(daemon->notices);
        pause_load(daemon);
        runner_recover_interrupted(daemon);
        if (control_api_start(daemon->api, err) < 0)
                return -1;
        start_metrics(daemon);
        share_start(daemon->share);
        notices_check(daemon->notices);
        loop_set_before_wait(daemon->loop, before_wait, daemon);
        return 0;
}

static void daemon_done(struct daemon *daemon)
{
        daemon->phase = DAEMON_ENDED;
        daemon->api = control_api_free(daemon->api);
        daemon->metrics = metrics_server_free(daemon->metrics);
        runner_done(daemon);
        orphans_done(daemon);
        daemon->share = share_free(daemon->share); /* completes requests that batches wait for */
        while (daemon->batches)
                batch_free(daemon->batches);
        daemon->notices = notices_free(daemon->notices);
        queue_done(&daemon->queue);
        jobs_free(daemon->jobs);
        inventory_keeper_free(daemon->inventory);
        vm_states_done(&daemon->states);
        daemon->recoveries = recoveries_free(daemon->recoveries);
        loop_source_free(daemon->signals);
        loop_source_free(daemon->tick);
        loop_source_free(daemon->watchdog);
        loop_source_free(daemon->cycle_timer);
        loop_source_free(daemon->schedule_timer);
        loop_free(daemon->loop);
        settings_free(daemon->settings);
        free(daemon->settings_text);
        free(daemon->state_folder);
        closep(&daemon->lock_fd);
}

/* Descriptors 0 to 2 are opened if we were started without them: otherwise a pipe to a worker could
 * become one of them. */
static void ensure_standard_descriptors(void)
{
        int fd;
        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= 2);
        if (fd > 2)
                close(fd);
}

static int daemon_run(struct daemon *daemon)
{
        _cleanup_error_ struct error *error = NULL;
        if (daemon_start(daemon, &error) < 0) {
                log_error("%s", error->message);
                return error->kind == ERROR_REFUSED  ? STATUS_REFUSED
                       : error->kind == ERROR_CONFIG ? STATUS_USAGE
                                                     : STATUS_JOB_FAILED;
        }
        log_info("orch " ORCH_VERSION " is ready on %s", daemon->settings->socket);
        sd_notify_send("READY=1");
        if (loop_run(daemon->loop, &error) < 0) {
                log_error("%s", error->message);
                return STATUS_JOB_FAILED;
        }
        log_info("stopped");
        return STATUS_OK;
}

int daemon_main(const char *settings_path, const struct daemon_options *options)
{
        ensure_standard_descriptors();
        signal(SIGPIPE, SIG_IGN);
        struct daemon daemon = { .lock_fd = -1,
                                 .started = clock_realtime_s(),
                                 .recoveries = recoveries_new() };
        if (options)
                daemon.options = *options;
        int status = load_settings(&daemon, settings_path);
        if (status == STATUS_OK)
                status = daemon_run(&daemon);
        daemon_done(&daemon);
        return status;
}
