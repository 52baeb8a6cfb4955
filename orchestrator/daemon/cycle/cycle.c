/* Implements daemon/cycle/cycle.h. What is due is decided by policies/due.h on what vm-states
 * knows; what comes of a VM is counted by the batch; here is what makes a cycle of it: filters, the
 * second try, the summary. */
#include "daemon/cycle/cycle.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/cycle/after-cycle.h"
#include "daemon/jobs/runner.h"
#include "daemon/notices/notices.h"
#include "daemon/state/state.h"
#include "policies/due.h"
#include "policies/order.h"
#include "policies/retry.h"
#include "schema/records/summary.h"

struct cycle {
        struct daemon *daemon;
        struct batch *batch;
        bool retried;
};

void cycle_plan_done(struct cycle_plan *plan)
{
        free(plan->items);
        *plan = (struct cycle_plan){ 0 };
}

static bool any_glob_matches(char *const *globs, const char *name)
{
        for (size_t i = 0; globs && globs[i]; i++)
                if (name_matches(globs[i], name))
                        return true;
        return false;
}

static bool any_tag(const struct inventory_vm *vm, char *const *tags)
{
        for (size_t i = 0; tags && tags[i]; i++)
                if (strv_contains(vm->tags, tags[i]))
                        return true;
        return false;
}

static bool passes(const struct inventory_vm *vm, const struct cycle_filter *filter)
{
        if (filter->tags && !any_tag(vm, filter->tags))
                return false;
        if (filter->hypervisors &&
            !(vm->hypervisor && strv_contains(filter->hypervisors, vm->hypervisor)))
                return false;
        return !any_glob_matches(filter->exclude, vm->name);
}

static int unknown_word(const char *kind, const char *word, char *const *known, struct error **err)
{
        const char *nearest = known ? nearest_word(word, (const char *const *)known) : NULL;
        return error_set(err, ERROR_CONFIG, "no VM of the inventory has the %s '%s'%s%s%s", kind,
                         word, nearest ? "; nearest: '" : "", nearest ? nearest : "",
                         nearest ? "'" : "");
}

static int check_filter(const struct inventory *inventory, const struct cycle_filter *filter,
                        struct error **err)
{
        _cleanup_strv_ char **tags = NULL;
        _cleanup_strv_ char **hypervisors = NULL;
        for (size_t i = 0; i < inventory->n_vms; i++) {
                for (size_t t = 0; inventory->vms[i].tags && inventory->vms[i].tags[t]; t++)
                        if (!strv_contains(tags, inventory->vms[i].tags[t]))
                                strv_add(&tags, inventory->vms[i].tags[t]);
                if (inventory->vms[i].hypervisor &&
                    !strv_contains(hypervisors, inventory->vms[i].hypervisor))
                        strv_add(&hypervisors, inventory->vms[i].hypervisor);
        }
        for (size_t i = 0; filter->tags && filter->tags[i]; i++)
                if (!strv_contains(tags, filter->tags[i]))
                        return unknown_word("tag", filter->tags[i], tags, err);
        for (size_t i = 0; filter->hypervisors && filter->hypervisors[i]; i++)
                if (!strv_contains(hypervisors, filter->hypervisors[i]))
                        return unknown_word("hypervisor", filter->hypervisors[i], hypervisors, err);
        return 0;
}

static struct cycle_item make_item(const struct daemon *daemon, const struct inventory_vm *vm,
                                   int64_t now)
{
        const struct vm_state *state = vm_states_find(&daemon->states, vm->name);
        int64_t last_good = state ? state->last_good : 0;
        struct due_verdict verdict =
                due_decide(vm->schedule, &daemon->settings->cycle_start, last_good, now);
        struct cycle_item item = {
                .vm = vm,
                .due = verdict.due,
                .overdue = verdict.overdue,
                .slot = verdict.slot,
                .next_slot = verdict.next_slot,
                .last_good = last_good,
        };
        memcpy(item.reason, verdict.reason, sizeof item.reason);
        return item;
}

static int compare_items(const void *a, const void *b)
{
        return order_compare(&((const struct cycle_item *)a)->vm,
                             &((const struct cycle_item *)b)->vm);
}

