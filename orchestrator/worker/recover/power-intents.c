/* Restores power states that an interrupted job changed and whose intent files are still on the
 * hypervisor's disk (worker/vm/power.h). */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/recover/recovery.h"
#include "worker/recover/scripts.h"
#include "worker/vm/power.h"

enum {
        FILES_TIMEOUT_MS = 15 * 1000,
        SHUTDOWN_IS_OURS_S = 15 * 60, /* after this time the guest no longer acts on the request */
};

/* An intent file of an interrupted job. */
struct intent {
        char *file;
        bool shutdown;
        bool same_qemu; /* the QEMU that it was written for still runs the domain */
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

static int recover_pause(struct vm_job *job, const struct intent *intent, bool dry_run,
                         char **ret_text, struct error **err)
{
        _cleanup_free_ char *tag = xstrndup(intent->file, strlen(intent->file) - strlen(".power"));
        struct deadman deadman = { .tag = tag, .action = DEADMAN_RESUME, .armed = true };
        enum domain_state state = DOMAIN_STATE_OTHER;
        bool fired = false;
        if (power_read_state(job, &state, err) < 0)
                return -1;
        bool ours = intent->same_qemu && state == DOMAIN_STATE_PAUSED;
        if (!dry_run && ((ours && power_resume(job, err) < 0) ||
                         deadman_disarm(&deadman, job->host, &fired, err) < 0))
                return -1;
        *ret_text =
                ours    ? xasprintf("%s was still paused by an interrupted job: resumed",
                                    job->vm->name)
                : fired ? xasprintf("the dead-man timer on %s had resumed %s: its job did not do "
                                    "so in time",
                                    job->host->name, job->vm->name)
                        : xasprintf(
                                  "the note of an interrupted job that it would pause %s: removed",
                                  job->vm->name);
        return 0;
}

static int recover_shutdown(struct vm_job *job, const struct intent *intent, bool dry_run,
                            char **ret_text, struct error **err)
{
        enum domain_state state = DOMAIN_STATE_OTHER;
        if (power_read_state(job, &state, err) < 0)
                return -1;
        if (domain_state_is_off(state)) {
                if (!dry_run && power_start(job, err) < 0)
                        return -1;
                *ret_text =
                        xasprintf("%s was off since an interrupted job had shut it down: started",
                                  job->vm->name);
                return 0;
        }
        if (intent->same_qemu && intent->age_seconds < SHUTDOWN_IS_OURS_S)
                return error_set(err, ERROR_BUSY,
                                 "%s was asked by an interrupted job to shut down and still runs: "
                                 "looked at again later, and started if it "
                                 "goes off",
                                 job->vm->name);
        *ret_text = xasprintf(
                "the note of an interrupted job that it would shut down %s: removed, the VM runs",
                job->vm->name);
        return 0;
}

int recover_power_intents(struct vm_job *job, const char *short_uuid, bool dry_run, char **ret_text,
                          struct error **err)
{
        const char *const argv[] = { "sh",
                                     "-c",
                                     find_power_intents_script,
                                     "orch-intents",
                                     job->host_entry->scratch,
                                     short_uuid,
                                     job->uuid,
                                     NULL };
        _cleanup_free_ char *output = NULL;
        *ret_text = NULL;
        if (hypervisor_run(job->host, argv, FILES_TIMEOUT_MS, &output, err) < 0)
                return error_prefix(err, "the notes about power states on %s cannot be looked at",
                                    job->host->name);
        char *rest = NULL;
        for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                struct intent intent;
                if (read_intent(line, &intent) < 0)
                        continue;
                _cleanup_free_ char *path = path_join(job->host_entry->scratch, intent.file);
                _cleanup_free_ char *text = NULL;
                int r = intent.shutdown ? recover_shutdown(job, &intent, dry_run, &text, err)
                                        : recover_pause(job, &intent, dry_run, &text, err);
                if (r < 0 || (!dry_run && power_withdraw(job, path, err) < 0))
                        return -1;
                free(*ret_text);
                *ret_text = TAKE_PTR(text);
        }
        return 0;
}
