/* Implements transports/service-thread.h.
 *
 * The lock guards every field but `context`, which belongs to the thread. `pending` is the current
 * call; the thread clears it when the call has returned. The service and each call are
 * reference-counted: user and thread hold one reference each and do not use an object after they
 * have released it, so either may be the last. */
#include "transports/service-thread.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"

enum { ORDERLY_END_MS = 1000, LOST_END_MS = 200 };

static atomic_uint n_left_behind;

struct service_thread {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        pthread_t thread;
        atomic_uint references;
        struct service_call *pending;
        bool lost;
        bool closing;
        bool ended;
        void *context;
        void (*context_free)(void *context);
};

void service_call_init(struct service_call *call, void (*run)(struct service_call *, void *),
                       void (*free_function)(struct service_call *))
{
        call->run = run;
        call->free = free_function;
        atomic_init(&call->references, 1);
}

void service_call_unref(struct service_call *call)
{
        if (call && atomic_fetch_sub(&call->references, 1) == 1)
                call->free(call);
}

static void service_thread_unref(struct service_thread *service)
{
        if (atomic_fetch_sub(&service->references, 1) != 1)
                return;
        pthread_cond_destroy(&service->changed);
        pthread_mutex_destroy(&service->lock);
        free(service);
}

static void make_calls(struct service_thread *service)
{
        pthread_mutex_lock(&service->lock);
        for (;;) {
                struct service_call *call = service->pending;
                if (call) {
                        pthread_mutex_unlock(&service->lock);
                        call->run(call, service->context);
                        pthread_mutex_lock(&service->lock);
                        service->pending = NULL;
                        pthread_cond_broadcast(&service->changed);
                        pthread_mutex_unlock(&service->lock);
                        service_call_unref(call);
                        pthread_mutex_lock(&service->lock);
                } else if (service->closing) {
                        break;
                } else {
                        pthread_cond_wait(&service->changed, &service->lock);
                }
        }
        pthread_mutex_unlock(&service->lock);
}

static void *service_main(void *argument)
{
        struct service_thread *service = argument;
        make_calls(service);
        if (service->context_free)
                service->context_free(service->context);
        pthread_mutex_lock(&service->lock);
        service->ended = true;
        if (service->lost)
                atomic_fetch_sub(&n_left_behind, 1);
        pthread_cond_broadcast(&service->changed);
        pthread_mutex_unlock(&service->lock);
        service_thread_unref(service);
        return NULL;
}

/* Blocks all signals in the new thread: the process's first thread handles them. */
static int start_with_signals_blocked(pthread_t *ret, void *(*main_function)(void *),
                                      void *argument)
{
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(ret, NULL, main_function, argument);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return r;
}

struct service_thread *service_thread_new(void *context, void (*context_free)(void *context),
                                          struct error **err)
{
        struct service_thread *service = xcalloc(1, sizeof *service);
        service->context = context;
        service->context_free = context_free;
        pthread_mutex_init(&service->lock, NULL);
        pthread_condattr_t attributes;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&service->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        atomic_init(&service->references, 2);
        int r = start_with_signals_blocked(&service->thread, service_main, service);
        if (r != 0) {
                atomic_store(&service->references, 1);
                service_thread_unref(service);
                if (context_free)
                        context_free(context);
                error_set_errno(err, ERROR_INTERNAL, r, "cannot start a thread");
                return NULL;
        }
        return service;
}

/* Waits, with the lock held, until the thread signals a change. False: the deadline has passed. */
static bool wait_for_change(struct service_thread *service, struct deadline deadline)
{
        struct timespec until = { .tv_sec = deadline.at_ms / 1000,
                                  .tv_nsec = deadline.at_ms % 1000 * 1000000 };
        return pthread_cond_timedwait(&service->changed, &service->lock, &until) == 0 ||
               !deadline_passed(deadline);
}

bool service_thread_run(struct service_thread *service, struct service_call *call,
                        int64_t timeout_ms)
{
        struct deadline deadline = deadline_in_ms(timeout_ms);
        pthread_mutex_lock(&service->lock);
        if (!service->lost) {
                atomic_fetch_add(&call->references, 1);
                service->pending = call;
                pthread_cond_broadcast(&service->changed);
                while (service->pending && wait_for_change(service, deadline))
                        ;
                service->lost = service->pending != NULL;
                if (service->lost)
                        atomic_fetch_add(&n_left_behind, 1);
        }
        bool in_time = !service->lost;
        pthread_mutex_unlock(&service->lock);
        return in_time;
}

unsigned service_threads_left_behind(void)
{
        return atomic_load(&n_left_behind);
}

struct service_thread *service_thread_free(struct service_thread *service)
{
        if (!service)
                return NULL;
        struct deadline deadline = deadline_in_ms(service->lost ? LOST_END_MS : ORDERLY_END_MS);
        pthread_t thread = service->thread;
        pthread_mutex_lock(&service->lock);
        service->closing = true;
        pthread_cond_broadcast(&service->changed);
        while (!service->ended && wait_for_change(service, deadline))
                ;
        bool ended = service->ended;
        pthread_mutex_unlock(&service->lock);
        if (ended)
                pthread_join(thread, NULL);
        else
                pthread_detach(thread);
        service_thread_unref(service);
        return NULL;
}
