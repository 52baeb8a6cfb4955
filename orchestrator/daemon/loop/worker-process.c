/* Implements daemon/loop/worker-process.h: posix_spawn, three pipes, a pidfd and one timer in the
 * loop. At most READ_SIZE bytes are read from a pipe in a turn, so that a worker that floods its
 * pipe cannot keep the loop from its other sources. Where there is no pidfd (an old kernel, a
 * seccomp filter, valgrind), a second timer polls for the end of the worker. */
#include "daemon/loop/worker-process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/loop/worker-spawn.h"

enum {
        READ_SIZE = 16384, /* per turn, so that clients get their turn */
        PACE_BYTES = 65536,
        PACE_MS = 20,
        DRAIN_MAX_BYTES = 4 << 20, /* of what a dead worker left in a pipe */
        LOG_LINE_MAX_BYTES = 8192,
        LOG_LINES_MAX = 10000, /* a job; more is dropped */
        GARBAGE_LINES_TOLD = 3,
        LOOK_MS = 100, /* without a pidfd */
};

enum phase { PHASE_WATCHED, PHASE_ENDING, PHASE_KILLED, PHASE_STUCK };

struct worker_process {
        struct loop *loop;
        struct worker_options options;
        char *name;
        struct worker_handlers handlers;
        void *data;
        pid_t pid;
        int pidfd;
        int input_fd; /* the life line */
        int output_fd;
        int errors_fd;
        struct loop_source *exit_source;
        struct loop_source *input_source; /* while the request is being written */
        struct loop_source *output_source;
        struct loop_source *errors_source;
        struct loop_source *timer;
        struct loop_source *pace_timer;
        size_t told_bytes; /* since the pace timer was armed */
        struct strbuf request;
        struct strbuf output;
        struct strbuf errors;
        bool skip_line; /* the rest of one that was too long */
        unsigned n_garbage;
        unsigned n_log_lines;
        enum phase phase;
        bool cancelled;
        bool overran;
        bool has_result;
        int64_t last_event_ms;
        bool reaped;
        siginfo_t end;
};

struct worker_process *worker_process_free(struct worker_process *worker)
{
        if (!worker)
                return NULL;
        loop_source_free(worker->exit_source);
        loop_source_free(worker->input_source);
        loop_source_free(worker->output_source);
        loop_source_free(worker->errors_source);
        loop_source_free(worker->timer);
        loop_source_free(worker->pace_timer);
        closep(&worker->pidfd);
        closep(&worker->input_fd);
        closep(&worker->output_fd);
        closep(&worker->errors_fd);
        strbuf_done(&worker->request);
        strbuf_done(&worker->output);
        strbuf_done(&worker->errors);
        free(worker->name);
        free(worker);
        return NULL;
}

static void send_signal(struct worker_process *worker, int signal)
{
        /* The pid cannot belong to another process before it is reaped here. */
        if (!worker->reaped)
                kill(worker->pid, signal);
}

static void note_garbage(struct worker_process *worker, const char *what)
{
        if (worker->n_garbage++ < GARBAGE_LINES_TOLD)
                log_warning("%s: the worker wrote something that is no event: %s", worker->name,
                            what);
}

static void take_event_line(struct worker_process *worker, const char *line, size_t length)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_(event_freep) struct event *event = event_parse(line, length, &error);
        if (!event) {
                note_garbage(worker, error->message);
                return;
        }
        worker->last_event_ms = clock_monotonic_ms();
        if (worker->has_result) {
                note_garbage(worker, "an event after its result");
                return;
        }
        if (event->type == EVENT_RESULT) {
                worker->has_result = true;
                if (worker->phase == PHASE_WATCHED) {
                        worker->phase = PHASE_ENDING;
                        loop_timer_arm(worker->timer, worker->options.grace_ms, 0);
                }
        }
        worker->handlers.event(worker->data, event);
}

