/* Implements base/work-thread.h.
 *
 * A request is in one of three places: `queue`, `running`, `completed`; it only moves forward,
 * under the lock. `work` and `done` run without the lock. The last user of the object frees it: the
 * loop after it has joined the thread, or the thread itself when the loop has set `abandoned`.
 * After setting that the loop does not touch the object. */
#include "base/work-thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"

#define FREE_TIMEOUT_MS 1000

struct request {
        void (*work)(void *data);
        void (*done)(void *data);
        void *data;
        struct request *next;
};

struct request_list {
        struct request *first;
        struct request **end;
};

struct work_thread {
        pthread_t thread;
        int event_fd;
        pthread_mutex_t lock;
        pthread_cond_t changed; /* a request was posted or has ended; `ending` was set */
        struct request_list queue;
        struct request *running;
        int64_t running_since_ms;
        struct request_list completed;
        size_t n_pending;
        bool ending;    /* no more requests are posted */
        bool abandoned; /* the loop is gone */
};

static void request_list_init(struct request_list *list)
{
        list->first = NULL;
        list->end = &list->first;
}

static void request_list_append(struct request_list *list, struct request *request)
{
        request->next = NULL;
        *list->end = request;
        list->end = &request->next;
}

static struct request *request_list_take_first(struct request_list *list)
{
        struct request *request = list->first;

        if (request)
                list->first = request->next;
        if (!list->first)
                request_list_init(list);
        return request;
}

/* Frees the requests; their data belongs to whoever posted them. */
static void request_list_done(struct request_list *list)
{
        for (struct request *request; (request = request_list_take_first(list));)
                free(request);
}

static void work_thread_destroy(struct work_thread *thread)
{
        request_list_done(&thread->queue);
        request_list_done(&thread->completed);
        pthread_cond_destroy(&thread->changed);
        pthread_mutex_destroy(&thread->lock);
        closep(&thread->event_fd);
        free(thread);
}

/* The loop reads the counter before it reads the list, so no wake-up is lost. */
static void wake_loop(struct work_thread *thread)
{
        int r = eventfd_write(thread->event_fd, 1);
        assert(r == 0);
        (void)r;
}

/* Enters and returns with the lock held; the work itself runs without it. */
static void request_run(struct work_thread *thread, struct request *request)
{
        thread->running = request;
        thread->running_since_ms = clock_monotonic_ms();
        pthread_mutex_unlock(&thread->lock);
        request->work(request->data);
        pthread_mutex_lock(&thread->lock);
        thread->running = NULL;
        if (thread->abandoned) {
                free(request);
                return;
        }
        request_list_append(&thread->completed, request);
        wake_loop(thread);
        pthread_cond_broadcast(&thread->changed);
}

static void *thread_main(void *argument)
{
        struct work_thread *thread = argument;
        bool abandoned;

        pthread_mutex_lock(&thread->lock);
        while (!thread->abandoned) {
                struct request *request = request_list_take_first(&thread->queue);
                if (request)
                        request_run(thread, request);
                else if (thread->ending)
                        break;
                else
                        pthread_cond_wait(&thread->changed, &thread->lock);
        }
        abandoned = thread->abandoned;
        pthread_mutex_unlock(&thread->lock);
        if (abandoned)
                work_thread_destroy(thread);
        return NULL;
}

/* The daemon reads its signals from a signalfd. A thread that did not block them would receive them
 * instead. */
static int work_thread_start(struct work_thread *thread)
{
        sigset_t all, before;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&thread->thread, NULL, thread_main, thread);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return r;
}

struct work_thread *work_thread_new(struct error **err)
{
        struct work_thread *thread = xcalloc(1, sizeof *thread);
        pthread_condattr_t attributes;
        int r;

        request_list_init(&thread->queue);
        request_list_init(&thread->completed);
        pthread_mutex_init(&thread->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&thread->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        thread->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = thread->event_fd < 0 ? errno : work_thread_start(thread);
        if (r != 0) {
                error_set_errno(err, ERROR_INTERNAL, r, "cannot start a thread");
                work_thread_destroy(thread);
                return NULL;
        }
        return thread;
}

int work_thread_fd(const struct work_thread *thread)
{
        return thread->event_fd;
}

void work_thread_post(struct work_thread *thread, void (*work)(void *data),
                      void (*done)(void *data), void *data)
{
        struct request *request = xcalloc(1, sizeof *request);

        request->work = work;
        request->done = done;
        request->data = data;
        pthread_mutex_lock(&thread->lock);
        request_list_append(&thread->queue, request);
        thread->n_pending++;
        pthread_cond_broadcast(&thread->changed);
        pthread_mutex_unlock(&thread->lock);
}

static struct request *take_completed(struct work_thread *thread)
{
        pthread_mutex_lock(&thread->lock);
        struct request *request = request_list_take_first(&thread->completed);
        if (request)
                thread->n_pending--;
        pthread_mutex_unlock(&thread->lock);
        return request;
}

void work_thread_dispatch(struct work_thread *thread)
{
        eventfd_t count;
        (void)eventfd_read(thread->event_fd, &count);

        for (struct request *request; (request = take_completed(thread));) {
                if (request->done)
                        request->done(request->data);
                free(request);
        }
}

int64_t work_thread_busy_ms(struct work_thread *thread)
{
        pthread_mutex_lock(&thread->lock);
        int64_t busy_ms = thread->running ? clock_monotonic_ms() - thread->running_since_ms : 0;
        pthread_mutex_unlock(&thread->lock);
        return busy_ms;
}

size_t work_thread_pending(struct work_thread *thread)
{
        pthread_mutex_lock(&thread->lock);
        size_t n_pending = thread->n_pending;
        pthread_mutex_unlock(&thread->lock);
        return n_pending;
}

/* Returns whether all posted requests have run by then. */
static bool wait_until_worked(struct work_thread *thread, const struct timespec *until)
{
        int r = 0;

        pthread_mutex_lock(&thread->lock);
        while ((thread->queue.first || thread->running) && r != ETIMEDOUT)
                r = pthread_cond_timedwait(&thread->changed, &thread->lock, until);
        bool worked = !thread->queue.first && !thread->running;
        pthread_mutex_unlock(&thread->lock);
        return worked;
}

static bool work_thread_drain(struct work_thread *thread, int64_t timeout_ms)
{
        int64_t until_ms = clock_monotonic_ms() + timeout_ms;
        struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };
        bool worked;

        do {
                worked = wait_until_worked(thread, &until);
                work_thread_dispatch(thread);
        } while (worked && work_thread_pending(thread) > 0);
        return worked;
}

bool work_thread_stop(struct work_thread *thread, int64_t timeout_ms)
{
        bool drained = work_thread_drain(thread, timeout_ms);
        pthread_t id = thread->thread;

        pthread_mutex_lock(&thread->lock);
        thread->ending = true;
        thread->abandoned = !drained;
        pthread_cond_broadcast(&thread->changed);
        pthread_mutex_unlock(&thread->lock);
        if (!drained) {
                pthread_detach(id);
                return false;
        }
        pthread_join(id, NULL);
        work_thread_destroy(thread);
        return true;
}

struct work_thread *work_thread_free(struct work_thread *thread)
{
        if (thread)
                (void)work_thread_stop(thread, FREE_TIMEOUT_MS);
        return NULL;
}
