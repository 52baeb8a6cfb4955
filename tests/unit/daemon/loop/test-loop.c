/* Timers, descriptors and signals in one loop. */
#include "daemon/loop/loop.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

struct scene {
        struct loop *loop;
        struct loop_source *sources[2];
        int fds[2][2];
        int calls;
        int turns;
};

static void quit(void *data)
{
        struct scene *scene = data;
        scene->calls++;
        loop_quit(scene->loop);
}

Test(loop, a_timer_fires_once_or_again_and_again)
{
        struct scene scene = { .loop = loop_new(NULL) };
        struct loop_source *timer = loop_add_timer(scene.loop, quit, &scene, NULL);
        int64_t before = clock_monotonic_ms();
        loop_timer_arm(timer, 50, 10);
        cr_assert_eq(loop_run(scene.loop, NULL), 0);
        cr_assert_geq(clock_monotonic_ms() - before, 49);
        cr_assert_eq(loop_run(scene.loop, NULL), 0);
        cr_assert_eq(scene.calls, 2);
        loop_timer_arm(timer, 0, 0);
        cr_assert_eq(loop_run(scene.loop, NULL), 0);
        loop_source_free(timer);
        loop_free(scene.loop);
}

Test(loop, a_wall_timer_fires_at_a_moment_of_the_past_at_once)
{
        struct scene scene = { .loop = loop_new(NULL) };
        struct loop_source *timer = loop_add_wall_timer(scene.loop, quit, &scene, NULL);
        loop_timer_arm_at(timer, clock_realtime_s() - 10);
        cr_assert_eq(loop_run(scene.loop, NULL), 0);
        cr_assert_eq(scene.calls, 1);
        loop_source_free(timer);
        loop_free(scene.loop);
}

/* Both sources are ready in the same turn; whichever is called first frees both. */
static void free_both(void *data, uint32_t events)
{
        (void)events;
        struct scene *scene = data;
        scene->calls++;
        for (int i = 0; i < 2; i++)
                scene->sources[i] = loop_source_free(scene->sources[i]);
}

static int end_after_some_turns(void *data)
{
        struct scene *scene = data;
        if (scene->turns++ == 3)
                loop_quit(scene->loop);
        return 10;
}

Test(loop, a_source_may_be_freed_from_any_callback)
{
        struct scene scene = { .loop = loop_new(NULL) };
        for (int i = 0; i < 2; i++) {
                cr_assert_eq(pipe2(scene.fds[i], O_CLOEXEC), 0);
                cr_assert_eq(write(scene.fds[i][1], "x", 1), 1);
                scene.sources[i] =
                        loop_add_io(scene.loop, scene.fds[i][0], EPOLLIN, free_both, &scene, NULL);
        }
        loop_set_before_wait(scene.loop, end_after_some_turns, &scene);
        cr_assert_eq(loop_run(scene.loop, NULL), 0);
        cr_assert_eq(scene.calls, 1);
        cr_assert_eq(scene.turns, 4, "the longest wait that was asked for is kept to");
        loop_free(scene.loop);
}

static void on_signal(void *data, int signal)
{
        struct scene *scene = data;
        scene->calls += signal == SIGHUP;
        if (signal == SIGTERM)
                loop_quit(scene->loop);
}

Test(loop, takes_signals)
{
        struct scene scene = { .loop = loop_new(NULL) };
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, NULL);
        struct loop_source *source = loop_add_signals(scene.loop, &set, on_signal, &scene, NULL);
        kill(getpid(), SIGHUP);
        kill(getpid(), SIGTERM);
        cr_assert_eq(loop_run(scene.loop, NULL), 0);
        cr_assert_eq(scene.calls, 1);
        loop_source_free(source);
        loop_free(scene.loop);
}
