/* Implements base/child.h: fork, three pipes, poll, and a pidfd to wait on. Where pidfd_open() is
 * not available (an old kernel, a seccomp filter, valgrind), the child's state is polled every
 * POLL_SLICE_MS. */
#include "base/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

enum { POLL_SLICE_MS = 100, KILL_GRACE_MS = 1000 };

struct child {
        pid_t pid;
        int pidfd;
        int input_fd;  /* we write here */
        int output_fd; /* we read here */
        int errors_fd;
        size_t input_done;
        struct strbuf output;
        struct strbuf errors;
};

static void child_done(struct child *child)
{
        closep(&child->pidfd);
        closep(&child->input_fd);
        closep(&child->output_fd);
        closep(&child->errors_fd);
        strbuf_done(&child->output);
        strbuf_done(&child->errors);
}

static void close_pair(int pair[2])
{
        closep(&pair[0]);
        closep(&pair[1]);
}

/* Runs in the child. It moves the descriptors to 0, 1 and 2, restores the default signals, makes a
 * process group of its own, and asks the kernel to end it when the parent ends. */
static void child_side_setup(int input, int output, int errors)
{
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0)
                _exit(126);
}

static int child_start(struct child *child, const char *name, const char *const argv[],
                       int (*function)(void *), void *argument, bool with_input, struct error **err)
{
        int in[2] = { -1, -1 };
        int out[2] = { -1, -1 };
        int errors[2] = { -1, -1 };
        if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0)
                goto failed;
        if (!with_input) {
                close_pair(in);
                in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
                if (in[0] < 0)
                        goto failed;
        }
        child->pid = fork();
        if (child->pid < 0)
                goto failed;
        if (child->pid == 0) {
                child_side_setup(in[0], out[1], errors[1]);
                if (function) {
                        int status = function(argument);
                        _exit(status);
                }
                assert(argv);
                execvp(argv[0], (char *const *)argv);
                dprintf(2, "cannot start %s: %s\n", argv[0], strerror(errno));
                _exit(127);
        }
        setpgid(child->pid, child->pid);
        child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
        child->input_fd = TAKE_FD(in[1]);
        child->output_fd = TAKE_FD(out[0]);
        child->errors_fd = TAKE_FD(errors[0]);
        close_pair(in);
        close_pair(out);
        close_pair(errors);
        if (child->input_fd >= 0)
                fcntl(child->input_fd, F_SETFL, O_NONBLOCK);
        return 0;
failed:
        error_set_errno(err, ERROR_INTERNAL, errno, "cannot start %s", name);
        close_pair(in);
        close_pair(out);
        close_pair(errors);
        return -1;
}

static void pipe_feed(struct child *child, const char *input)
{
        assert(input); /* else there is no pipe to feed */
        size_t left = strlen(input) - child->input_done;
        /* If the child ends without reading, the write fails with EPIPE: every orch process ignores
         * SIGPIPE. */
        ssize_t n = left ? write(child->input_fd, input + child->input_done, left) : 0;
        if (n > 0)
                child->input_done += (size_t)n;
        if (child->input_done == strlen(input) || (n < 0 && errno != EAGAIN && errno != EINTR))
                closep(&child->input_fd);
}

