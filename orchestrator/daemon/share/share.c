/* The loop's side of daemon/share/share.h. Requests are posted and completed in order;
 * `outstanding` holds them. A request may complete long after its caller timed out. `state` is the
 * result of the last open or probe. Independently of it, the share counts as hung while the request
 * at the head of the queue has been running for longer than a caller would wait; time spent queued
 * does not count. */
#include "daemon/share/share.h"

#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "base/work-thread.h"
#include "daemon/share/share-internal.h"

enum {
        RETRY_MS = 30000,
        REFRESH_MS = 60000,
        ANSWER_MS = 20000,
        CHECK_MS = 500,
        OPENING_ANSWERS = 10
};

struct share_waiter {
        share_answer_function *answer;
        void *data;
        int64_t deadline_ms;
        struct share_waiter *next;
};

static void open_it(struct share *share);

struct share_request *share_request_free(struct share_request *request)
{
        strv_free(request->names);
        free(request->vm);
        free(request->text);
        free(request->uuid);
        free(request->reason);
        error_free(request->error);
        catalog_entry_done(&request->entry);
        catalog_list_done(&request->rows);
        for (size_t i = 0; i < request->n_pins; i++) {
                free(request->pins[i].vm);
                free(request->pins[i].uuid);
                free(request->pins[i].hypervisor);
        }
        free(request->pins);
        free(request);
        return NULL;
}

void share_request_append(struct share_request **list, struct share_request *request)
{
        request->next = NULL;
        while (*list)
                list = &(*list)->next;
        *list = request;
}

static void unlink_request(struct share_request **list, struct share_request *request)
{
        while (*list && *list != request)
                list = &(*list)->next;
        if (*list)
                *list = request->next;
}

struct share_request *share_request_new(struct share *share, const char *what,
                                        int (*work)(struct share_side *, struct share_request *,
                                                    struct error **))
{
        struct share_request *request = xcalloc(1, sizeof *request);
        request->share = share;
        request->what = what;
        request->work = work;
        return request;
}

/* An opening starts with probes of the share that have their own deadlines; then it reads all of
 * the repository. */
static int64_t patience_ms(const struct share *share)
{
        return share->timing.answer_ms *
               (share->outstanding->work == share_work_open ? OPENING_ANSWERS : 1);
}

/* How long the request at the head of the queue has been running, when that is too long; else 0. */
static int64_t hangs_for_ms(const struct share *share)
{
        if (!share->outstanding)
                return 0;
        int64_t posted_ms = share->outstanding->posted_ms;
        int64_t begun_ms = posted_ms > share->completed_ms ? posted_ms : share->completed_ms;
        int64_t out = clock_monotonic_ms() - begun_ms;
        return out >= patience_ms(share) ? out : 0;
}

static void answer_caller(struct share_request *request, const struct error *error,
                          const char *text)
{
        share_answer_function *answer = request->answer;
        request->answer = NULL;
        if (answer)
                answer(request->answer_data, error, text);
}

/* On the catalog thread. */
static void run_share_request(void *data)
{
        struct share_request *request = data;
        if (request->work(&request->share->side, request, &request->error) < 0 && !request->error)
                error_set(&request->error, ERROR_INTERNAL, "%s failed", request->what);
}

/* In the loop. */
static void request_completed(void *data)
{
        struct share_request *request = data;
        struct share *share = request->share;
        unlink_request(&share->outstanding, request);
        share->completed_ms = clock_monotonic_ms();
        if (request->completed)
                request->completed(share, request);
        answer_caller(request, request->error, request->error ? NULL : request->text);
        share_request_free(request);
}

/* A running timer is not armed again, since callers that come one after the other would postpone it
 * without end. */
static void watch_deadlines(struct share *share)
{
        if (!share->checking)
                loop_timer_arm(share->check_timer, CHECK_MS, CHECK_MS);
        share->checking = true;
}

void share_request_post(struct share *share, struct share_request *request)
{
        request->posted_ms = clock_monotonic_ms();
        request->deadline_ms = request->posted_ms + share->timing.answer_ms;
        share_request_append(&share->outstanding, request);
        watch_deadlines(share);
        work_thread_post(share->thread, run_share_request, request_completed, request);
}

static void answer_waiters(struct share *share, const struct error *error)
{
        struct share_waiter *waiters = TAKE_PTR(share->waiters);
        while (waiters) {
                struct share_waiter *waiter = waiters;
                waiters = waiter->next;
                waiter->answer(waiter->data, error, NULL);
                free(waiter);
        }
}

void share_became_unavailable(struct share *share, const struct error *error, bool stale)
{
        if (share->state != SHARE_UNAVAILABLE || !streq(share->error->message, error->message))
                log_error("the repository is not available: %s", error->message);
        error_free(share->error);
        share->error = error_copy(error);
        share->state = SHARE_UNAVAILABLE;
        share->stale |= stale;
        loop_timer_arm(share->look_timer, share->timing.retry_ms, 0);
}

