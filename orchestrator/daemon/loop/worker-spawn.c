/* Implements daemon/loop/worker-spawn.h by posix_spawn, which is safe while the catalog thread
 * runs. */
#include "daemon/loop/worker-spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "base/strings.h"

static int make_pipes(int in[2], int out[2], int errors[2], struct error **err)
{
        if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot make a pipe for a worker");
        if (fcntl(in[1], F_SETFL, O_NONBLOCK) < 0 || fcntl(out[0], F_SETFL, O_NONBLOCK) < 0 ||
            fcntl(errors[0], F_SETFL, O_NONBLOCK) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot set up a pipe for a worker");
        return 0;
}

/* Path of this program. By its name, where that leads to the running file, because under valgrind
 * /proc/self/exe is valgrind. After an upgrade has replaced the file, by /proc/self/exe, which
 * still leads to this version: the worker must understand the request of this version. */
static const char *own_program(char *buffer, size_t size)
{
        static const char link[] = "/proc/self/exe";
        ssize_t n = readlink(link, buffer, size - 1);
        if (n <= 0 || (size_t)n == size - 1)
                return link;
        buffer[n] = '\0';
        return buffer[0] == '/' && !str_ends_with(buffer, " (deleted)") ? buffer : link;
}

/* In its own process group, so that Ctrl-C at a terminal reaches the daemon alone; with default
 * signal handlers, none blocked. */
static int spawn_process(const char *const *argv, const int fds[3], pid_t *ret, struct error **err)
{
        static const char *const own[] = { "orch", "worker", NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        sigset_t defaults;
        sigemptyset(&none);
        sigemptyset(&defaults);
        for (size_t i = 0; i < 5; i++)
                sigaddset(&defaults, (const int[]){ SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD }[i]);
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        for (int i = 0; i < 3; i++)
                posix_spawn_file_actions_adddup2(&actions, fds[i], i);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                      POSIX_SPAWN_SETPGROUP);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &defaults);
        char buffer[PATH_MAX];
        const char *program = argv ? argv[0] : own_program(buffer, sizeof buffer);
        int r = posix_spawn(ret, program, &actions, &attributes, (char *const *)(argv ? argv : own),
                            environ);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        if (r != 0)
                return error_set_errno(err, ERROR_INTERNAL, r, "cannot start a worker (%s)",
                                       program);
        return 0;
}

int worker_spawn(const char *const *argv, pid_t *ret_pid, int *ret_input_fd, int *ret_output_fd,
                 int *ret_errors_fd, struct error **err)
{
        int in[2] = { -1, -1 };
        int out[2] = { -1, -1 };
        int errors[2] = { -1, -1 };
        int r = make_pipes(in, out, errors, err);
        if (r == 0)
                r = spawn_process(argv, (const int[]){ in[0], out[1], errors[1] }, ret_pid, err);
        closep(&in[0]);
        closep(&out[1]);
        closep(&errors[1]);
        if (r < 0) {
                closep(&in[1]);
                closep(&out[0]);
                closep(&errors[0]);
                return -1;
        }
        *ret_input_fd = in[1];
        *ret_output_fd = out[0];
        *ret_errors_fd = errors[0];
        return 0;
}
