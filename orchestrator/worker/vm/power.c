/* Implements worker/vm/power.h. A guest decides when to follow a request to shut down: it may shut
 * off minutes after orch stopped waiting. So the intent file outlives the job, until the VM was
 * seen shut off and was started again, or until so much time has passed that a shutdown cannot be
 * due to orch. */
#include "worker/vm/power.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/job/cancel.h"
#include "worker/vm/scripts.h"

enum {
        FILES_TIMEOUT_MS = 15 * 1000,
        SHUTDOWN_PATIENCE_MS = 5 * 60 * 1000,
        UNDO_PATIENCE_MS = 60 * 1000,
        STATE_PATIENCE_MS = 15 * 1000,
        POLL_FIRST_US = 20 * 1000,
        POLL_LAST_US = 500 * 1000,
};

static char *power_intent_path(const struct vm_job *job)
{
        return xasprintf("%s/%s.power", job->host_entry->scratch, job->tag);
}

static int power_announce(struct vm_job *job, const char *what, struct error **err)
{
        _cleanup_free_ char *path = power_intent_path(job);
        const char *const argv[] = { "sh",          "-c", power_announce_script,
                                     "orch-intent", path, what,
                                     job->uuid,     NULL };
        if (hypervisor_run(job->host, argv, FILES_TIMEOUT_MS, NULL, err) < 0)
                return error_prefix(
                        err,
                        "%s is left running: what would be done to it cannot be noted in %s on %s",
                        job->vm->name, path, job->host->name);
        return 0;
}

int power_withdraw(struct vm_job *job, const char *path, struct error **err)
{
        const char *const argv[] = { "rm", "-f", "--", path, NULL };
        return hypervisor_run(job->host, argv, FILES_TIMEOUT_MS, NULL, err);
}

int power_read_state(struct vm_job *job, enum domain_state *ret, struct error **err)
{
        return hypervisor_domain_state(job->host, job->uuid, job->vm->name, ret, err);
}

static bool is_running(enum domain_state state)
{
        return state == DOMAIN_STATE_RUNNING;
}

static bool is_paused(enum domain_state state)
{
        return state == DOMAIN_STATE_PAUSED;
}

/* 1: the state was reached, 0: the time expired. */
static int wait_for(struct vm_job *job, bool (*so)(enum domain_state state), int64_t patience_ms,
                    bool may_cancel, struct error **err)
{
        struct deadline deadline = deadline_in_ms(patience_ms);
        useconds_t pause = POLL_FIRST_US;
        for (;;) {
                enum domain_state state = DOMAIN_STATE_OTHER;
                if (power_read_state(job, &state, err) < 0 ||
                    (may_cancel && worker_check_cancelled(err) < 0))
                        return -1;
                if (so(state))
                        return 1;
                if (deadline_passed(deadline))
                        return 0;
                report_life(job->report, "%s is %s; waiting for that to change", job->vm->name,
                            domain_state_name(state));
                usleep(pause);
                pause = pause * 2 < POLL_LAST_US ? pause * 2 : POLL_LAST_US;
        }
}

int power_resume(struct vm_job *job, struct error **err)
{
        enum domain_state state = DOMAIN_STATE_OTHER;
        if (power_read_state(job, &state, err) < 0)
                return -1;
        /* Off: its next start runs it. Running: the watchdog timer was faster, or it was never
         * paused. */
        if (state != DOMAIN_STATE_PAUSED)
                return 0;
        _cleanup_error_ struct error *error = NULL;
        int r = job->host->ops->resume(job->host, job->uuid, &error);
        int running = wait_for(job, is_running, r < 0 ? 0 : STATE_PATIENCE_MS, false, err);
        if (running > 0)
                return 0;
        if (running == 0)
                error_set(err, error ? error->kind : ERROR_TIMEOUT,
                          "%s was paused for its backup and could not be resumed%s%s (the dead-man "
                          "timer on %s goes on trying; by "
                          "hand: "
                          "virsh resume %s)",
                          job->vm->name, error ? ": " : "", error ? error->message : "",
                          job->host->name, job->vm->domain);
        return -1;
}

static int settle_pause(struct vm_job *job, bool *ret_fired, struct error **err)
{
        _cleanup_free_ char *path = power_intent_path(job);
        return power_resume(job, err) < 0 ||
                               deadman_disarm(&job->deadman, job->host, ret_fired, err) < 0
                       ? -1
                       : power_withdraw(job, path, err);
}

static int undo_pause(void *data, struct error **err)
{
        struct vm_job *job = data;
        bool fired = false;
        return vm_job_ensure_connection(job, err) < 0 ? -1 : settle_pause(job, &fired, err);
}