static void take_worker_output(struct worker_process *worker)
{
        size_t done = 0;
        for (;;) {
                char *begin = worker->output.data ? worker->output.data + done : NULL;
                size_t left = worker->output.length - done;
                char *newline = begin && left ? memchr(begin, '\n', left) : NULL;
                if (!newline)
                        break;
                if (!worker->skip_line)
                        take_event_line(worker, begin, (size_t)(newline - begin));
                worker->skip_line = false;
                done += (size_t)(newline - begin) + 1;
        }
        strbuf_consume(&worker->output, done);
        if (worker->output.length > WORKER_LINE_MAX_BYTES) {
                if (!worker->skip_line)
                        note_garbage(worker, "a line of more than 1 MiB");
                worker->skip_line = true;
        }
        if (worker->skip_line)
                strbuf_reset(&worker->output);
}

/* "<4>text" as under journald; without a prefix it is info. */
static void log_line(struct worker_process *worker, const char *line)
{
        enum log_level level = LOG_LEVEL_INFO;
        if (line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>') {
                int priority = line[1] - '0';
                level = priority <= 3   ? LOG_LEVEL_ERROR
                        : priority == 4 ? LOG_LEVEL_WARNING
                        : priority <= 6 ? LOG_LEVEL_INFO
                                        : LOG_LEVEL_DEBUG;
                line += 3;
        }
        if (worker->n_log_lines++ < LOG_LINES_MAX)
                log_write_about(level, &worker->options.about, "%s: %s", worker->name, line);
        else if (worker->n_log_lines == LOG_LINES_MAX + 1)
                log_warning(
                        "%s: the worker wrote more than %d lines to stderr; the rest is dropped",
                        worker->name, LOG_LINES_MAX);
}

static void take_errors(struct worker_process *worker)
{
        size_t done = 0;
        while (done < worker->errors.length) {
                char *begin = worker->errors.data + done;
                size_t left = worker->errors.length - done;
                char *newline = memchr(begin, '\n', left);
                if (!newline && left < LOG_LINE_MAX_BYTES)
                        break;
                size_t length = newline ? (size_t)(newline - begin) : left;
                _cleanup_free_ char *line = xstrndup(begin, length);
                log_line(worker, line);
                done += length + (newline ? 1 : 0);
        }
        strbuf_consume(&worker->errors, done);
}

/* Returns the bytes read; 0 when there is nothing now, -1 at the end. */
static ssize_t read_some(int fd, struct strbuf *buf)
{
        char chunk[READ_SIZE];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n > 0)
                strbuf_append(buf, chunk, (size_t)n);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -1;
        return n == 0 ? -1 : n;
}

/* A worker that writes more than PACE_BYTES within PACE_MS is not read for the rest of that time:
 * no client could read that fast and no log would keep it. A working worker stays far below. */
static void on_pace(void *data)
{
        struct worker_process *worker = data;
        worker->told_bytes = 0;
        if (worker->output_source)
                loop_source_set_events(worker->output_source, EPOLLIN);
}

static void on_worker_output(void *data, uint32_t events)
{
        (void)events;
        struct worker_process *worker = data;
        ssize_t n = read_some(worker->output_fd, &worker->output);
        if (n < 0)
                worker->output_source = loop_source_free(worker->output_source);
        if (n > 0 && worker->told_bytes == 0)
                loop_timer_arm(worker->pace_timer, PACE_MS, 0);
        worker->told_bytes += n > 0 ? (size_t)n : 0;
        if (worker->output_source && worker->told_bytes >= PACE_BYTES)
                loop_source_set_events(worker->output_source, 0);
        take_worker_output(worker);
}

static void on_errors(void *data, uint32_t events)
{
        (void)events;
        struct worker_process *worker = data;
        if (read_some(worker->errors_fd, &worker->errors) < 0)
                worker->errors_source = loop_source_free(worker->errors_source);
        take_errors(worker);
}

