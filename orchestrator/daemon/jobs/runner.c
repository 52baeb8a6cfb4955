/* Implements daemon/jobs/runner.h. `busy` holds exactly the jobs that have a worker process, stuck
 * ones included. */
#include "daemon/jobs/runner.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/jobs/job-record.h"
#include "daemon/jobs/orphans.h"
#include "daemon/jobs/recoveries.h"
#include "daemon/jobs/running-files.h"
#include "daemon/loop/worker-process.h"
#include "daemon/state/state.h"
#include "daemon/state/stream-lines.h"
#include "schema/records/exit-status.h"

enum {
        OTHERS_AT_ONCE = 4,
        VERIFICATIONS_AT_ONCE = 2,
        DEFAULT_PRIORITY = 50,
        STALL_SLACK_MS = 60000,
        GRACE_MS = 30000,
        STUCK_MS = 5000
};

struct job *runner_new_job(struct daemon *daemon, enum job_action action, enum job_class class,
                           const char *vm, const char *hypervisor)
{
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        const struct inventory_vm *listed =
                vm && inventory ? inventory_find_vm(inventory, vm) : NULL;
        const struct vm_state *state = vm ? vm_states_find(&daemon->states, vm) : NULL;
        const char *home = listed && listed->hypervisor ? listed->hypervisor : hypervisor;
        struct job *job =
                jobs_add(daemon->jobs, action, vm, home || !state ? home : state->pin_hypervisor);
        job->daemon = daemon;
        job->class = class;
        job->priority = listed ? listed->priority : DEFAULT_PRIORITY;
        job->sequence = daemon->next_sequence;
        return job;
}

static void add_job_line(struct job *job, const char *line, const char *progress_key)
{
        job_add_line(job, line, progress_key);
        if (job->owner)
                job->owner->line_added(job, line, progress_key);
}

char *runner_end_line(const struct job *job)
{
        struct tally tally = { .total = 1 };
        tally.succeeded = job->outcome == JOB_OUTCOME_OK;
        tally.failed = job->outcome == JOB_OUTCOME_FAILED;
        tally.cancelled = job->outcome == JOB_OUTCOME_CANCELLED;
        tally.skipped = job->outcome == JOB_OUTCOME_SKIPPED;
        tally.stored_bytes = job->stored_bytes;
        tally.duration_seconds =
                job->started && job->ended > job->started ? job->ended - job->started : 0;
        _cleanup_free_ char *text = xasprintf(
                "job %s of %s: %s", job->id, job->vm ? job->vm : job->hypervisor,
                job->outcome ? job_outcome_name(job->outcome) : job_state_name(job->state));
        return line_end(STATUS_OK, &tally, text);
}

static struct log_context log_context_of(const struct job *job)
{
        return (struct log_context){ .job = job->id, .vm = job->vm, .hypervisor = job->hypervisor };
}

static void set_outcome(struct job *job, enum job_outcome outcome, enum error_kind kind,
                        const char *error)
{
        job->outcome = outcome;
        job->error_kind = kind;
        xstrdup_replace(&job->error, error);
}

/* Once the outcome is known: logs it and informs the listener and the owner, each once. The batch
 * may be gone afterwards. */
static void report_outcome(struct daemon *daemon, struct job *job)
{
        if (job->reported)
                return;
        job->reported = true;
        job->ended = clock_realtime_s();
        const char *subject = job->vm ? job->vm : job->hypervisor;
        const struct log_context context = log_context_of(job);
        if (job->outcome == JOB_OUTCOME_FAILED) {
                daemon->failures[job->error_kind]++;
                log_write_about(LOG_LEVEL_ERROR, &context, "%s: %s of %s failed: %s", job->id,
                                job_action_name(job->action), subject,
                                job->error ? job->error : "no reason given");
        } else {
                log_write_about(LOG_LEVEL_INFO, &context, "%s: %s of %s: %s%s%s", job->id,
                                job_action_name(job->action), subject,
                                job_outcome_name(job->outcome), job->error ? ": " : "",
                                job->error ? job->error : "");
        }
        job_record_contact(daemon, job);
        daemon->listener->ended(daemon->listener->data, job);
        if (job->owner)
                job->owner->job_ended(job);
        daemon_changed(daemon);
}

/* After report_outcome(): the job is no longer live, and the registry may drop it. */
static void end_job(struct daemon *daemon, struct job *job)
{
        _cleanup_free_ char *line = runner_end_line(job);
        jobs_end(daemon->jobs, job, line);
}