static void remember_space(struct share *share, const struct share_request *request)
{
        if (request->full && !share->full)
                log_error("the repository %s is full: nothing can be backed up before space is "
                          "freed (`orch prune`)",
                          share->side.path);
        share->full = request->full;
        share->free_bytes = request->free_bytes;
        share->total_bytes = request->total_bytes;
}

static void record_kept(struct share *share)
{
        struct share_request *kept = share->full ? NULL : TAKE_PTR(share->kept);
        if (!kept)
                return;
        share->n_kept = 0;
        while (kept) {
                struct share_request *request = kept;
                kept = request->next;
                share_request_post(share, request);
        }
}

static void open_completed(struct share *share, struct share_request *request)
{
        share->opening = false;
        if (request->error) {
                share_became_unavailable(share, request->error, true);
                answer_waiters(share, share->error);
                return;
        }
        if (share->state != SHARE_OK)
                log_info("the repository %s is open", share->side.path);
        share->state = SHARE_OK;
        share->stale = false;
        share->error = error_free(share->error);
        xstrdup_replace(&share->uuid, request->uuid);
        remember_space(share, request);
        for (size_t i = 0; i < request->n_pins; i++)
                share->handlers.pin(share->handlers.data, request->pins[i].vm,
                                    request->pins[i].uuid, request->pins[i].hypervisor);
        share_add_unrecorded(share, &request->rows);
        share->handlers.opened(share->handlers.data, &request->rows);
        record_kept(share);
        loop_timer_arm(share->look_timer, share->timing.refresh_ms, 0);
        answer_waiters(share, NULL);
}

static void open_it(struct share *share)
{
        if (share->opening || share->stopping)
                return;
        share->opening = true;
        struct share_request *request =
                share_request_new(share, "opening the repository", share_work_open);
        request->completed = open_completed;
        request->flag = share->stale;
        request->names = share->handlers.pin_names(share->handlers.data);
        share_request_post(share, request);
}

static void refresh_completed(struct share *share, struct share_request *request)
{
        if (!request->error) {
                remember_space(share, request);
                record_kept(share);
                loop_timer_arm(share->look_timer, share->timing.refresh_ms, 0);
                return;
        }
        /* After a timeout what is open stays usable; after any other error it is closed. */
        share_became_unavailable(share, request->error, request->error->kind != ERROR_TIMEOUT);
}

static void on_look_timer(void *data)
{
        struct share *share = data;
        if (share->stopping || share->opening)
                return;
        if (share->state != SHARE_OK) {
                open_it(share);
                return;
        }
        struct share_request *request =
                share_request_new(share, "probing the repository", share_work_refresh);
        request->completed = refresh_completed;
        share_request_post(share, request);
}

static struct error *takes_too_long(const struct share *share, const char *what)
{
        struct error *error = NULL;
        error_set(&error, ERROR_TIMEOUT,
                  "the repository %s did not answer within %.0f s (%s); is the server of the share "
                  "reachable?",
                  share->side.path, (double)share->timing.answer_ms / 1000.0, what);
        return error;
}

static void answer_late_waiters(struct share *share, int64_t now)
{
        for (struct share_waiter **link = &share->waiters; *link;) {
                struct share_waiter *waiter = *link;
                if (now < waiter->deadline_ms) {
                        link = &waiter->next;
                        continue;
                }
                *link = waiter->next;
                _cleanup_error_ struct error *error = takes_too_long(share, "opening it");
                waiter->answer(waiter->data, error, NULL);
                free(waiter);
                link = &share->waiters; /* the answer may have made new requests */
        }
}

static void finish_stop(struct share *share)
{
        void (*stopped)(void *data) = share->stopped;
        share->stopped = NULL;
        if (stopped)
                stopped(share->stopped_data);
}

static void on_check(void *data)
{
        struct share *share = data;
        int64_t now = clock_monotonic_ms();
        for (struct share_request *request = share->outstanding; request; request = request->next) {
                if (!request->answer || now < request->deadline_ms)
                        continue;
                _cleanup_error_ struct error *error = takes_too_long(share, request->what);
                answer_caller(request, error, NULL);
        }
        answer_late_waiters(share, now);
        if (share->stopped && now >= share->stop_deadline_ms) {
                log_warning("the repository hangs; the daemon ends without having closed it");
                finish_stop(share);
                return;
        }
        if (share->outstanding || share->waiters)
                return;
        loop_timer_disarm(share->check_timer);
        share->checking = false;
}

static void on_completions(void *data, uint32_t events)
{
        (void)events;
        struct share *share = data;
        work_thread_dispatch(share->thread);
}

