/* Implements worker/vm/power.h. What a guest does with a request to shut down is its own affair:
 * one that was asked may go off minutes after everybody stopped waiting. So the intent outlives the
 * job until either the VM was seen to be off and was started again, or so much time has passed that
 * a shutdown is no longer ours. */
#include "worker/vm/power.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/vm/scripts.h"

enum {
        FILES_TIMEOUT_MS = 15 * 1000,
        SHUTDOWN_PATIENCE_MS = 5 * 60 * 1000,
        UNDO_PATIENCE_MS = 60 * 1000,
        STATE_PATIENCE_MS = 15 * 1000,
        POLL_FIRST_US = 20 * 1000,
        POLL_LAST_US = 500 * 1000,
        SHUTDOWN_IS_OURS_S = 15 * 60, /* a request this old has been forgotten by its guest */
};

static char *intent_path(const struct backup *backup)
{
        return xasprintf("%s/%s.power", backup->host_entry->scratch, backup->tag);
}

static int announce(struct backup *backup, const char *what, struct error **err)
{
        _cleanup_free_ char *path = intent_path(backup);
        const char *const argv[] = { "sh", "-c", power_announce_script, "orch-intent",
                                     path, what, backup->uuid,          NULL };
        if (hypervisor_run(backup->host, argv, FILES_TIMEOUT_MS, NULL, err) < 0)
                return error_prefix(
                        err,
                        "%s is left running: what would be done to it cannot be noted in %s on %s",
                        backup->vm->name, path, backup->host->name);
        return 0;
}

static int withdraw(struct backup *backup, const char *path, struct error **err)
{
        const char *const argv[] = { "rm", "-f", "--", path, NULL };
        return hypervisor_run(backup->host, argv, FILES_TIMEOUT_MS, NULL, err);
}

static int read_state(struct backup *backup, enum domain_state *ret, struct error **err)
{
        return hypervisor_domain_state(backup->host, backup->uuid, backup->vm->name, ret, err);
}

static bool is_running(enum domain_state state)
{
        return state == DOMAIN_STATE_RUNNING;
}

static bool is_paused(enum domain_state state)
{
        return state == DOMAIN_STATE_PAUSED;
}

/* 1: it came to be so, 0: not in time. */
static int wait_for(struct backup *backup, bool (*so)(enum domain_state state), int64_t patience_ms,
                    bool may_cancel, struct error **err)
{
        struct deadline deadline = deadline_in_ms(patience_ms);
        useconds_t pause = POLL_FIRST_US;
        for (;;) {
                enum domain_state state = DOMAIN_STATE_OTHER;
                if (read_state(backup, &state, err) < 0 ||
                    (may_cancel && worker_check_cancelled(err) < 0))
                        return -1;
                if (so(state))
                        return 1;
                if (deadline_passed(deadline))
                        return 0;
                report_life(backup->report, "%s is %s; waiting for that to change",
                            backup->vm->name, domain_state_name(state));
                usleep(pause);
                pause = pause * 2 < POLL_LAST_US ? pause * 2 : POLL_LAST_US;
        }
}

static int resume(struct backup *backup, struct error **err)
{
        enum domain_state state = DOMAIN_STATE_OTHER;
        if (read_state(backup, &state, err) < 0)
                return -1;
        /* Off: its next start runs. Running: the dead-man was faster, or it was never paused. */
        if (state != DOMAIN_STATE_PAUSED)
                return 0;
        _cleanup_error_ struct error *error = NULL;
        int r = backup->host->ops->resume(backup->host, backup->uuid, &error);
        int running = wait_for(backup, is_running, r < 0 ? 0 : STATE_PATIENCE_MS, false, err);
        if (running > 0)
                return 0;
        if (running == 0)
                error_set(err, error ? error->kind : ERROR_TIMEOUT,
                          "%s was paused for its backup and could not be resumed%s%s (the dead-man "
                          "timer on %s goes on trying; by "
                          "hand: "
                          "virsh resume %s)",
                          backup->vm->name, error ? ": " : "", error ? error->message : "",
                          backup->host->name, backup->vm->domain);
        return -1;
}

static int settle_pause(struct backup *backup, bool *ret_fired, struct error **err)
{
        _cleanup_free_ char *path = intent_path(backup);
        return resume(backup, err) < 0 ||
                               deadman_disarm(&backup->deadman, backup->host, ret_fired, err) < 0
                       ? -1
                       : withdraw(backup, path, err);
}

static int undo_pause(void *data, struct error **err)
{
        struct backup *backup = data;
        bool fired = false;
        return backup_ensure_connection(backup, err) < 0 ? -1 : settle_pause(backup, &fired, err);
}