/* A queued recovery that was cancelled is dropped, like a running one; one that could not be
 * started is tried again. When the daemon stops, both are left to the next start. */
static void settle_unstarted_recovery(struct daemon *daemon, const struct job *job)
{
        if (daemon->phase != DAEMON_RUNNING || job->dry_run)
                return;
        if (recoveries_note_end(daemon, job))
                running_file_write(daemon->state_folder, job);
        else
                running_file_remove(daemon->state_folder, job->id);
}

/* Ends a job that has no worker. */
static void end_unstarted(struct daemon *daemon, struct job *job, enum job_outcome outcome,
                          enum error_kind kind, const char *error)
{
        queue_remove(&daemon->queue, job);
        set_outcome(job, outcome, kind, error);
        _cleanup_free_ char *line = line_result(job);
        add_job_line(job, line, NULL);
        if (outcome == JOB_OUTCOME_FAILED)
                job_record(daemon, job, NULL);
        if (job->action == JOB_RECOVER)
                settle_unstarted_recovery(daemon, job);
        report_outcome(daemon, job);
        end_job(daemon, job);
}

static void on_worker_step(struct job *job, const struct event *event)
{
        bool held_others = !job->pulls;
        recoveries_note_step(job, event);
        if (job->pulls && held_others)
                daemon_changed(job->daemon);
        if (event->state == STEP_FAILED && !job->failed_step)
                job->failed_step = xstrdup(event->step);
        if (event->state != STEP_BEGIN)
                return;
        xstrdup_replace(&job->step, event->step);
        job->step_since = clock_realtime_s();
        xstrdup_replace(&job->progress.disk, NULL);
}

static void on_worker_progress(struct job *job, const struct event *event)
{
        xstrdup_replace(&job->progress.disk, event->disk ? event->disk : "");
        job->progress.done_bytes = event->done_bytes;
        job->progress.total_bytes = event->total_bytes;
        job->progress.bytes_per_second = event->bytes_per_second;
        job->progress.remaining_seconds = event->remaining_seconds;
}

static void on_worker_result(struct job *job, const struct event *event)
{
        enum job_outcome outcome = JOB_OUTCOME_FAILED;
        for (enum job_outcome known = JOB_OUTCOME_OK; known <= JOB_OUTCOME_SKIPPED; known++)
                if (streq(event->status, job_outcome_name(known)))
                        outcome = known;
        set_outcome(job, outcome, event->error_kind, event->error);
        xstrdup_replace(&job->path, event->path);
        xstrdup_replace(&job->progress.disk, NULL);
        job_record(job->daemon, job, event->metadata);
}

static void on_worker_event(void *data, const struct event *event)
{
        struct job *job = data;
        _cleanup_free_ char *key =
                event->type == EVENT_PROGRESS
                        ? xasprintf("%s/%s", job->id, event->disk ? event->disk : "")
                        : NULL;
        _cleanup_free_ char *line = line_of_event(job, event);
        if (event->type == EVENT_STEP)
                on_worker_step(job, event);
        else if (event->type == EVENT_PROGRESS)
                on_worker_progress(job, event);
        else if (event->type == EVENT_WARNING && strv_length(job->warnings) < JOB_WARNINGS_KEPT)
                strv_add(&job->warnings, event->text);
        else if (event->type == EVENT_REMOVED && name_is_safe(event->text) &&
                 strv_length(job->removed) < JOB_REMOVED_MAX)
                strv_add(&job->removed, event->text);
        else if (event->type == EVENT_CHECK && event->check.verdict == CHECK_FAIL &&
                 !job->failed_check)
                job->failed_check = xstrdup(event->check.name);
        else if (event->type == EVENT_STATE)
                job_record_state(job->daemon, job, event);
        else if (event->type == EVENT_RESULT && !job->reported)
                on_worker_result(job, event);
        if (event->type == EVENT_WARNING && event->alert)
                job->daemon->listener->warned(job->daemon->listener->data, job, event->text);
        add_job_line(job, line, key);
}

static bool changes_something(const struct job *job)
{
        return job->action == JOB_BACKUP || job->action == JOB_TEST_RESTORE ||
               ((job->action == JOB_RECOVER || job->action == JOB_RESTORE) && !job->dry_run);
}

/* Whether the VM has to be recovered by another job when the worker of this one died. */
static bool is_recovered_after(const struct job *job)
{
        return job->action != JOB_RECOVER && changes_something(job);
}