struct share *share_new(struct loop *loop, const struct settings *settings,
                        const struct share_timing *timing, const struct share_handlers *handlers,
                        struct error **err)
{
        _cleanup_(share_freep) struct share *share = xcalloc(1, sizeof *share);
        share->loop = loop;
        share->timing = (struct share_timing){
                .retry_ms = timing->retry_ms ? timing->retry_ms : RETRY_MS,
                .refresh_ms = timing->refresh_ms ? timing->refresh_ms : REFRESH_MS,
                .answer_ms = timing->answer_ms ? timing->answer_ms : ANSWER_MS,
        };
        share->handlers = *handlers;
        share->side.path = xstrdup(settings->repository_path);
        share->side.fstype = settings->repository_fstype;
        if (!(share->look_timer = loop_add_timer(loop, on_look_timer, share, err)) ||
            !(share->check_timer = loop_add_timer(loop, on_check, share, err)))
                return NULL;
        if (!(share->thread = work_thread_new(err)) ||
            !(share->completions = loop_add_io(loop, work_thread_fd(share->thread), EPOLLIN,
                                               on_completions, share, err)))
                return NULL;
        return TAKE_PTR(share);
}

void share_start(struct share *share)
{
        open_it(share);
}

static void close_completed(struct share *share, struct share_request *request)
{
        (void)request;
        finish_stop(share);
}

void share_stop(struct share *share, int64_t timeout_ms, void (*done)(void *data), void *data)
{
        share->stopping = true;
        share->stopped = done;
        share->stopped_data = data;
        share->stop_deadline_ms = clock_monotonic_ms() + timeout_ms;
        _cleanup_error_ struct error *error = NULL;
        error_set(&error, ERROR_CANCELLED, "the daemon is stopping");
        answer_waiters(share, error);
        for (struct share_request *request = share->outstanding; request; request = request->next)
                answer_caller(request, error, NULL);
        struct share_request *request =
                share_request_new(share, "closing the repository", share_work_close);
        request->completed = close_completed;
        share_request_post(share, request);
}

void share_view_done(struct share_view *view)
{
        free(view->error);
        view->error = NULL;
}

struct share_view share_look(const struct share *share)
{
        struct share_view view = {
                .state = share->state,
                .path = share->side.path,
                .uuid = share->uuid,
                .free_bytes = share->free_bytes,
                .total_bytes = share->total_bytes,
                .full = share->full,
        };
        int64_t hangs = hangs_for_ms(share);
        if (hangs) {
                view.state = SHARE_UNAVAILABLE;
                view.error = xasprintf("the repository %s does not answer (%s, for %.0f s); is the "
                                       "server of the share reachable?",
                                       view.path, share->outstanding->what, (double)hangs / 1000.0);
        } else if (share->error) {
                view.error = xstrdup(share->error->message);
        }
        return view;
}

const char *share_state_name(enum share_state state)
{
        static const char *const names[] = { "opening", "ok", "unavailable" };
        return names[state];
}

const char *share_uuid(const struct share *share)
{
        return share->uuid;
}

void share_check(struct share *share, share_answer_function *answer, void *data)
{
        if (share->state != SHARE_OK || share->stopping || hangs_for_ms(share)) {
                answer(data, share->error, NULL);
                return;
        }
        struct share_request *request =
                share_request_new(share, "probing the repository", share_work_refresh);
        request->completed = refresh_completed;
        request->answer = answer;
        request->answer_data = data;
        share_request_post(share, request);
}

void share_when_ready(struct share *share, share_answer_function *answer, void *data)
{
        if (share->state == SHARE_OK && !hangs_for_ms(share)) {
                answer(data, NULL, NULL);
                return;
        }
        struct share_waiter *waiter = xcalloc(1, sizeof *waiter);
        waiter->answer = answer;
        waiter->data = data;
        waiter->deadline_ms = clock_monotonic_ms() + share->timing.answer_ms;
        waiter->next = share->waiters;
        share->waiters = waiter;
        watch_deadlines(share);
        open_it(share);
}

struct share *share_free(struct share *share)
{
        if (!share)
                return NULL;
        loop_source_free(share->look_timer);
        loop_source_free(share->check_timer);
        loop_source_free(share->completions);
        /* A request that hangs was given its time in share_stop(). */
        bool left_behind =
                share->thread && !work_thread_stop(share->thread, share->outstanding ? 0 : 1000);
        while (share->kept) {
                struct share_request *request = share->kept;
                share->kept = request->next;
                share_request_free(request);
        }
        error_free(share->error);
        free(share->uuid);
        /* A thread that hangs keeps using these until the process ends. */
        if (!left_behind) {
                free(share->side.path);
                free(share->side.uuid);
                free(share);
        }
        return NULL;
}
