/* The weekly summary (daemon/notices/notices.h): backups are written to the ledger, and the summary
 * is made from it at slack.summary, or after the first cycle of a week. A missed time is made up
 * for. `kept.summary_told` is the end of the last week that was sent. The message, with a key made
 * of that end, is queued before the time is noted, so that a crash between the two makes neither
 * two summaries nor none. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/cycle/cycle-plan.h"
#include "daemon/jobs/runner.h"
#include "daemon/notices/notices-internal.h"
#include "daemon/state/state.h"
#include "notify/weekly.h"
#include "policies/due.h"

enum { WEEK_SECONDS = 7 * 86400, EARLY_SECONDS = 12 * 3600 };

/* At a start and with each summary: a daemon may run for so long that the ledger grows too large.
 */
static void prune_ledger(const struct notices *notices, int64_t now)
{
        _cleanup_free_ char *path = notices_queue_path(notices, "ledger.jsonl");
        _cleanup_error_ struct error *error = NULL;
        if (ledger_prune(path, now, &error) < 0)
                log_warning("%s", error->message);
}

void week_watch_init(struct notices *notices, int64_t now)
{
        const struct settings *settings = notices->daemon->settings;
        prune_ledger(notices, now);
        if (notices->kept.first_started)
                return;
        notices->kept.first_started = now;
        /* The week before the first start has no summary. */
        if (!settings->slack.summary_after_cycle)
                notices->kept.summary_told =
                        due_slot_at_or_before(VM_SCHEDULE_WEEKLY, &settings->slack.summary, now);
        kept_moments_write(notices);
}

void week_watch_record(struct notices *notices, const struct job *job)
{
        _cleanup_free_ char *path = notices_queue_path(notices, "ledger.jsonl");
        _cleanup_error_ struct error *error = NULL;
        const struct ledger_row row = {
                .vm = job->vm,
                .hypervisor = job->hypervisor,
                .job = (char *)job->id,
                .status = (char *)job_outcome_name(job->outcome),
                .error = job->error,
                .warnings = job->warnings,
                .stored_bytes = job->stored_bytes,
                .started = job->started,
                .finished = job->ended,
        };
        if (ledger_append(path, &row, &error) < 0)
                log_warning("the weekly summary will lack job %s: %s", job->id, error->message);
}

/* From what the loop knows, without waiting. */
static void list_vms(const struct daemon *daemon, int64_t now, char ***vms, char ***overdue,
                     char ***unproven)
{
        _cleanup_cycle_plan_ struct cycle_plan plan = { 0 };
        if (cycle_plan_make(daemon, &(struct cycle_filter){ 0 }, false, now, &plan, NULL) < 0)
                return;
        for (size_t i = 0; i < plan.count; i++) {
                const struct cycle_item *item = &plan.items[i];
                const struct vm_state *state = vm_states_find(&daemon->states, item->vm->name);
                strv_add(vms, item->vm->name);
                if (!daemon->states.loaded)
                        continue;
                if (item->overdue)
                        strv_addf(overdue, "%s: %s", item->vm->name, item->reason);
                if (!state || !state->proven)
                        strv_add(unproven, item->vm->name);
        }
}

static struct notice *make_summary(const struct notices *notices, int64_t from, int64_t to)
{
        const struct daemon *daemon = notices->daemon;
        _cleanup_free_ char *path = notices_queue_path(notices, "ledger.jsonl");
        _cleanup_error_ struct error *error = NULL;
        _cleanup_ledger_ struct ledger ledger = { 0 };
        _cleanup_strv_ char **vms = NULL;
        _cleanup_strv_ char **overdue = NULL;
        _cleanup_strv_ char **unproven = NULL;
        _cleanup_share_view_ struct share_view view = share_look(daemon->share);
        if (ledger_read(path, &ledger, &error) < 0)
                log_warning("the weekly summary lacks the backups: %s", error->message);
        list_vms(daemon, to, &vms, &overdue, &unproven);
        const struct weekly_input input = {
                .from = from,
                .to = to,
                .ledger = &ledger,
                .vms = vms,
                .overdue = overdue,
                .unproven = unproven,
                .share_is_known = view.state == SHARE_OK,
                .free_bytes = view.free_bytes,
                .total_bytes = view.total_bytes,
                .free_before = (uint64_t)notices->kept.free_bytes,
                .free_before_at = notices->kept.free_at,
                .next_cycle = cycle_plan_next_slot(daemon, clock_realtime_s()),
        };
        return weekly_notice(&input);
}

static void send_week(struct notices *notices, int64_t to)
{
        int64_t from = notices->kept.summary_told;
        if (from < to - 2 * WEEK_SECONDS)
                from = to - WEEK_SECONDS;
        _cleanup_free_ char *key = xasprintf("week@%lld", (long long)to);
        if (!outbox_has(notices->outbox, key))
                notices_queue_add(notices, make_summary(notices, from, to), key, 0);
        notices->kept.summary_told = to;
        _cleanup_share_view_ struct share_view view = share_look(notices->daemon->share);
        if (view.state == SHARE_OK) {
                notices->kept.free_bytes = (int64_t)view.free_bytes;
                notices->kept.free_at = to;
        }
        kept_moments_write(notices);
        prune_ledger(notices, clock_realtime_s());
}

/* Without any cycle (a scheduler that backs up VM by VM) no summary would be sent `after-cycle`. */
static bool is_week_without_cycle_over(const struct notices *notices, int64_t now)
{
        const struct daemon *daemon = notices->daemon;
        int64_t since = notices->kept.summary_told > notices->kept.first_started
                                ? notices->kept.summary_told
                                : notices->kept.first_started;
        return !daemon->cycle && daemon->queue.count == 0 && daemon->n_busy == 0 &&
               now >= since + WEEK_SECONDS;
}

void week_watch_check(struct notices *notices, int64_t now)
{
        const struct settings *settings = notices->daemon->settings;
        /* What is overdue is known once the share was opened. */
        _cleanup_share_view_ struct share_view view = share_look(notices->daemon->share);
        if (view.state == SHARE_OPENING)
                return;
        if (settings->slack.summary_after_cycle) {
                if (is_week_without_cycle_over(notices, now))
                        send_week(notices, now);
                return;
        }
        int64_t moment = due_slot_at_or_before(VM_SCHEDULE_WEEKLY, &settings->slack.summary, now);
        if (moment > notices->kept.summary_told)
                send_week(notices, moment);
}

void week_watch_cycle_ended(struct notices *notices, int64_t now)
{
        const struct settings *settings = notices->daemon->settings;
        if (!settings->slack.summary_after_cycle)
                return;
        /* One summary a week: a repeated cycle on Monday, or a daily cycle, belongs to the next
         * one. */
        int64_t slot = due_slot_at_or_before(VM_SCHEDULE_WEEKLY, &settings->cycle_start,
                                             now + EARLY_SECONDS);
        if (notices->kept.summary_told < slot - EARLY_SECONDS)
                send_week(notices, now);
}
