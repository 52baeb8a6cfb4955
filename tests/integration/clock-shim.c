/* Preloaded into orch by tests that set the clock: the wall clock, shifted by the seconds that the
 * file $ORCH_TEST_CLOCK holds (a 64-bit number, looked at with every call). Namespaces can shift
 * every clock but this one, and the machine's own is everybody's. Timers and deadlines are left
 * alone, as they are when an administrator sets a clock. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *shift;

__attribute__((constructor)) static void begin(void)
{
        const char *path = getenv("ORCH_TEST_CLOCK");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);
        if (fd >= 0)
                close(fd);
        if (map != MAP_FAILED)
                shift = map;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
        int r = (int)syscall(SYS_clock_gettime, id, now);
        if (r == 0 && shift && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
                now->tv_sec += *shift;
        return r;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
        (void)zone;
        struct timespec exact;
        int r = clock_gettime(CLOCK_REALTIME, &exact);
        now->tv_sec = exact.tv_sec;
        now->tv_usec = exact.tv_nsec / 1000;
        return r;
}

time_t time(time_t *ret)
{
        struct timespec exact;
        clock_gettime(CLOCK_REALTIME, &exact);
        if (ret)
                *ret = exact.tv_sec;
        return exact.tv_sec;
}
