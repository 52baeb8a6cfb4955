/* Implements daemon/cycle/cycle.h. What is due is decided by cycle-plan.h; the batch counts the
 * outcomes. This file adds the second try, the summary and the internal trigger. */
#include "daemon/cycle/cycle.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/cycle/after-cycle.h"
#include "daemon/jobs/batch.h"
#include "daemon/jobs/runner.h"
#include "daemon/state/state.h"
#include "daemon/state/stream-lines.h"
#include "policies/due.h"
#include "policies/retry.h"
#include "schema/records/exit-status.h"
#include "schema/records/summary.h"

struct cycle {
        struct daemon *daemon;
        struct batch *batch;
        bool retried;
};

static void add_backup_job(struct cycle *cycle, enum job_class class, const char *vm,
                           const char *hypervisor)
{
        batch_add(cycle->batch, runner_new_job(cycle->daemon, JOB_BACKUP, class, vm, hypervisor));
}

/* The second try (P6). */
static bool retry_failed(struct batch *batch, void *data)
{
        struct cycle *cycle = data;
        if (cycle->retried || cycle->daemon->phase != DAEMON_RUNNING)
                return false;
        cycle->retried = true;
        size_t count = 0;
        (void)batch_jobs(batch, &count);
        bool any = false;
        for (size_t i = 0; i < count; i++) {
                size_t now = 0;
                struct job *job = batch_jobs(batch, &now)[i];
                if (job->outcome != JOB_OUTCOME_FAILED || !retry_is_worth_it(job->error_kind))
                        continue;
                batch_notice(batch, "info",
                             "%s is tried once more: the cause of its failure may be gone",
                             job->vm);
                batch_forgive(batch, job);
                add_backup_job(cycle, JOB_CLASS_RETRY, job->vm, job->hypervisor);
                any = true;
        }
        if (any)
                daemon_changed(cycle->daemon);
        return any;
}

static void add_to_summary(struct summary *summary, const struct job *job)
{
        struct summary_vm *vm = summary_add_vm(summary);
        vm->vm = xstrdup(job->vm);
        vm->hypervisor = xstrdup(job->hypervisor);
        vm->job = xstrdup(job->id);
        vm->status = xstrdup(job_outcome_name(job->outcome));
        vm->point = xstrdup(job->point);
        vm->warnings = strv_copy(job->warnings);
        vm->stored_bytes = job->stored_bytes;
        vm->duration_seconds =
                job->started && job->ended > job->started ? job->ended - job->started : 0;
        if (job->outcome == JOB_OUTCOME_OK)
                return;
        vm->error = xstrdup(job->error);
        vm->error_kind = xstrdup(error_kind_name(job->error_kind));
}

static void write_summary(struct batch *batch, void *data)
{
        const struct cycle *cycle = data;
        struct daemon *daemon = cycle->daemon;
        if (!share_uuid(daemon->share))
                return;
        _cleanup_(summary_freep) struct summary *summary = summary_new();
        summary->repository_uuid = xstrdup(share_uuid(daemon->share));
        summary->started = batch_started(batch);
        size_t count = 0;
        struct job *const *jobs = batch_jobs(batch, &count);
        for (size_t i = 0; i < count; i++)
                if (!jobs[i]->forgiven)
                        add_to_summary(summary, jobs[i]);
        summary_finish(summary, clock_realtime_s());
        _cleanup_free_ char *text = summary_format(summary);
        share_write_summary(daemon->share, text);
}

static void cycle_closed(struct batch *batch, void *data)
{
        struct cycle *cycle = data;
        const struct tally *tally = batch_tally(batch);
        log_info("the cycle has ended: %zu succeeded, %zu failed, %zu cancelled, %zu skipped",
                 tally->succeeded, tally->failed, tally->cancelled, tally->skipped);
        cycle->daemon->cycle = NULL;
        if (tally->total)
                cycle->daemon->listener->cycle_ended(cycle->daemon->listener->data);
        /* A slot that started during this cycle has not been considered yet. */
        if (cycle->daemon->settings->cycle_trigger == CYCLE_TRIGGER_INTERNAL)
                loop_timer_arm_at(cycle->daemon->cycle_timer, clock_realtime_s());
        after_cycle_start(cycle->daemon);
        free(cycle);
}