int power_pause(struct backup *backup, struct error **err)
{
        unsigned seconds = backup_thaw_deadline_seconds(backup);
        report_step(backup->report, "arm");
        undo_push(&backup->undo, "resume", undo_pause, backup);
        backup->deadman.action = DEADMAN_RESUME;
        if (announce(backup, "suspend", err) < 0 ||
            deadman_arm(&backup->deadman, backup->host, backup->tag, backup->uuid, seconds, err) <
                    0)
                return -1;
        report_step_end(backup->report, STEP_DONE, "resumes after %u s at the latest", seconds);
        report_step(backup->report, "suspend");
        if (backup->host->ops->suspend(backup->host, backup->uuid, err) < 0)
                return error_prefix(err, "%s could not be paused", backup->vm->name);
        int paused = wait_for(backup, is_paused, STATE_PATIENCE_MS, false, err);
        if (paused == 0)
                error_set(err, ERROR_INTERNAL, "%s was told to pause and is not paused",
                          backup->vm->name);
        if (paused <= 0)
                return -1;
        report_step_end(backup->report, STEP_DONE, NULL);
        return 0;
}

void power_resume_first(struct backup *backup)
{
        undo_settle(&backup->undo, "resume");
        undo_push(&backup->undo, "resume", undo_pause, backup);
}

int power_unpause(struct backup *backup, bool *ret_fired, struct error **err)
{
        if (settle_pause(backup, ret_fired, err) < 0)
                return -1;
        undo_settle(&backup->undo, "resume");
        return 0;
}

static int start_and_see(struct backup *backup, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        int r = backup->host->ops->start(backup->host, backup->uuid, false, &error);
        int running = wait_for(backup, is_running, r < 0 ? 0 : STATE_PATIENCE_MS, false, err);
        if (running > 0)
                return 0;
        if (running == 0)
                error_set(err, error ? error->kind : ERROR_TIMEOUT,
                          "%s was shut down for its backup and could not be started again%s%s (on "
                          "%s: virsh start %s)",
                          backup->vm->name, error ? ": " : "", error ? error->message : "",
                          backup->host->name, backup->vm->domain);
        return -1;
}

/* The guest was asked and may still be on its way down. */
static int undo_off(void *data, struct error **err)
{
        struct backup *backup = data;
        if (backup_ensure_connection(backup, err) < 0)
                return -1;
        _cleanup_free_ char *path = intent_path(backup);
        int off = wait_for(backup, domain_state_is_off,
                           backup->shutdown_sent ? UNDO_PATIENCE_MS : 0, false, err);
        if (off < 0)
                return -1;
        if (off == 0 && backup->shutdown_sent)
                return error_set(err, ERROR_BUSY,
                                 "%s was asked to shut down and has not done so: should it go off "
                                 "yet, its next recovery starts it again",
                                 backup->vm->name);
        if (off > 0 && start_and_see(backup, err) < 0)
                return -1;
        backup->running = true;
        return withdraw(backup, path, err);
}

int power_off(struct backup *backup, struct error **err)
{
        if (!backup->info.persistent)
                return error_set(
                        err, ERROR_REFUSED,
                        "%s is a transient domain: once shut down it would be gone from %s",
                        backup->vm->name, backup->host->name);
        report_step(backup->report, "shutdown");
        undo_push(&backup->undo, "power-on", undo_off, backup);
        if (announce(backup, "shutdown", err) < 0)
                return -1;
        backup->shutdown_sent = true;
        if (backup->host->ops->shutdown(backup->host, backup->uuid, err) < 0)
                return error_prefix(err, "%s could not be asked to shut down", backup->vm->name);
        int off = wait_for(backup, domain_state_is_off, SHUTDOWN_PATIENCE_MS, true, err);
        if (off == 0)
                error_set(err, ERROR_TIMEOUT,
                          "%s was asked to shut down and is still on after %d s: does its guest "
                          "heed the power button?",
                          backup->vm->name, SHUTDOWN_PATIENCE_MS / 1000);
        if (off <= 0)
                return -1;
        backup->running = false;
        report_step_end(backup->report, STEP_DONE, "off");
        return 0;
}

int power_on(struct backup *backup, struct error **err)
{
        if (!backup->shutdown_sent)
                return 0;
        report_step(backup->report, "power-on");
        _cleanup_free_ char *path = intent_path(backup);
        enum domain_state state = DOMAIN_STATE_OTHER;
        if (read_state(backup, &state, err) < 0 ||
            (domain_state_is_off(state) && start_and_see(backup, err) < 0))
                return -1;
        backup->running = true;
        if (withdraw(backup, path, err) < 0)
                return -1;
        undo_settle(&backup->undo, "power-on");
        report_step_end(backup->report, STEP_DONE, "running");
        return 0;
}