static void fail_without_result(struct job *job)
{
        _cleanup_error_ struct error *error = worker_process_failure(job->worker);
        bool recovered = job->state == JOB_RUNNING && is_recovered_after(job) &&
                         job->daemon->phase == DAEMON_RUNNING;
        _cleanup_free_ char *text =
                xasprintf("%s%s", error->message, recovered ? "; the VM is being recovered" : "");
        set_outcome(job,
                    error->kind == ERROR_CANCELLED ? JOB_OUTCOME_CANCELLED : JOB_OUTCOME_FAILED,
                    error->kind, text);
        _cleanup_free_ char *line = line_result(job);
        add_job_line(job, line, NULL);
        job_record(job->daemon, job, NULL);
}

static void on_worker_stuck(void *data)
{
        struct job *job = data;
        job->state = JOB_STUCK;
        if (job->outcome == JOB_OUTCOME_NONE)
                fail_without_result(job);
        report_outcome(job->daemon, job);
}

/* Before all other jobs, unless one for this VM waits already. A recovery that was requested may be
 * a dry run, and is not noted for a restart. */
static void queue_recover(struct daemon *daemon, const char *vm, const char *hypervisor,
                          const char *why, struct process_id after)
{
        for (size_t i = 0; i < daemon->queue.count; i++)
                if (daemon->queue.items[i]->class == JOB_CLASS_RECOVER &&
                    streq(daemon->queue.items[i]->vm, vm))
                        return;
        if (daemon->phase != DAEMON_RUNNING)
                return;
        struct job *job = runner_new_job(daemon, JOB_RECOVER, JOB_CLASS_RECOVER, vm, hypervisor);
        job->process = after;
        running_file_write(daemon->state_folder, job);
        queue_insert(&daemon->queue, job);
        _cleanup_free_ char *queued = line_queued(job, queue_position(&daemon->queue, job));
        _cleanup_free_ char *notice = line_job_notice(job, "info", why);
        add_job_line(job, queued, NULL);
        add_job_line(job, notice, NULL);
        daemon_changed(daemon);
}

static void remove_busy(struct daemon *daemon, const struct job *job)
{
        for (size_t i = 0; i < daemon->n_busy; i++) {
                if (daemon->busy[i] != job)
                        continue;
                memmove(daemon->busy + i, daemon->busy + i + 1,
                        (daemon->n_busy - i - 1) * sizeof *daemon->busy);
                daemon->n_busy--;
                return;
        }
}

/* While stopping: a job whose worker died, or a recovery that was interrupted. */
static bool is_for_next_start(const struct job *job, bool died)
{
        bool broken_off =
                job->action == JOB_RECOVER && job->cancelling && job->outcome != JOB_OUTCOME_OK;
        return job->daemon->phase != DAEMON_RUNNING && (died || broken_off);
}

static void on_worker_ended(void *data)
{
        struct job *job = data;
        struct daemon *daemon = job->daemon;
        bool died = !worker_process_has_result(job->worker);
        if (job->outcome == JOB_OUTCOME_NONE)
                fail_without_result(job);
        job->worker = worker_process_free(job->worker);
        remove_busy(daemon, job);
        /* The running-job file stays while the VM is still to be recovered. */
        if (died && is_recovered_after(job))
                queue_recover(daemon, job->vm, job->hypervisor, job->error,
                              (struct process_id){ 0 });
        bool later = is_for_next_start(job, died) ||
                     ((!died || job->action == JOB_RECOVER) && recoveries_note_end(daemon, job));
        if (!later)
                running_file_remove(daemon->state_folder, job->id);
        report_outcome(daemon, job);
        end_job(daemon, job);
        daemon_changed(daemon);
}

/* Without those of an earlier daemon: nothing is done to their VMs until they have ended. */
static char **other_live_jobs(const struct daemon *daemon, const struct job *job)
{
        char **ids = NULL;
        for (size_t i = 0; i < daemon->n_busy; i++)
                if (daemon->busy[i] != job)
                        strv_add(&ids, daemon->busy[i]->id);
        return ids;
}

