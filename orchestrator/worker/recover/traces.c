/* Parts of a recovery (worker/recover/recovery.h): what interrupted jobs left running on the
 * hypervisor, and the guests that they froze.
 *
 * A guest is thawed only while a watchdog timer of ours is armed for the QEMU that it runs in, or
 * that its memory came from; without such a timer, the freeze is somebody else's. A watchdog timer
 * is disarmed only after `thawed` was seen, or after the guest that it was armed for is gone. A
 * timer whose guest is in a saved image stays armed. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/job/names.h"
#include "worker/recover/recovery.h"
#include "worker/recover/scripts.h"
#include "worker/vm/power.h"

enum { COMMAND_TIMEOUT_MS = 30 * 1000 };

/* Whether the job of a unit "orch-<short>-<job>-copy" is one of this VM's interrupted ones. */
static bool is_of_our_jobs(const struct recovery *recovery, const char *unit)
{
        for (size_t i = 0; recovery->jobs && recovery->jobs[i]; i++) {
                _cleanup_free_ char *tag = names_tag(recovery->short_uuid, recovery->jobs[i]);
                if (str_starts_with(unit, tag))
                        return true;
        }
        return false;
}

static bool is_dead_man(const char *unit)
{
        return str_ends_with(unit, "-thaw") || str_ends_with(unit, "-resume");
}

static void stop_one(struct recovery *recovery, const char *unit)
{
        struct vm_job *job = recovery->job;
        struct error *error = NULL;
        if (!recovery->dry_run && job->host->ops->stop_unit(job->host, unit, &error) < 0) {
                error_prefix(&error, "%s of an interrupted job still runs on %s", unit,
                             job->host->name);
                recovery_fails(recovery, error);
                return;
        }
        recovery_says(recovery, "%s of an interrupted job still ran on %s: stopped", unit,
                      job->host->name);
}

void recover_units(struct recovery *recovery)
{
        struct vm_job *job = recovery->job;
        _cleanup_free_ char *folder =
                xasprintf("%s/%s/%s/.staging-", job->host_repository, job->home, job->vm->name);
        const char *const argv[] = {
                "sh", "-c", list_units_script, "orch-units", recovery->short_uuid, folder, NULL
        };
        _cleanup_free_ char *output = NULL;
        struct error *error = NULL;
        if (hypervisor_run(job->host, argv, COMMAND_TIMEOUT_MS, &output, &error) < 0) {
                recovery_fails(recovery, error);
                return;
        }
        char *rest = NULL;
        for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                const char *unit = strchr(line, ' ');
                if (!unit || !name_is_safe(unit + 1) || is_dead_man(unit + 1))
                        continue;
                if (str_starts_with(line, "mine ") || is_of_our_jobs(recovery, unit + 1))
                        stop_one(recovery, unit + 1);
        }
}

void recover_power(struct recovery *recovery)
{
        struct vm_job *job = recovery->job;
        struct error *error = NULL;
        _cleanup_free_ char *text = NULL;
        if (recover_power_intents(job, recovery->short_uuid, recovery->dry_run, &text, &error) < 0)
                recovery_fails(recovery, error);
        if (text)
                recovery_says(recovery, "%s", text);
}

static void report_trace(void *data, const char *text)
{
        recovery_says(data, "%s", text);
}

void recover_chain(struct recovery *recovery)
{
        struct error *error = NULL;
        if (recover_chain_traces(recovery->job, recovery->short_uuid, recovery->dry_run,
                                 report_trace, recovery, &error) < 0)
                recovery_fails(recovery, error);
}

int recover_find_freezes(struct recovery *recovery, struct error **err)
{
        struct vm_job *job = recovery->job;
        if (deadman_find(job->host, recovery->short_uuid, job->uuid, &recovery->deadmen, err) < 0)
                return -1;
        for (size_t i = 0; recovery->deadmen.foreign && recovery->deadmen.foreign[i]; i++)
                report_warning(job->report,
                               "another orch has a dead-man timer armed for %s (%s): left alone",
                               job->vm->name, recovery->deadmen.foreign[i]);
        return 0;
}

/* Disarms the watchdog timers of `tags`. */
static void disarm_tags(struct recovery *recovery, char ***tags, const char *what)
{
        struct vm_job *job = recovery->job;
        for (size_t i = 0; *tags && (*tags)[i]; i++) {
                struct deadman deadman = { .tag = (*tags)[i], .armed = true };
                struct error *error = NULL;
                bool fired = false;
                if (!recovery->dry_run && deadman_disarm(&deadman, job->host, &fired, &error) < 0)
                        recovery_fails(recovery, error);
                else
                        recovery_says(recovery, "%s%s", what,
                                      fired && tags == &recovery->deadmen.armed ? " (it had fired)"
                                                                                : "");
        }
        *tags = strv_free(*tags);
}

int recover_thaw(struct recovery *recovery, struct error **err)
{
        struct vm_job *job = recovery->job;
        enum fsfreeze_status status = FSFREEZE_THAWED;
        if (job->host->ops->fsfreeze_status(job->host, job->uuid, &status, err) < 0)
                return error_prefix(err,
                                    "an interrupted job may have frozen %s, and its agent does not "
                                    "answer; the dead-man timer on "
                                    "%s goes on trying. By hand, "
                                    "once the agent answers (on %s): virsh domfsthaw %s",
                                    job->vm->name, job->host->name, job->host->name,
                                    job->vm->domain);
        if (status == FSFREEZE_THAWED)
                return 0;
        if (!recovery->dry_run && vm_job_thaw(job, err) < 0)
                return -1;
        recovery_says(recovery, "%s was still frozen by an interrupted job: thawed", job->vm->name);
        return 0;
}

void recover_freezes(struct recovery *recovery)
{
        struct vm_job *job = recovery->job;
        struct deadman_traces *deadmen = &recovery->deadmen;
        _cleanup_free_ char *fired = xasprintf(
                "the dead-man timer on %s had fired and thawed %s: its job did not thaw it in time",
                job->host->name, job->vm->name);
        disarm_tags(recovery, &deadmen->fired, fired);
        disarm_tags(
                recovery, &deadmen->stale,
                "the guest that an interrupted job may have frozen is gone: its dead-man timer is "
                "removed");
        if (!deadmen->armed)
                return;
        _cleanup_domain_info_ struct domain_info info = { 0 };
        struct error *error = NULL;
        int found = job->host->ops->find_domain(job->host, job->uuid, NULL, &info, &error);
        if (found < 0) {
                recovery_fails(recovery, error);
                return;
        }
        bool has_guest = found == 1 && !domain_state_is_off(info.state);
        /* A paused guest cannot answer. If its overlay's I/O error caused the pause, the guest is
         * asked again after the commit. */
        if (has_guest && info.state == DOMAIN_STATE_PAUSED) {
                if (recovery->thaw_waits)
                        report_warning(job->report,
                                       "%s is paused and may be frozen: the dead-man timer on %s "
                                       "thaws it once it runs",
                                       job->vm->name, job->host->name);
                recovery->thaw_waits = true;
                return;
        }
        if (!has_guest && found == 1 && info.has_managed_save) {
                vm_job_refuse_saved(job, &error);
                recovery_fails(recovery, error);
                return;
        }
        if (has_guest && recover_thaw(recovery, &error) < 0) {
                recovery_fails(recovery, error);
                return;
        }
        disarm_tags(recovery, &deadmen->armed,
                    "the dead-man timer of an interrupted job was still armed: disarmed");
}