static void on_input(void *data, uint32_t events)
{
        (void)events;
        struct worker_process *worker = data;
        ssize_t n = write(worker->input_fd, worker->request.data, worker->request.length);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n > 0)
                strbuf_consume(&worker->request, (size_t)n);
        if (n > 0 && worker->request.length)
                return;
        /* Written, or the reader is gone, which the end of the worker will show. The descriptor
         * stays open. */
        worker->input_source = loop_source_free(worker->input_source);
        strbuf_done(&worker->request);
}

/* Reads what is still in the pipes; a grandchild that holds them open is not waited for. */
static void drain_pipes(struct worker_process *worker)
{
        for (size_t total = 0; worker->output_source && total < DRAIN_MAX_BYTES;) {
                ssize_t n = read_some(worker->output_fd, &worker->output);
                take_worker_output(worker);
                if (n <= 0)
                        break;
                total += (size_t)n;
        }
        for (size_t total = 0; worker->errors_source && total < DRAIN_MAX_BYTES;) {
                ssize_t n = read_some(worker->errors_fd, &worker->errors);
                take_errors(worker);
                if (n <= 0)
                        break;
                total += (size_t)n;
        }
        if (worker->errors.length)
                log_line(worker, worker->errors.data);
}

static void on_exit_ready(void *data, uint32_t events)
{
        (void)events;
        struct worker_process *worker = data;
        siginfo_t info = { 0 };
        if (waitid(P_PID, (id_t)worker->pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                return;
        worker->end = info;
        worker->reaped = true;
        drain_pipes(worker);
        worker->exit_source = loop_source_free(worker->exit_source);
        worker->output_source = loop_source_free(worker->output_source);
        worker->errors_source = loop_source_free(worker->errors_source);
        worker->input_source = loop_source_free(worker->input_source);
        worker->timer = loop_source_free(worker->timer);
        worker->pace_timer = loop_source_free(worker->pace_timer);
        worker->handlers.ended(worker->data);
}

static void watch_again(struct worker_process *worker)
{
        loop_timer_arm(worker->timer,
                       worker->last_event_ms + worker->options.stall_ms - clock_monotonic_ms(), 0);
}

static void kill_it(struct worker_process *worker)
{
        log_warning("%s: the worker (pid %d) did not end in time and is killed", worker->name,
                    (int)worker->pid);
        worker->phase = PHASE_KILLED;
        send_signal(worker, worker->options.last_resort_signal);
        loop_timer_arm(worker->timer, worker->options.stuck_ms, 0);
}

static void on_watch_timer(void *data)
{
        struct worker_process *worker = data;
        switch (worker->phase) {
        case PHASE_WATCHED:
                if (clock_monotonic_ms() < worker->last_event_ms + worker->options.stall_ms) {
                        watch_again(worker);
                        return;
                }
                worker->overran = true;
                if (worker->cancelled) {
                        kill_it(worker);
                        return;
                }
                log_warning("%s: the worker (pid %d) sent no event for %.0f s and is stopped",
                            worker->name, (int)worker->pid,
                            (double)worker->options.stall_ms / 1000.0);
                worker->phase = PHASE_ENDING;
                send_signal(worker, SIGTERM);
                loop_timer_arm(worker->timer, worker->options.grace_ms, 0);
                return;
        case PHASE_ENDING:
                kill_it(worker);
                return;
        case PHASE_KILLED:
                worker->phase = PHASE_STUCK;
                log_error("%s: the worker (pid %d) does not end even when killed (is the share "
                          "hanging?); it is set aside",
                          worker->name, (int)worker->pid);
                worker->handlers.stuck(worker->data);
                return;
        case PHASE_STUCK:
                return;
        }
}

static void poll_exit(void *data)
{
        on_exit_ready(data, 0);
}

static int watch_exit(struct worker_process *worker, struct error **err)
{
        worker->pidfd = (int)syscall(SYS_pidfd_open, worker->pid, 0);
        if (worker->pidfd >= 0)
                worker->exit_source = loop_add_io(worker->loop, worker->pidfd, EPOLLIN,
                                                  on_exit_ready, worker, err);
        else if ((worker->exit_source = loop_add_timer(worker->loop, poll_exit, worker, err)))
                loop_timer_arm(worker->exit_source, LOOK_MS, LOOK_MS);
        return worker->exit_source ? 0 : -1;
}

static int watch_worker(struct worker_process *worker, struct error **err)
{
        if (watch_exit(worker, err) < 0 ||
            !(worker->input_source = loop_add_io(worker->loop, worker->input_fd, EPOLLOUT, on_input,
                                                 worker, err)) ||
            !(worker->output_source = loop_add_io(worker->loop, worker->output_fd, EPOLLIN,
                                                  on_worker_output, worker, err)) ||
            !(worker->errors_source = loop_add_io(worker->loop, worker->errors_fd, EPOLLIN,
                                                  on_errors, worker, err)) ||
            !(worker->timer = loop_add_timer(worker->loop, on_watch_timer, worker, err)) ||
            !(worker->pace_timer = loop_add_timer(worker->loop, on_pace, worker, err)))
                return -1;
        worker->last_event_ms = clock_monotonic_ms();
        watch_again(worker);
        return 0;
}

struct worker_process *worker_process_start(struct loop *loop, const struct worker_options *options,
                                            const char *request,
                                            const struct worker_handlers *handlers, void *data,
                                            struct error **err)
{
        _cleanup_(worker_process_freep) struct worker_process *worker = xcalloc(1, sizeof *worker);
        worker->loop = loop;
        worker->options = *options;
        worker->name = xstrdup(options->name);
        worker->options.name = worker->name;
        worker->handlers = *handlers;
        worker->data = data;
        worker->pidfd = worker->input_fd = worker->output_fd = worker->errors_fd = -1;
        strbuf_add(&worker->request, request);
        strbuf_add_char(&worker->request, '\n');

        if (worker_spawn(options->argv, &worker->pid, &worker->input_fd, &worker->output_fd,
                         &worker->errors_fd, err) < 0)
                return NULL;
        if (watch_worker(worker, err) < 0) {
                /* Without the watch it must not run. If it survives, it does nothing, since its
                 * life line is closed; init reaps it. */
                kill(worker->pid, SIGKILL);
                return NULL;
        }
        return TAKE_PTR(worker);
}

void worker_process_cancel(struct worker_process *worker)
{
        if (worker->cancelled || worker->reaped)
                return;
        worker->cancelled = true;
        send_signal(worker, SIGTERM);
        worker->last_event_ms = clock_monotonic_ms();
}

pid_t worker_process_pid(const struct worker_process *worker)
{
        return worker->pid;
}

bool worker_process_has_result(const struct worker_process *worker)
{
        return worker->has_result;
}

struct error *worker_process_failure(const struct worker_process *worker)
{
        struct error *error = NULL;
        if (worker->overran) {
                error_set(&error, ERROR_TIMEOUT,
                          "the worker sent no event for %.0f s and was stopped%s",
                          (double)worker->options.stall_ms / 1000.0,
                          worker->reaped ? ""
                                         : ", but does not end even when killed; its VM is left "
                                           "alone until it has ended");
        } else if (!worker->reaped) {
                error_set(&error, ERROR_TIMEOUT,
                          "the worker was cancelled but does not end even when killed");
        } else if (worker->cancelled && worker->end.si_code == CLD_KILLED &&
                   worker->end.si_status == SIGTERM) {
                error_set(&error, ERROR_CANCELLED, "cancelled before it had started");
        } else if (worker->end.si_code == CLD_EXITED) {
                error_set(&error, ERROR_INTERNAL,
                          "the worker ended without a result (exit status %d)",
                          worker->end.si_status);
        } else {
                error_set(&error, ERROR_INTERNAL, "the worker was killed by signal %d (%s)",
                          worker->end.si_status, strsignal(worker->end.si_status));
        }
        return error;
}
