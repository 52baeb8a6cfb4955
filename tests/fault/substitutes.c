/* What stands in for libc while a worker runs: the clock, which is the model's, and the calls that
 * change the share, which are counted and can fail like those to a hypervisor. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/strings.h"
#include "decorator.h"
#include "world.h"

int clock_gettime(clockid_t id, struct timespec *ret)
{
        if (id != CLOCK_MONOTONIC || !world) {
                int r = (int)syscall(SYS_clock_gettime, id, ret);
                if (world && id == CLOCK_REALTIME)
                        ret->tv_sec += world->days * 24 * 3600;
                return r;
        }
        *ret = (struct timespec){ .tv_sec = world->now_ms / 1000,
                                  .tv_nsec = world->now_ms % 1000 * 1000000 };
        return 0;
}

int usleep(useconds_t microseconds)
{
        world_advance(microseconds < 1000 ? 1 : microseconds / 1000);
        return 0;
}

static const char *path_of(int fd, char path[PATH_MAX])
{
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, PATH_MAX - 1);
        path[n > 0 ? n : 0] = '\0';
        return path;
}

static int errno_of(enum error_kind kind)
{
        return kind == ERROR_NOSPACE ? ENOSPC : EIO;
}

/* 0: go on; -1 with errno: the planned fault is that this call fails without being made.
 * *ret_loses: it is made and fails then. */
static int enter(const char *call, int fd, const char *name, bool *ret_loses)
{
        char path[PATH_MAX];
        *ret_loses = false;
        if (!world || !decorator_counts() || !str_starts_with(path_of(fd, path), WORLD_SHARE))
                return 0;
        char detail[PATH_MAX + 64];
        snprintf(detail, sizeof detail, "%s %s", path + strlen(WORLD_SHARE), name);
        bool falls_here = decorator_enter(call, detail);
        if (world->calls < WORLD_CALLS)
                world->on_share[world->calls] = true;
        if (!falls_here)
                return 0;
        if (world->fault.kind == FAULT_LOST) {
                *ret_loses = true;
                return 0;
        }
        if (world->fault.kind != FAULT_ERROR)
                return 0;
        errno = errno_of(world->fault.error);
        world_trace("        (fails: %s)\n", strerror(errno));
        return -1;
}

static int leave(long r, int fd, bool loses)
{
        char path[PATH_MAX];
        int errnum = errno;
        if (world && decorator_counts() && str_starts_with(path_of(fd, path), WORLD_SHARE))
                decorator_changed();
        errno = loses && r == 0 ? errno_of(world->fault.error) : errnum;
        if (loses)
                world_trace("        (made, then: %s)\n", strerror(errno));
        return loses ? -1 : (int)r;
}

int fsync(int fd)
{
        bool loses;
        return enter("fsync", fd, "", &loses) < 0 ? -1 : leave(syscall(SYS_fsync, fd), fd, loses);
}

int mkdirat(int fd, const char *name, mode_t mode)
{
        bool loses;
        return enter("mkdirat", fd, name, &loses) < 0
                       ? -1
                       : leave(syscall(SYS_mkdirat, fd, name, mode), fd, loses);
}

int unlinkat(int fd, const char *name, int flags)
{
        bool loses;
        return enter("unlinkat", fd, name, &loses) < 0
                       ? -1
                       : leave(syscall(SYS_unlinkat, fd, name, flags), fd, loses);
}

int fchmod(int fd, mode_t mode)
{
        bool loses;
        return enter("fchmod", fd, "", &loses) < 0
                       ? -1
                       : leave(syscall(SYS_fchmod, fd, mode), fd, loses);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
        bool loses;
        return enter("renameat", from_fd, to, &loses) < 0
                       ? -1
                       : leave(syscall(SYS_renameat, from_fd, from, to_fd, to), from_fd, loses);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
        bool loses;
        return enter("renameat2", from_fd, to, &loses) < 0
                       ? -1
                       : leave(syscall(SYS_renameat2, from_fd, from, to_fd, to, flags), from_fd,
                               loses);
}
