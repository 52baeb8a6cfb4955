/* Work on another thread, its completions here, and threads that hang. */
#include "base/work-thread.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

static void wait_readable(int fd)
{
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
        cr_assert_eq(poll(&poll_fd, 1, 10000), 1);
}

static struct work_thread *start(void)
{
        _cleanup_error_ struct error *error = NULL;
        struct work_thread *thread = work_thread_new(&error);
        cr_assert(thread, "%s", error_message(error));
        return thread;
}

static void dispatch_until_idle(struct work_thread *thread)
{
        while (work_thread_pending(thread) > 0) {
                wait_readable(work_thread_fd(thread));
                work_thread_dispatch(thread);
        }
}

struct counted {
        int *counter; /* the thread's alone */
        int number;
        pthread_t worked_in;
        pthread_t done_in;
        int *n_done;
};

static void count(void *data)
{
        struct counted *counted = data;
        counted->number = (*counted->counter)++;
        counted->worked_in = pthread_self();
}

static void note_done(void *data)
{
        struct counted *counted = data;
        cr_assert_eq(counted->number, *counted->n_done,
                     "completions come in the order of the posts");
        (*counted->n_done)++;
        counted->done_in = pthread_self();
}

Test(work_thread, works_there_completes_here_in_order)
{
        struct work_thread *thread = start();
        struct counted requests[500];
        int counter = 0, n_done = 0;

        for (size_t i = 0; i < ARRAY_LENGTH(requests); i++) {
                requests[i] = (struct counted){ .counter = &counter, .n_done = &n_done };
                work_thread_post(thread, count, note_done, &requests[i]);
                if (i % 50 == 0)
                        work_thread_dispatch(thread);
        }
        dispatch_until_idle(thread);
        cr_assert_eq(n_done, ARRAY_LENGTH(requests));
        for (size_t i = 0; i < ARRAY_LENGTH(requests); i++) {
                cr_assert_eq(requests[i].number, i);
                cr_assert(!pthread_equal(requests[i].worked_in, pthread_self()));
                cr_assert(pthread_equal(requests[i].done_in, pthread_self()));
        }
        cr_assert(work_thread_stop(thread, 10000));
}

Test(work_thread, its_descriptor_sleeps_while_nothing_is_complete)
{
        struct work_thread *thread = start();
        struct pollfd poll_fd = { .fd = work_thread_fd(thread), .events = POLLIN };
        int counter = 0;
        struct counted request = { .counter = &counter };

        cr_assert_eq(poll(&poll_fd, 1, 0), 0);
        work_thread_post(thread, count, NULL, &request);
        dispatch_until_idle(thread);
        cr_assert_eq(poll(&poll_fd, 1, 50), 0);
        cr_assert_eq(work_thread_busy_ms(thread), 0);
        work_thread_free(thread);
}

struct chain {
        struct work_thread *thread;
        int left;
};

static void do_nothing(void *data)
{
        (void)data;
}

static void post_next(void *data)
{
        struct chain *chain = data;
        if (--chain->left > 0)
                work_thread_post(chain->thread, do_nothing, post_next, chain);
}

Test(work_thread, a_stop_waits_for_what_completions_post)
{
        struct chain chain = { .thread = start(), .left = 20 };

        work_thread_post(chain.thread, do_nothing, post_next, &chain);
        cr_assert(work_thread_stop(chain.thread, 10000));
        cr_assert_eq(chain.left, 0);
}

static void sleep_ms(long ms)
{
        struct timespec pause = { .tv_nsec = ms * 1000000L };
        nanosleep(&pause, NULL);
}

struct slow {
        atomic_bool seen;
        atomic_int n_worked;
};

static void sleep_until_seen(void *data)
{
        struct slow *slow = data;
        while (!atomic_load(&slow->seen))
                sleep_ms(1);
        sleep_ms(50);
        atomic_fetch_add(&slow->n_worked, 1);
}

Test(work_thread, a_slow_work_is_seen_and_waited_for)
{
        struct work_thread *thread = start();
        struct slow slow = { 0 };
        struct deadline deadline = deadline_in_ms(30000);

        work_thread_post(thread, sleep_until_seen, NULL, &slow);
        work_thread_post(thread, sleep_until_seen, NULL, &slow);
        while (work_thread_busy_ms(thread) < 30 && !deadline_passed(deadline))
                sleep_ms(1);
        int64_t busy_ms = work_thread_busy_ms(thread);
        cr_assert(busy_ms >= 30 && busy_ms < 60000, "%lld", (long long)busy_ms);
        cr_assert_eq(work_thread_pending(thread), 2);
        atomic_store(&slow.seen, true);
        work_thread_free(thread);
        cr_assert_eq(slow.n_worked, 2);
}

/* Stands for a call that no deadline ends: it reads from a pipe until the test lets it go. */
struct hanging {
        int hang_fd;   /* the work reads here */
        int return_fd; /* and tells here that it came back */
        int n_done;
};

static void hang(void *data)
{
        struct hanging *hanging = data;
        char byte;
        cr_assert_eq(read(hanging->hang_fd, &byte, 1), 1);
        cr_assert_eq(write(hanging->return_fd, &byte, 1), 1);
}

static void count_done(void *data)
{
        struct hanging *hanging = data;
        hanging->n_done++;
}

static void must_not_run(void *data)
{
        (void)data;
        abort();
}

Test(work_thread, a_thread_that_hangs_is_left_behind)
{
        struct work_thread *thread = start();
        int hang_fds[2], return_fds[2];
        char byte = 'x';

        cr_assert_eq(pipe(hang_fds), 0);
        cr_assert_eq(pipe(return_fds), 0);
        struct hanging hanging = { .hang_fd = hang_fds[0], .return_fd = return_fds[1] };
        work_thread_post(thread, do_nothing, count_done, &hanging);
        work_thread_post(thread, hang, count_done, &hanging);
        work_thread_post(thread, must_not_run, count_done, &hanging);
        wait_readable(work_thread_fd(thread)); /* the first one has ended */

        int64_t before = clock_monotonic_ms();
        cr_assert_not(work_thread_stop(thread, 200));
        int64_t took_ms = clock_monotonic_ms() - before;
        cr_assert(took_ms >= 190 && took_ms < 5000, "it took %lld ms", (long long)took_ms);
        cr_assert_eq(hanging.n_done, 1, "only what had ended is completed");

        /* The server is back: the thread ends by itself, without the request behind. */
        cr_assert_eq(write(hang_fds[1], &byte, 1), 1);
        wait_readable(return_fds[0]);
        sleep_ms(50);
        cr_assert_eq(hanging.n_done, 1);
}

static void check_mask(void *data)
{
        (void)data;
        sigset_t blocked;
        cr_assert_eq(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
        cr_assert(sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGCHLD) &&
                  sigismember(&blocked, SIGHUP));
}

Test(work_thread, takes_no_signals)
{
        struct work_thread *thread = start();
        sigset_t blocked;

        work_thread_post(thread, check_mask, NULL, NULL);
        cr_assert(work_thread_stop(thread, 10000));
        cr_assert_eq(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
        cr_assert_not(sigismember(&blocked, SIGTERM), "the maker's own mask is as it was");
}