static char *make_job_request(const struct daemon *daemon, const struct job *job)
{
        _cleanup_strv_ char **live_jobs = other_live_jobs(daemon, job);
        const struct vm_state *state = job->vm ? vm_states_find(&daemon->states, job->vm) : NULL;
        bool cycle = job->class >= JOB_CLASS_CYCLE;
        struct job_request request = {
                .job = (char *)job->id,
                .action = job->action,
                .vm = job->vm,
                .hypervisor = job_action_is_of_hypervisor(job->action) ? job->hypervisor : NULL,
                .trigger = (char *)(cycle ? "cycle" : "adhoc"),
                .started = job->started,
                .settings_path = daemon->settings->file,
                .settings_text = daemon->settings_text,
                .inventory_path = (char *)inventory_keeper_path(daemon->inventory),
                .inventory_text = (char *)inventory_keeper_text(daemon->inventory),
                .repository_uuid = (char *)share_uuid(daemon->share),
                .pinned_uuid = state && !job->accept_new_uuid ? state->pin : NULL,
                .pinned_hypervisor = state && !job->accept_new_uuid ? state->pin_hypervisor : NULL,
                .dry_run = job->dry_run,
                .method = job->method,
                .level = job->level,
                .live_jobs = live_jobs,
                .options = job->options,
        };
        return job_request_format(&request);
}

static int start_worker(struct daemon *daemon, struct job *job, struct error **err)
{
        static const struct worker_handlers handlers = { .event = on_worker_event,
                                                         .stuck = on_worker_stuck,
                                                         .ended = on_worker_ended };
        const struct daemon_options *given = &daemon->options;
        _cleanup_free_ char *name =
                xasprintf("%s %s", job->id, job->vm ? job->vm : job->hypervisor);
        struct worker_options options = {
                .argv = given->worker_argv,
                .name = name,
                .about = log_context_of(job),
                .stall_ms = given->stall_ms
                                    ? given->stall_ms
                                    : (int64_t)daemon->settings->limits.copy_stall_seconds * 1000 +
                                              STALL_SLACK_MS,
                .grace_ms = given->grace_ms ? given->grace_ms : GRACE_MS,
                .stuck_ms = given->stuck_ms ? given->stuck_ms : STUCK_MS,
                .last_resort_signal =
                        given->last_resort_signal ? given->last_resort_signal : SIGKILL,
        };
        _cleanup_free_ char *request = make_job_request(daemon, job);
        job->worker = worker_process_start(daemon->loop, &options, request, &handlers, job, err);
        return job->worker ? 0 : -1;
}

static void start_job(struct daemon *daemon, struct job *job)
{
        queue_remove(&daemon->queue, job);
        job->started = clock_realtime_s();
        _cleanup_error_ struct error *error = NULL;
        if (start_worker(daemon, job, &error) < 0) {
                end_unstarted(daemon, job, JOB_OUTCOME_FAILED, error->kind, error->message);
                return;
        }
        /* The worker gets its request in a later turn, so it changes nothing before this file is
         * written. */
        job->process = process_id_of(worker_process_pid(job->worker));
        if (changes_something(job))
                running_file_write(daemon->state_folder, job);
        job->state = JOB_RUNNING;
        daemon->busy = xrealloc_array(daemon->busy, daemon->n_busy + 1, sizeof *daemon->busy);
        daemon->busy[daemon->n_busy++] = job;
        const struct log_context context = log_context_of(job);
        log_write_about(LOG_LEVEL_INFO, &context, "%s: %s of %s started (worker %d)", job->id,
                        job_action_name(job->action), job->vm ? job->vm : job->hypervisor,
                        (int)worker_process_pid(job->worker));
        _cleanup_free_ char *line = line_started(job);
        add_job_line(job, line, NULL);
        daemon->listener->started(daemon->listener->data, job);
}

/* What the request needs must be known: the UUID of the repository, the inventory, the pin of the
 * VM. */
static bool may_start(const struct job *job, void *data)
{
        const struct daemon *daemon = data;
        if (daemon->paused.on && job_is_backup(job))
                return false;
        if (!share_uuid(daemon->share) || !inventory_keeper_text(daemon->inventory))
                return false;
        if (!job->vm || (job->beside && job->action != JOB_TEST_RESTORE))
                return true;
        /* A VM that left the inventory has no pin, but may be restored. */
        if ((job->action == JOB_RESTORE || job->action == JOB_RECOVER) &&
            !inventory_find_vm(inventory_keeper_get(daemon->inventory), job->vm))
                return !orphans_hold(daemon, job->vm);
        const struct vm_state *state = vm_states_find(&daemon->states, job->vm);
        return state && state->pin_known && !orphans_hold(daemon, job->vm);
}