static void pipe_collect(int *fd, struct strbuf *buf, size_t limit,
                         const struct child_options *options, bool is_output)
{
        char chunk[16384];
        ssize_t n = read(*fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
                return;
        if (n <= 0) {
                closep(fd);
                return;
        }
        if (is_output && options->on_output)
                options->on_output(chunk, (size_t)n, options->data);
        size_t room = limit > buf->length ? limit - buf->length : 0;
        strbuf_append(buf, chunk, (size_t)n < room ? (size_t)n : room);
}

/* Whether the child has ended. It is not reaped here: its status is read later. */
static bool child_has_ended(const struct child *child)
{
        siginfo_t info = { 0 };
        return waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
               info.si_pid != 0;
}

/* Returns false when the child has not ended within the timeout. */
static bool child_reap_within(const struct child *child, int timeout_ms)
{
        struct deadline deadline = deadline_in_ms(timeout_ms);
        for (int left; (left = deadline_left_ms(deadline)) > 0;) {
                struct pollfd ended = { .fd = child->pidfd, .events = POLLIN };
                poll(&ended, 1, left < POLL_SLICE_MS ? left : POLL_SLICE_MS);
                if (waitpid(child->pid, NULL, WNOHANG) == child->pid)
                        return true;
        }
        return false;
}

static void *child_reap_when_dead(void *pid)
{
        while (waitpid((pid_t)(intptr_t)pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return NULL;
}

/* A share that hangs for a night leaves many such children. A thread reaps each of them when it
 * ends, so that a process that runs for months does not collect zombies. */
static void child_leave_behind(pid_t pid)
{
        pthread_t thread;
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&thread, NULL, child_reap_when_dead, (void *)(intptr_t)pid) == 0)
                pthread_detach(thread);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Kills the process group and waits at most KILL_GRACE_MS for the child's end. A child in
 * uninterruptible sleep is left to a thread that reaps it. */
static void child_kill(struct child *child, bool gently)
{
        if (gently) {
                kill(-child->pid, SIGTERM);
                if (child_reap_within(child, KILL_GRACE_MS))
                        return;
        }
        kill(-child->pid, SIGKILL);
        if (!child_reap_within(child, KILL_GRACE_MS))
                child_leave_behind(child->pid);
}

static int child_finish(struct child *child, const char *name, const struct child_options *options,
                        struct child_result *ret, struct error **err)
{
        struct deadline deadline = deadline_in_ms(options->timeout_ms);
        size_t limit = options->max_output ? options->max_output : 1024 * 1024;
        for (;;) {
                if (options->cancelled && options->cancelled(options->data)) {
                        child_kill(child, true);
                        return error_set(err, ERROR_CANCELLED,
                                         "%s was stopped: the job was cancelled", name);
                }
                int left = deadline_left_ms(deadline);
                if (left == 0) {
                        child_kill(child, false);
                        return error_set(err, ERROR_TIMEOUT,
                                         "%s did not end within %.0f s and was killed", name,
                                         (double)options->timeout_ms / 1000.0);
                }
                /* The state is read before the pipes, so that the last output of an ended child is
                 * still read. After its end orch does not wait for pipes that a grandchild holds
                 * open. */
                bool ended = child_has_ended(child);
                int wait_ms = ended ? 0 : left < POLL_SLICE_MS ? left : POLL_SLICE_MS;
                struct pollfd fds[4] = {
                        { .fd = child->output_fd, .events = POLLIN },
                        { .fd = child->errors_fd, .events = POLLIN },
                        { .fd = child->input_fd, .events = POLLOUT },
                        { .fd = child->pidfd, .events = POLLIN },
                };
                if (poll(fds, 4, wait_ms) < 0 && errno != EINTR)
                        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot wait for %s",
                                               name);
                if (fds[2].revents)
                        pipe_feed(child, options->input);
                if (fds[0].revents)
                        pipe_collect(&child->output_fd, &child->output, limit, options, true);
                if (fds[1].revents)
                        pipe_collect(&child->errors_fd, &child->errors, limit, options, false);
                if (ended && !fds[0].revents && !fds[1].revents)
                        break;
        }
        int status = 0;
        if (waitpid(child->pid, &status, 0) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot wait for %s", name);
        ret->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        ret->output = strbuf_take(&child->output);
        ret->errors = strbuf_take(&child->errors);
        return 0;
}

static int child_run_either(const char *name, const char *const argv[], int (*function)(void *),
                            void *argument, const struct child_options *options,
                            struct child_result *ret, struct error **err)
{
        _cleanup_(child_done) struct child child = {
                .pidfd = -1, .input_fd = -1, .output_fd = -1, .errors_fd = -1
        };
        if (child_start(&child, name, argv, function, argument, options->input != NULL, err) < 0)
                return -1;
        return child_finish(&child, name, options, ret, err);
}

int child_run(const char *const argv[], const struct child_options *options,
              struct child_result *ret, struct error **err)
{
        return child_run_either(argv[0], argv, NULL, NULL, options, ret, err);
}

int child_run_function(int (*function)(void *argument), void *argument,
                       const struct child_options *options, struct child_result *ret,
                       struct error **err)
{
        return child_run_either("a helper process", NULL, function, argument, options, ret, err);
}

void child_result_done(struct child_result *result)
{
        free(result->output);
        free(result->errors);
        *result = (struct child_result){ 0 };
}