int power_pause(struct vm_job *job, struct error **err)
{
        unsigned seconds = vm_job_thaw_deadline_seconds(job);
        report_step(job->report, STEP_NAME_ARM);
        undo_push(&job->undo, UNDO_NAME_RESUME, undo_pause, job);
        job->deadman.action = DEADMAN_RESUME;
        if (power_announce(job, "suspend", err) < 0 ||
            deadman_arm(&job->deadman, job->host, job->tag, job->uuid, seconds, err) < 0)
                return -1;
        report_step_end(job->report, STEP_DONE, "resumes after %u s at the latest", seconds);
        report_step(job->report, STEP_NAME_SUSPEND);
        if (job->host->ops->suspend(job->host, job->uuid, err) < 0)
                return error_prefix(err, "%s could not be paused", job->vm->name);
        int paused = wait_for(job, is_paused, STATE_PATIENCE_MS, false, err);
        if (paused == 0)
                error_set(err, ERROR_INTERNAL, "%s was told to pause and is not paused",
                          job->vm->name);
        if (paused <= 0)
                return -1;
        report_step_end(job->report, STEP_DONE, NULL);
        return 0;
}

int power_unpause(struct vm_job *job, bool *ret_fired, struct error **err)
{
        if (settle_pause(job, ret_fired, err) < 0)
                return -1;
        undo_settle(&job->undo, UNDO_NAME_RESUME);
        return 0;
}

int power_start(struct vm_job *job, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        int r = job->host->ops->start(job->host, job->uuid, false, &error);
        int running = wait_for(job, is_running, r < 0 ? 0 : STATE_PATIENCE_MS, false, err);
        if (running > 0)
                return 0;
        if (running == 0)
                error_set(err, error ? error->kind : ERROR_TIMEOUT,
                          "%s was shut down for its backup and could not be started again%s%s (on "
                          "%s: virsh start %s)",
                          job->vm->name, error ? ": " : "", error ? error->message : "",
                          job->host->name, job->vm->domain);
        return -1;
}

/* The guest was asked to shut down and may still do so. */
static int undo_off(void *data, struct error **err)
{
        struct vm_job *job = data;
        if (vm_job_ensure_connection(job, err) < 0)
                return -1;
        _cleanup_free_ char *path = power_intent_path(job);
        int off = wait_for(job, domain_state_is_off, job->shutdown_sent ? UNDO_PATIENCE_MS : 0,
                           false, err);
        if (off < 0)
                return -1;
        if (off == 0 && job->shutdown_sent)
                return error_set(err, ERROR_BUSY,
                                 "%s was asked to shut down and has not done so: should it go off "
                                 "yet, its next recovery starts it again",
                                 job->vm->name);
        if (off > 0 && power_start(job, err) < 0)
                return -1;
        job->running = true;
        return power_withdraw(job, path, err);
}

int power_off(struct vm_job *job, struct error **err)
{
        if (!job->info.persistent)
                return error_set(
                        err, ERROR_REFUSED,
                        "%s is a transient domain: once shut down it would be gone from %s",
                        job->vm->name, job->host->name);
        report_step(job->report, STEP_NAME_SHUTDOWN);
        undo_push(&job->undo, UNDO_NAME_POWER_ON, undo_off, job);
        if (power_announce(job, "shutdown", err) < 0)
                return -1;
        job->shutdown_sent = true;
        if (job->host->ops->shutdown(job->host, job->uuid, err) < 0)
                return error_prefix(err, "%s could not be asked to shut down", job->vm->name);
        int off = wait_for(job, domain_state_is_off, SHUTDOWN_PATIENCE_MS, true, err);
        if (off == 0)
                error_set(err, ERROR_TIMEOUT,
                          "%s was asked to shut down and is still on after %d s: does its guest "
                          "heed the power button?",
                          job->vm->name, SHUTDOWN_PATIENCE_MS / 1000);
        if (off <= 0)
                return -1;
        job->running = false;
        report_step_end(job->report, STEP_DONE, "off");
        return 0;
}

int power_on(struct vm_job *job, struct error **err)
{
        if (!job->shutdown_sent)
                return 0;
        report_step(job->report, STEP_NAME_POWER_ON);
        _cleanup_free_ char *path = power_intent_path(job);
        enum domain_state state = DOMAIN_STATE_OTHER;
        if (power_read_state(job, &state, err) < 0 ||
            (domain_state_is_off(state) && power_start(job, err) < 0))
                return -1;
        job->running = true;
        if (power_withdraw(job, path, err) < 0)
                return -1;
        undo_settle(&job->undo, UNDO_NAME_POWER_ON);
        report_step_end(job->report, STEP_DONE, "running");
        return 0;
}