/* An intent that an interrupted job left. */
struct intent {
        char *file;
        bool shutdown;
        bool same_qemu; /* the QEMU that it was meant for still runs the domain */
        long age_seconds;
};

static int read_intent(char *line, struct intent *ret)
{
        char *rest = NULL;
        char *file = strtok_r(line, " ", &rest);
        const char *what = strtok_r(NULL, " ", &rest);
        const char *same = strtok_r(NULL, " ", &rest);
        const char *age = strtok_r(NULL, " ", &rest);
        if (!file || !what || !same || !age || !name_is_safe(file))
                return -1;
        *ret = (struct intent){ .file = file,
                                .shutdown = streq(what, "shutdown"),
                                .same_qemu = streq(same, "yes"),
                                .age_seconds = strtol(age, NULL, 10) };
        return 0;
}

static int recover_pause(struct backup *backup, const struct intent *intent, bool dry_run,
                         char **ret_text, struct error **err)
{
        _cleanup_free_ char *tag = xstrndup(intent->file, strlen(intent->file) - strlen(".power"));
        struct deadman deadman = { .tag = tag, .action = DEADMAN_RESUME, .armed = true };
        enum domain_state state = DOMAIN_STATE_OTHER;
        bool fired = false;
        if (read_state(backup, &state, err) < 0)
                return -1;
        bool ours = intent->same_qemu && state == DOMAIN_STATE_PAUSED;
        if (!dry_run && ((ours && resume(backup, err) < 0) ||
                         deadman_disarm(&deadman, backup->host, &fired, err) < 0))
                return -1;
        *ret_text =
                ours    ? xasprintf("%s was still paused by an interrupted job: resumed",
                                    backup->vm->name)
                : fired ? xasprintf("the dead-man timer on %s had resumed %s: its job did not do "
                                    "so in time",
                                    backup->host->name, backup->vm->name)
                        : xasprintf(
                                  "the note of an interrupted job that it would pause %s: removed",
                                  backup->vm->name);
        return 0;
}

static int recover_shutdown(struct backup *backup, const struct intent *intent, bool dry_run,
                            char **ret_text, struct error **err)
{
        enum domain_state state = DOMAIN_STATE_OTHER;
        if (read_state(backup, &state, err) < 0)
                return -1;
        if (domain_state_is_off(state)) {
                if (!dry_run && start_and_see(backup, err) < 0)
                        return -1;
                *ret_text =
                        xasprintf("%s was off since an interrupted job had shut it down: started",
                                  backup->vm->name);
                return 0;
        }
        if (intent->same_qemu && intent->age_seconds < SHUTDOWN_IS_OURS_S)
                return error_set(err, ERROR_BUSY,
                                 "%s was asked by an interrupted job to shut down and still runs: "
                                 "looked at again later, and started if it "
                                 "goes off",
                                 backup->vm->name);
        *ret_text = xasprintf(
                "the note of an interrupted job that it would shut down %s: removed, the VM runs",
                backup->vm->name);
        return 0;
}

int power_recover(struct backup *backup, const char *short_uuid, bool dry_run, char **ret_text,
                  struct error **err)
{
        const char *const argv[] = { "sh",
                                     "-c",
                                     power_find_script,
                                     "orch-intents",
                                     backup->host_entry->scratch,
                                     short_uuid,
                                     backup->uuid,
                                     NULL };
        _cleanup_free_ char *output = NULL;
        *ret_text = NULL;
        if (hypervisor_run(backup->host, argv, FILES_TIMEOUT_MS, &output, err) < 0)
                return error_prefix(err, "the notes about power states on %s cannot be looked at",
                                    backup->host->name);
        char *rest = NULL;
        for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                struct intent intent;
                if (read_intent(line, &intent) < 0)
                        continue;
                _cleanup_free_ char *path = path_join(backup->host_entry->scratch, intent.file);
                _cleanup_free_ char *text = NULL;
                int r = intent.shutdown ? recover_shutdown(backup, &intent, dry_run, &text, err)
                                        : recover_pause(backup, &intent, dry_run, &text, err);
                if (r < 0 || (!dry_run && withdraw(backup, path, err) < 0))
                        return -1;
                free(*ret_text);
                *ret_text = TAKE_PTR(text);
        }
        return 0;
}
