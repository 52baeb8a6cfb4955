/* Implements daemon/cycle/after-cycle.h by a batch that no client follows: when its only job has
 * ended, the next one is chosen. */
#include "daemon/cycle/after-cycle.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/cycle/proofs.h"
#include "daemon/cycle/scrub.h"
#include "daemon/jobs/batch.h"
#include "daemon/jobs/runner.h"
#include "daemon/state/state.h"

/* In the order in which they are done. */
static const struct after_cycle_work *const works[] = { &proof_work, &scrub_work };

struct after_cycle {
        struct daemon *daemon;
        struct batch *batch;
        json_t *points;
        size_t work; /* index in `works` */
        bool begun;  /* its budget is being used */
        int64_t deadline_ms;
        char **tried;
        struct job *job; /* the one under way */
        bool cancelled;
};

static const struct after_cycle_work *current_work(const struct after_cycle *after)
{
        return after->work < ARRAY_LENGTH(works) ? works[after->work] : NULL;
}

static void leave_work(struct after_cycle *after, const struct after_cycle_work *work)
{
        size_t done = strv_length(after->tried);
        if (done)
                log_info("after the cycle: %zu %s", done, work->what);
        after->tried = strv_free(after->tried);
        after->begun = false;
        after->work++;
}

static struct job *choose_next_job(struct after_cycle *after, char **ret_about)
{
        for (const struct after_cycle_work *work; (work = current_work(after));
             leave_work(after, work)) {
                int64_t whole_seconds = (int64_t)work->budget_minutes(after->daemon->settings) * 60;
                if (whole_seconds == 0)
                        continue;
                if (!after->begun)
                        after->deadline_ms = clock_monotonic_ms() + whole_seconds * 1000;
                after->begun = true;
                const struct after_cycle_budget budget = {
                        .whole_seconds = whole_seconds,
                        .left_seconds = (after->deadline_ms - clock_monotonic_ms()) / 1000,
                        .tried = after->tried,
                };
                struct job *job = work->next(after->daemon, after->points, &budget, ret_about);
                if (job)
                        /* cppcheck-suppress returnDanglingLifetime ; the registry owns it */
                        return job;
        }
        return NULL;
}

static bool next_job(struct batch *batch, void *data)
{
        struct after_cycle *after = data;
        const struct after_cycle_work *work = current_work(after);
        if (after->job && work && work->ended)
                work->ended(after->daemon, after->points, after->job,
                            after->tried[strv_length(after->tried) - 1]);
        after->job = NULL;
        if (after->cancelled || after->daemon->phase != DAEMON_RUNNING)
                return false;
        _cleanup_free_ char *about = NULL;
        after->job = choose_next_job(after, &about);
        if (!after->job)
                return false;
        strv_add(&after->tried, about);
        batch_add(batch, after->job);
        daemon_changed(after->daemon);
        return true;
}

static void on_batch_closed(struct batch *batch, void *data)
{
        (void)batch;
        struct after_cycle *after = data;
        after->daemon->after_cycle = NULL;
        json_decref(after->points);
        strv_free(after->tried);
        free(after);
}

/* Without the list of points nothing can be chosen; the next cycle is followed again. */
static void points_are_told(void *data, const struct error *error, const char *text)
{
        struct daemon *daemon = data;
        if (error)
                log_warning("no points are verified or test-restored after this cycle: %s",
                            error->message);
        if (error || daemon->after_cycle || daemon->cycle || daemon->phase != DAEMON_RUNNING)
                return;
        struct after_cycle *after = xcalloc(1, sizeof *after);
        const struct batch_hooks hooks = { .idle = next_job,
                                           .closed = on_batch_closed,
                                           .data = after };
        after->daemon = daemon;
        after->points = json_loads(text, 0, NULL);
        after->batch = batch_new(daemon, "done", &hooks);
        daemon->after_cycle = after;
        batch_seal(after->batch);
}

void after_cycle_start(struct daemon *daemon)
{
        bool any = false;
        for (size_t i = 0; i < ARRAY_LENGTH(works); i++)
                any = any || works[i]->budget_minutes(daemon->settings) > 0;
        if (any && !daemon->after_cycle && daemon->phase == DAEMON_RUNNING)
                share_list_points(daemon->share, NULL, false, points_are_told, daemon);
}

void after_cycle_cancel(struct daemon *daemon, const char *why)
{
        struct after_cycle *after = daemon->after_cycle;
        if (!after || after->cancelled)
                return;
        after->cancelled = true;
        if (after->job)
                runner_cancel(daemon, after->job, why);
}
