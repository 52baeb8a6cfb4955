/* Implements daemon/jobs/recoveries.h. */
#include "daemon/jobs/recoveries.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/jobs/running-files.h"
#include "daemon/state/state.h"
#include "schema/records/steps.h"

/* A VM that waits for its operator (a saved VM for its start) may have a guest that is frozen once
 * it runs: it is tried more often. */
enum {
        FIRST_DELAY_MS = 15 * 1000,
        LONGEST_BUSY_DELAY_MS = 60 * 1000,
        LONGEST_DELAY_MS = 10 * 60 * 1000
};

struct pending {
        char *vm;
        char *hypervisor; /* or NULL */
        char *file;       /* the job whose running-job file it is kept in */
        int64_t delay_ms;
        bool queued; /* its next try */
        struct deadline due;
};

struct recoveries {
        struct pending *items;
        size_t count;
};

static void pending_done(struct pending *pending)
{
        free(pending->vm);
        free(pending->hypervisor);
        free(pending->file);
}

struct recoveries *recoveries_new(void)
{
        return xcalloc(1, sizeof(struct recoveries));
}

struct recoveries *recoveries_free(struct recoveries *recoveries)
{
        for (size_t i = 0; recoveries && i < recoveries->count; i++)
                pending_done(&recoveries->items[i]);
        if (recoveries)
                free(recoveries->items);
        free(recoveries);
        return NULL;
}

static struct pending *find_pending(struct recoveries *recoveries, const char *vm)
{
        for (size_t i = 0; i < recoveries->count; i++)
                if (streq(recoveries->items[i].vm, vm))
                        return &recoveries->items[i];
        return NULL;
}

static void forget_pending(struct daemon *daemon, struct pending *pending)
{
        struct recoveries *recoveries = daemon->recoveries;
        size_t index = (size_t)(pending - recoveries->items);
        running_file_remove(daemon->state_folder, pending->file);
        pending_done(pending);
        memmove(pending, pending + 1, (recoveries->count - index - 1) * sizeof *pending);
        recoveries->count--;
}

/* One bit for each undo entry that failed, and the last one for a pull that is not over. */
#define UNDO_BIT(name) (1U << (name))
#define PULL_IS_LEFT (1U << 31)
_Static_assert(UNDO_NAME_COUNT <= 31, "an undo entry needs a bit of its own");

/* A VM that runs from the share until its disks are pulled is recovered again until they are. Other
 * jobs of the VM need not wait for its restore, which only watches by then; they run beside it. A
 * backup and a recovery check the pulls of all restores before they start, so one finished pull
 * does not clear the others. */
static void note_pull(struct job *job, enum step_state state)
{
        if (job->action == JOB_RESTORE) {
                job->beside = job->pulls = true;
                job->left_undone &= ~PULL_IS_LEFT;
        }
        if (state == STEP_FAILED || state == STEP_SKIPPED)
                job->left_undone |= PULL_IS_LEFT;
}

/* A restore has one undo entry for all that it changed. */
void recoveries_note_step(struct job *job, const struct event *event)
{
        enum undo_name undone = undo_name_parse(event->step);
        if (step_name_parse(event->step) == STEP_NAME_PULL) {
                note_pull(job, event->state);
                return;
        }
        if (job->action == JOB_RESTORE && undone == UNDO_NAME_RESTORE)
                job->left_undone = event->state == STEP_FAILED ? UNDO_BIT(undone) : 0;
        if (job->action == JOB_RESTORE || undone == UNDO_NAME_RESTORE ||
            !undo_leaves_vm_in_need(undone))
                return;
        if (event->state == STEP_FAILED)
                job->left_undone |= UNDO_BIT(undone);
        else if (event->state == STEP_UNDONE)
                job->left_undone &= ~UNDO_BIT(undone);
}

/* What an operator has to decide is not tried again automatically. */
static bool may_pass(enum error_kind kind)
{
        return kind != ERROR_REFUSED && kind != ERROR_CONFIG && kind != ERROR_CORRUPT &&
               kind != ERROR_CANCELLED;
}

static bool needs_another(const struct job *job)
{
        if (job->action == JOB_BACKUP || job->action == JOB_RESTORE ||
            job->action == JOB_TEST_RESTORE)
                return job->left_undone != 0;
        if (job->left_undone)
                return true;
        return job->outcome == JOB_OUTCOME_FAILED && may_pass(job->error_kind);
}

bool recoveries_note_end(struct daemon *daemon, const struct job *job)
{
        if (!job->vm || job->dry_run ||
            (job->action != JOB_BACKUP && job->action != JOB_RESTORE &&
             job->action != JOB_TEST_RESTORE && job->action != JOB_RECOVER))
                return false;
        struct recoveries *recoveries = daemon->recoveries;
        struct pending *pending = find_pending(recoveries, job->vm);
        if (!needs_another(job)) {
                /* A restore and a test restore do not check what else of the VM may have to be
                 * recovered. */
                bool settled = (job->outcome == JOB_OUTCOME_OK && job->action == JOB_BACKUP) ||
                               job->action == JOB_RECOVER;
                if (pending && settled)
                        forget_pending(daemon, pending);
                return false;
        }
        int64_t first_ms = daemon->options.recover_delay_ms ? daemon->options.recover_delay_ms
                                                            : FIRST_DELAY_MS;
        int64_t longest_ms =
                job->error_kind == ERROR_BUSY ? LONGEST_BUSY_DELAY_MS : LONGEST_DELAY_MS;
        int64_t delay_ms = pending ? pending->delay_ms * 2 : first_ms;
        if (delay_ms > longest_ms)
                delay_ms = longest_ms;
        if (pending)
                forget_pending(daemon, pending);
        recoveries->items =
                xrealloc_array(recoveries->items, recoveries->count + 1, sizeof *recoveries->items);
        recoveries->items[recoveries->count++] = (struct pending){
                .vm = xstrdup(job->vm),
                .hypervisor = xstrdup(job->hypervisor),
                .file = xstrdup(job->id),
                .delay_ms = delay_ms,
                .due = deadline_in_ms(delay_ms),
        };
        long long seconds = (long long)recoveries->items[recoveries->count - 1].delay_ms / 1000;
        if (job->left_undone == PULL_IS_LEFT)
                log_warning("%s: the restored %s still runs from the share; its pull is resumed in "
                            "%lld s",
                            job->id, job->vm, seconds);
        else
                log_warning(
                        "%s: %s could not be repaired completely; its recovery is tried in %lld s",
                        job->id, job->vm, seconds);
        return true;
}

const char *recoveries_take_due(struct recoveries *recoveries, const char **ret_hypervisor)
{
        for (size_t i = 0; recoveries && i < recoveries->count; i++) {
                struct pending *pending = &recoveries->items[i];
                if (pending->queued || !deadline_passed(pending->due))
                        continue;
                pending->queued = true;
                *ret_hypervisor = pending->hypervisor;
                return pending->vm;
        }
        return NULL;
}
