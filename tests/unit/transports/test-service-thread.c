/* Blocking calls in a thread that can be left behind. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "transports/service-thread.h"

TestSuite(service_thread, .timeout = 30);

/* Doubles a number, when `gate` (if there is one) has let it. */
struct doubling {
        struct service_call call;
        int number;
        int result;
        sem_t *gate;
        atomic_int *n_freed;
};

static void doubling_run(struct service_call *call, void *context)
{
        struct doubling *doubling = (struct doubling *)call;
        if (doubling->gate)
                while (sem_wait(doubling->gate) < 0)
                        ;
        doubling->result = doubling->number * 2;
        if (context)
                atomic_fetch_add((atomic_int *)context, 1);
}

static void doubling_free(struct service_call *call)
{
        struct doubling *doubling = (struct doubling *)call;
        atomic_fetch_add(doubling->n_freed, 1);
        free(doubling);
}

static struct doubling *doubling_new(int number, sem_t *gate, atomic_int *n_freed)
{
        struct doubling *doubling = xcalloc(1, sizeof *doubling);
        service_call_init(&doubling->call, doubling_run, doubling_free);
        doubling->number = number;
        doubling->gate = gate;
        doubling->n_freed = n_freed;
        return doubling;
}

static atomic_int n_contexts_freed;

static void context_free(void *context _unused_)
{
        atomic_fetch_add(&n_contexts_freed, 1);
}

static void wait_until(atomic_int *value, int wanted)
{
        struct deadline deadline = deadline_in_ms(10000);
        while (atomic_load(value) != wanted && !deadline_passed(deadline))
                usleep(1000);
        cr_assert_eq(atomic_load(value), wanted);
}

Test(service_thread, makes_one_call_after_the_other)
{
        atomic_int n_run = 0, n_freed = 0;
        atomic_store(&n_contexts_freed, 0);
        struct service_thread *service = service_thread_new(&n_run, context_free, NULL);
        for (int i = 0; i < 200; i++) {
                struct doubling *doubling = doubling_new(i, NULL, &n_freed);
                cr_assert(service_thread_run(service, &doubling->call, 10000));
                cr_assert_eq(doubling->result, 2 * i);
                service_call_unref(&doubling->call);
        }
        service_thread_free(service);
        cr_assert_eq(atomic_load(&n_run), 200);
        cr_assert_eq(atomic_load(&n_freed), 200);
        cr_assert_eq(atomic_load(&n_contexts_freed), 1);
}

Test(service_thread, leaves_a_late_call_behind_with_all_it_may_touch)
{
        atomic_int n_run = 0, n_freed = 0;
        atomic_store(&n_contexts_freed, 0);
        sem_t gate;
        sem_init(&gate, 0, 0);
        struct service_thread *service = service_thread_new(&n_run, context_free, NULL);
        struct doubling *doubling = doubling_new(1, &gate, &n_freed);
        int64_t since = clock_monotonic_ms();
        cr_assert_not(service_thread_run(service, &doubling->call, 100));
        cr_assert_eq(service_threads_left_behind(), 1);
        service_call_unref(&doubling->call);
        struct doubling *next = doubling_new(2, NULL, &n_freed);
        cr_assert_not(service_thread_run(service, &next->call, 10000),
                      "a lost service takes no calls");
        service_call_unref(&next->call);
        service_thread_free(service);
        cr_assert_lt(clock_monotonic_ms() - since, 3000, "nothing of this may block");
        cr_assert_eq(atomic_load(&n_freed), 1);
        cr_assert_eq(atomic_load(&n_contexts_freed), 0);

        sem_post(&gate); /* the call comes back after all */
        wait_until(&n_freed, 2);
        wait_until(&n_contexts_freed, 1);
        cr_assert_eq(atomic_load(&n_run), 1);
        struct deadline deadline = deadline_in_ms(10000);
        while (service_threads_left_behind() && !deadline_passed(deadline))
                usleep(1000);
        cr_assert_eq(service_threads_left_behind(), 0);
        usleep(20000); /* lets the detached thread come to its very end before the leak check */
        sem_destroy(&gate);
}

Test(service_thread, a_late_call_that_comes_back_meanwhile_ends_in_order)
{
        atomic_int n_freed = 0;
        atomic_store(&n_contexts_freed, 0);
        sem_t gate;
        sem_init(&gate, 0, 0);
        struct service_thread *service = service_thread_new(NULL, context_free, NULL);
        struct doubling *doubling = doubling_new(1, &gate, &n_freed);
        cr_assert_not(service_thread_run(service, &doubling->call, 50));
        sem_post(&gate);
        service_thread_free(service);
        cr_assert_eq(atomic_load(&n_contexts_freed), 1);
        service_call_unref(&doubling->call);
        cr_assert_eq(atomic_load(&n_freed), 1);
        sem_destroy(&gate);
}

static void read_mask(struct service_call *call, void *context _unused_)
{
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, NULL, &mask);
        ((struct doubling *)call)->result = sigismember(&mask, SIGTERM) &&
                                            sigismember(&mask, SIGPIPE) &&
                                            sigismember(&mask, SIGCHLD);
}

Test(service_thread, takes_no_signals)
{
        atomic_int n_freed = 0;
        struct service_thread *service = service_thread_new(NULL, NULL, NULL);
        struct doubling *doubling = doubling_new(0, NULL, &n_freed);
        doubling->call.run = read_mask;
        cr_assert(service_thread_run(service, &doubling->call, 10000));
        cr_assert_eq(doubling->result, 1);
        service_call_unref(&doubling->call);
        service_thread_free(service);
}