struct cycle *cycle_new(struct daemon *daemon, const char *bacula_job)
{
        struct cycle *cycle = xcalloc(1, sizeof *cycle);
        const struct batch_hooks hooks = { .idle = retry_failed,
                                           .closing = write_summary,
                                           .closed = cycle_closed,
                                           .data = cycle };
        cycle->daemon = daemon;
        cycle->batch = batch_new(daemon, "backed up", &hooks);
        batch_add_bacula_job(cycle->batch, bacula_job);
        daemon->cycle = cycle;
        after_cycle_cancel(daemon, "a new cycle starts");
        return cycle;
}

void cycle_go(struct cycle *cycle, const struct cycle_plan *plan, bool all,
              const struct error *broken)
{
        struct daemon *daemon = cycle->daemon;
        batch_notice_broken_inventory(cycle->batch, broken);
        if (broken)
                batch_set_exit_status(cycle->batch, STATUS_USAGE);
        for (size_t i = 0; i < plan->count; i++)
                if (all || plan->items[i].due)
                        add_backup_job(cycle, JOB_CLASS_CYCLE, plan->items[i].vm->name,
                                       plan->items[i].vm->hypervisor);
        log_info("a cycle starts: %zu of %zu VMs", batch_tally(cycle->batch)->total, plan->count);
        daemon_changed(daemon);
        batch_seal(cycle->batch);
}

size_t cycle_cancel(struct cycle *cycle, const char *why)
{
        cycle->retried = true;
        return batch_cancel(cycle->batch, why);
}

bool cycle_tries_again(const struct cycle *cycle, const struct job *job)
{
        return job->batch == cycle->batch && !cycle->retried &&
               cycle->daemon->phase == DAEMON_RUNNING && retry_is_worth_it(job->error_kind);
}

struct batch *cycle_batch(const struct cycle *cycle)
{
        return cycle->batch;
}

static void run_by_trigger(struct daemon *daemon, int64_t now)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_cycle_plan_ struct cycle_plan plan = { 0 };
        int r = daemon_reload_inventory(daemon, &error);
        if (cycle_plan_make(daemon, &(struct cycle_filter){ 0 }, false, now, &plan,
                            r < 0 ? NULL : &error) < 0) {
                log_error("no cycle can run: %s", error_message(error));
                return;
        }
        int64_t slot = 0;
        for (size_t i = 0; i < plan.count; i++)
                if (plan.items[i].due && plan.items[i].slot <= now && plan.items[i].slot > slot)
                        slot = plan.items[i].slot;
        if (!due_timer_begins(slot, daemon->last_internal_slot, now))
                return;
        daemon->last_internal_slot = slot;
        cycle_go(cycle_new(daemon, NULL), &plan, false, error);
}

void cycle_check_trigger(struct daemon *daemon)
{
        if (daemon->settings->cycle_trigger != CYCLE_TRIGGER_INTERNAL ||
            daemon->phase != DAEMON_RUNNING)
                return;
        int64_t now = clock_realtime_s();
        int64_t next = cycle_plan_next_slot(daemon, now);
        if (next)
                loop_timer_arm_at(daemon->cycle_timer, next);
        /* While the share is unavailable nothing can be backed up. A share that only hung for a
         * while is not opened again, so no event comes; the tick calls this again. */
        _cleanup_share_view_ struct share_view view = share_look(daemon->share);
        daemon->trigger_waits = !daemon->states.loaded || view.state != SHARE_OK;
        if (!daemon->cycle && !daemon->paused.on && !daemon->trigger_waits)
                run_by_trigger(daemon, now);
}
