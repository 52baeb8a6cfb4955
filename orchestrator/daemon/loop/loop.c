/* Implements daemon/loop/loop.h: level-triggered epoll. A source that is freed during a turn is
 * kept in a graveyard until the end of the turn, since an event that points to it may still be in
 * the array that epoll_wait() filled. */
#include "daemon/loop/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/memory.h"

enum { EVENTS_PER_TURN = 32 };

struct loop {
        int epoll_fd;
        bool quit;
        bool in_turn;
        struct loop_source *graveyard;
        int (*before_wait)(void *data);
        void *before_wait_data;
};

struct loop_source {
        struct loop *loop;
        int fd;
        bool owns_fd;
        bool dead;
        loop_io_function *on_io;
        loop_timer_function *on_timer;
        loop_signal_function *on_signal;
        void *data;
        struct loop_source *next_dead;
};

struct loop *loop_new(struct error **err)
{
        struct loop *loop = xcalloc(1, sizeof *loop);
        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll_fd < 0) {
                error_set_errno(err, ERROR_INTERNAL, errno, "cannot make an epoll instance");
                return loop_free(loop);
        }
        return loop;
}

static void bury_source(struct loop *loop)
{
        while (loop->graveyard) {
                struct loop_source *source = loop->graveyard;
                loop->graveyard = source->next_dead;
                free(source);
        }
}

struct loop *loop_free(struct loop *loop)
{
        if (!loop)
                return NULL;
        bury_source(loop);
        closep(&loop->epoll_fd);
        free(loop);
        return NULL;
}

static struct loop_source *add_loop_source(struct loop *loop, int fd, uint32_t events,
                                           struct error **err)
{
        struct loop_source *source = xcalloc(1, sizeof *source);
        source->loop = loop;
        source->fd = fd;
        struct epoll_event event = { .events = events, .data.ptr = source };
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                error_set_errno(err, ERROR_INTERNAL, errno, "cannot watch a descriptor");
                free(source);
                return NULL;
        }
        return source;
}

struct loop_source *loop_add_io(struct loop *loop, int fd, uint32_t events,
                                loop_io_function *function, void *data, struct error **err)
{
        struct loop_source *source = add_loop_source(loop, fd, events, err);
        if (!source)
                return NULL;
        source->on_io = function;
        source->data = data;
        return source;
}

void loop_source_set_events(struct loop_source *source, uint32_t events)
{
        struct epoll_event event = { .events = events, .data.ptr = source };
        (void)epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
}

/* The source owns the descriptor, which is closed on failure; a negative one fails with errno. */
static struct loop_source *add_own(struct loop *loop, int own_fd, const char *problem, void *data,
                                   struct error **err)
{
        _cleanup_close_ int fd = own_fd;
        if (fd < 0) {
                error_set_errno(err, ERROR_INTERNAL, errno, "%s", problem);
                return NULL;
        }
        struct loop_source *source = add_loop_source(loop, fd, EPOLLIN, err);
        if (!source)
                return NULL;
        (void)TAKE_FD(fd);
        source->owns_fd = true;
        source->data = data;
        return source;
}

static struct loop_source *add_timer(struct loop *loop, clockid_t clock,
                                     loop_timer_function *function, void *data, struct error **err)
{
        struct loop_source *source =
                add_own(loop, timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK),
                        "cannot make a timer", data, err);
        if (source)
                source->on_timer = function;
        return source;
}

struct loop_source *loop_add_timer(struct loop *loop, loop_timer_function *function, void *data,
                                   struct error **err)
{
        return add_timer(loop, CLOCK_MONOTONIC, function, data, err);
}

struct loop_source *loop_add_wall_timer(struct loop *loop, loop_timer_function *function,
                                        void *data, struct error **err)
{
        return add_timer(loop, CLOCK_REALTIME, function, data, err);
}

static struct timespec to_timespec(int64_t ms)
{
        return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

void loop_timer_arm(struct loop_source *timer, int64_t in_ms, int64_t period_ms)
{
        struct itimerspec spec = { .it_value = to_timespec(in_ms > 0 ? in_ms : 0),
                                   .it_interval = to_timespec(period_ms) };
        if (in_ms <= 0)
                spec.it_value.tv_nsec = 1; /* all zeros would disarm */
        (void)timerfd_settime(timer->fd, 0, &spec, NULL);
}

void loop_timer_arm_at(struct loop_source *timer, int64_t epoch_seconds)
{
        struct itimerspec spec = { .it_value = { .tv_sec =
                                                         epoch_seconds > 0 ? epoch_seconds : 1 } };
        (void)timerfd_settime(timer->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, NULL);
}

void loop_timer_disarm(struct loop_source *timer)
{
        struct itimerspec spec = { 0 };
        (void)timerfd_settime(timer->fd, 0, &spec, NULL);
}

struct loop_source *loop_add_signals(struct loop *loop, const sigset_t *signals,
                                     loop_signal_function *function, void *data, struct error **err)
{
        struct loop_source *source =
                add_own(loop, signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK),
                        "cannot take signals", data, err);
        if (source)
                source->on_signal = function;
        return source;
}

struct loop_source *loop_source_free(struct loop_source *source)
{
        if (!source)
                return NULL;
        (void)epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
        if (source->owns_fd)
                closep(&source->fd);
        source->dead = true;
        if (source->loop->in_turn) {
                source->next_dead = source->loop->graveyard;
                source->loop->graveyard = source;
        } else {
                free(source);
        }
        return NULL;
}

void loop_set_before_wait(struct loop *loop, int (*before_wait)(void *data), void *data)
{
        loop->before_wait = before_wait;
        loop->before_wait_data = data;
}

static void dispatch_timer(struct loop_source *source)
{
        uint64_t expirations;
        ssize_t n = read(source->fd, &expirations, sizeof expirations);
        /* ECANCELED: the wall clock was set; the owner of the timer checks its time again. */
        if (n == (ssize_t)sizeof expirations || (n < 0 && errno == ECANCELED))
                source->on_timer(source->data);
}

static void dispatch_signals(struct loop_source *source)
{
        struct signalfd_siginfo info;
        while (!source->dead && read(source->fd, &info, sizeof info) == (ssize_t)sizeof info)
                source->on_signal(source->data, (int)info.ssi_signo);
}

static void dispatch_event(struct loop_source *source, uint32_t events)
{
        if (source->dead)
                return;
        if (source->on_io)
                source->on_io(source->data, events);
        else if (source->on_timer)
                dispatch_timer(source);
        else
                dispatch_signals(source);
}

int loop_run(struct loop *loop, struct error **err)
{
        loop->quit = false;
        while (!loop->quit) {
                int timeout = loop->before_wait ? loop->before_wait(loop->before_wait_data) : -1;
                if (loop->quit)
                        break;
                struct epoll_event events[EVENTS_PER_TURN];
                int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, timeout);
                if (n < 0 && errno != EINTR)
                        return error_set_errno(err, ERROR_INTERNAL, errno,
                                               "cannot wait for events");
                loop->in_turn = true;
                for (int i = 0; i < n; i++)
                        dispatch_event(events[i].data.ptr, events[i].events);
                loop->in_turn = false;
                bury_source(loop);
        }
        return 0;
}

void loop_quit(struct loop *loop)
{
        loop->quit = true;
}