static size_t count_usual(const struct daemon *daemon, const struct inventory *inventory,
                          int64_t now)
{
        size_t usual = 0;
        int64_t newest = 0;
        for (size_t i = 0; i < inventory->n_vms; i++) {
                int64_t slot = make_item(daemon, &inventory->vms[i], now).slot;
                if (slot > newest)
                        usual = 0;
                newest = slot > newest ? slot : newest;
                usual += slot && slot == newest;
        }
        return usual;
}

int cycle_plan(const struct daemon *daemon, const struct cycle_filter *filter, bool with_manual,
               int64_t now, struct cycle_plan *ret, struct error **err)
{
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        if (!inventory)
                return error_set(err, ERROR_CONFIG, "%s",
                                 inventory_keeper_problems(daemon->inventory));
        if (check_filter(inventory, filter, err) < 0)
                return -1;
        struct cycle_plan plan = { .items = xcalloc(inventory->n_vms + 1, sizeof *plan.items) };
        for (size_t i = 0; i < inventory->n_vms; i++)
                if (passes(&inventory->vms[i], filter) &&
                    (with_manual || inventory->vms[i].schedule != VM_SCHEDULE_MANUAL))
                        plan.items[plan.count++] = make_item(daemon, &inventory->vms[i], now);
        qsort(plan.items, plan.count, sizeof *plan.items, compare_items);
        plan.usual = count_usual(daemon, inventory, now);
        *ret = plan;
        return 0;
}

static void add_job(struct cycle *cycle, enum job_class class, const char *vm,
                    const char *hypervisor)
{
        batch_add(cycle->batch, runner_new_job(cycle->daemon, JOB_BACKUP, class, vm, hypervisor));
}

/* The one more try (P6). */
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
                             "%s is tried once more: the cause of its failure may have passed",
                             job->vm);
                batch_forgive(batch, job);
                add_job(cycle, JOB_CLASS_RETRY, job->vm, job->hypervisor);
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
                notices_cycle_ended(cycle->daemon->notices);
        /* A slot that began while it ran has not been looked at. */
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
        after_cycle_cancel(daemon, "a new cycle begins");
        return cycle;
}

void cycle_go(struct cycle *cycle, const struct cycle_plan *plan, bool all,
              const struct error *broken)
{
        struct daemon *daemon = cycle->daemon;
        batch_notice_broken_inventory(cycle->batch, broken);
        if (broken)
                batch_set_exit_status(cycle->batch, EXIT_USAGE);
        for (size_t i = 0; i < plan->count; i++)
                if (all || plan->items[i].due)
                        add_job(cycle, JOB_CLASS_CYCLE, plan->items[i].vm->name,
                                plan->items[i].vm->hypervisor);
        log_info("a cycle begins: %zu of %zu VMs", batch_tally(cycle->batch)->total, plan->count);
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

int64_t cycle_next_slot(const struct daemon *daemon, int64_t now)
{
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        int64_t next = 0;
        for (size_t i = 0; inventory && i < inventory->n_vms; i++) {
                int64_t slot = due_slot_after(inventory->vms[i].schedule,
                                              &daemon->settings->cycle_start, now);
                if (slot && (!next || slot < next))
                        next = slot;
        }
        return next;
}

static void run_by_trigger(struct daemon *daemon, int64_t now)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_cycle_plan_ struct cycle_plan plan = { 0 };
        int r = daemon_reload_inventory(daemon, &error);
        if (cycle_plan(daemon, &(struct cycle_filter){ 0 }, false, now, &plan,
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
        int64_t next = cycle_next_slot(daemon, now);
        if (next)
                loop_timer_arm_at(daemon->cycle_timer, next);
        /* While the share is away nothing could be backed up. One that hung a moment is not opened
         * again: the tick looks here. */
        _cleanup_share_view_ struct share_view view = share_look(daemon->share);
        daemon->trigger_waits = !daemon->states.loaded || view.state != SHARE_OK;
        if (!daemon->cycle && !daemon->paused.on && !daemon->trigger_waits)
                run_by_trigger(daemon, now);
}