static const struct job *find_stuck(const struct daemon *daemon, const char *vm)
{
        for (size_t i = 0; i < daemon->n_busy; i++)
                if (daemon->busy[i]->state == JOB_STUCK && daemon->busy[i]->vm && vm &&
                    streq(daemon->busy[i]->vm, vm))
                        return daemon->busy[i];
        return NULL;
}

/* Ends a queued job that cannot or need not run any more: its VM is held by a stuck worker, or was
 * backed up meanwhile. */
static bool end_pointless(struct daemon *daemon, struct job *job)
{
        const struct job *stuck =
                job->action == JOB_RECOVER || job->beside ? NULL : find_stuck(daemon, job->vm);
        if (stuck) {
                _cleanup_free_ char *why =
                        xasprintf("the VM is set aside: the worker of job %s hangs (is the share "
                                  "reachable?) and has to end "
                                  "before the VM can be recovered",
                                  stuck->id);
                end_unstarted(daemon, job, JOB_OUTCOME_FAILED, ERROR_BUSY, why);
                return true;
        }
        const struct vm_state *state = job->vm ? vm_states_find(&daemon->states, job->vm) : NULL;
        bool of_cycle = job->class == JOB_CLASS_CYCLE || job->class == JOB_CLASS_RETRY;
        /* Both times are whole seconds: a backup that started in the same second as this job was
         * requested must not count. Nor must one that starts in the future, because the clock was
         * set back. */
        bool served = state && state->last_good <= clock_realtime_s() &&
                      ((of_cycle && state->last_good > job->created) ||
                       (job->if_due && state->last_good > job->last_good));
        if (served) {
                end_unstarted(daemon, job, JOB_OUTCOME_SKIPPED, ERROR_INTERNAL,
                              "it was backed up meanwhile");
                return true;
        }
        return false;
}

void runner_schedule(struct daemon *daemon)
{
        if (daemon->phase != DAEMON_RUNNING)
                return;
        for (size_t i = 0; i < daemon->queue.count;)
                i = end_pointless(daemon, daemon->queue.items[i]) ? 0 : i + 1;
        const struct queue_limits limits = {
                .jobs = daemon->settings->limits.jobs,
                .jobs_per_hypervisor = daemon->settings->limits.jobs_per_hypervisor,
                .others = OTHERS_AT_ONCE,
                .verifications = VERIFICATIONS_AT_ONCE,
        };
        for (struct job *job; (job = queue_next(&daemon->queue, &limits, daemon->busy,
                                                daemon->n_busy, may_start, daemon));)
                start_job(daemon, job);
}

void runner_cancel(struct daemon *daemon, struct job *job, const char *why)
{
        if (job->state == JOB_QUEUED) {
                end_unstarted(daemon, job, JOB_OUTCOME_CANCELLED, ERROR_CANCELLED, why);
        } else if (job->state == JOB_RUNNING && !job->cancelling) {
                job->cancelling = true;
                log_info("%s: cancelled: %s", job->id, why);
                worker_process_cancel(job->worker);
        }
}

void runner_queue_recover(struct daemon *daemon, const char *vm, const char *hypervisor,
                          const char *why)
{
        queue_recover(daemon, vm, hypervisor, why, (struct process_id){ 0 });
}

static void recover_interrupted(void *data, const struct running_file *file)
{
        struct daemon *daemon = data;
        log_warning("job %s of %s was interrupted by the end of the last daemon; the VM is being "
                    "recovered",
                    file->job, file->vm);
        daemon->listener->interrupted(daemon->listener->data, file);
        orphans_add(daemon, file->vm, file->process);
        queue_recover(daemon, file->vm, file->hypervisor,
                      "a job was interrupted by the end of the last daemon", file->process);
}

void runner_recover_interrupted(struct daemon *daemon)
{
        running_files_take(daemon->state_folder, recover_interrupted, daemon);
}

size_t runner_count_running(const struct daemon *daemon)
{
        size_t n = 0;
        for (size_t i = 0; i < daemon->n_busy; i++)
                n += daemon->busy[i]->state == JOB_RUNNING;
        return n;
}

void runner_done(struct daemon *daemon)
{
        for (size_t i = 0; i < daemon->n_busy; i++)
                daemon->busy[i]->worker = worker_process_free(daemon->busy[i]->worker);
        free(daemon->busy);
        daemon->busy = NULL;
        daemon->n_busy = 0;
}
