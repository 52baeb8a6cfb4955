/* Implements worker/recover/recover.h: the order, and the job `orch recover`.
 *
 * Order: inspect → stop running copies (a commit must never meet a reader of its base) → power
 * state → thaw → commit → thaw, if the guest was paused until then → leftover files → the share.
 * The share comes last and may be unavailable: nothing that a guest needs waits for it. */
#include "worker/recover/recover.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/leases.h"
#include "repository/restores.h"
#include "repository/staging-sweep.h"
#include "worker/job/connect.h"
#include "worker/job/names.h"
#include "worker/recover/recovery.h"
#include "worker/restore/restore.h"

/* Finds interrupted jobs on the share. An unavailable share does not make the rest less urgent. */
static void find_staging(struct recovery *recovery)
{
        struct vm_job *job = recovery->job;
        struct error *error = NULL;
        _cleanup_strv_ char **jobs = NULL;
        if (!job->repository)
                return;
        if (staging_list(job->repository, job->home, job->vm->name, &jobs, &error) < 0)
                recovery_fails(recovery, error);
        for (size_t i = 0; jobs && jobs[i]; i++)
                if (names_is_job(jobs[i]) && !strv_contains(recovery->jobs, jobs[i]))
                        strv_add(&recovery->jobs, jobs[i]);
}

static void recover_staging(struct recovery *recovery)
{
        struct vm_job *job = recovery->job;
        struct error *error = NULL;
        _cleanup_strv_ char **jobs = NULL;
        size_t removed = 0;
        if (!job->repository)
                return;
        if (staging_list(job->repository, job->home, job->vm->name, &jobs, &error) < 0 ||
            (!recovery->dry_run &&
             staging_sweep(job->repository, job->home, job->vm->name, &removed, &error) < 0)) {
                recovery_fails(recovery, error);
                return;
        }
        size_t count = recovery->dry_run ? strv_length(jobs) : removed;
        if (count)
                recovery_says(
                        recovery,
                        "unfinished folders of interrupted jobs on the share (%zu) are removed",
                        count);
        /* The commands run after the staging folders were removed, so that none runs twice. */
        for (size_t i = 0; !recovery->dry_run && jobs && jobs[i]; i++)
                if (names_is_job(jobs[i]))
                        vm_job_post_commands_of_interrupted(job, jobs[i]);
}

/* Retention may remove a point again once nobody reads it; the user need not be told. */
static void sweep_leases(struct recovery *recovery)
{
        struct vm_job *job = recovery->job;
        struct error *error = NULL;
        size_t removed = 0;
        if (job->repository &&
            leases_sweep(job->repository, job->home, job->vm->name, clock_realtime_s(),
                         recovery->dry_run, &removed, &error) < 0)
                recovery_fails(recovery, error);
        if (removed)
                report_log(job->report, "%zu leases of points by processes that are gone", removed);
}

static int recovery_probe(struct recovery *recovery, struct error **err)
{
        if (recover_read_disks(recovery, err) < 0 || recover_find_freezes(recovery, err) < 0)
                return -1;
        find_staging(recovery);
        return 0;
}

int recover_domain(struct vm_job *job, size_t *ret_repaired, struct error **err)
{
        _cleanup_(recovery_done) struct recovery recovery = {
                .job = job,
                .dry_run = job->request->dry_run,
                .short_uuid = names_short_uuid(job->request->repository_uuid),
                .leftover = {
                        .request = job->request,
                        .settings = job->settings,
                        .vm = job->vm,
                        .report = job->report,
                        .repository = job->repository,
                        .host = job->host,
                        .host_entry = job->host_entry,
                        .inventory = job->inventory,
                        .uuid = job->uuid,
                        .running = job->running,
                },
        };
        if (recovery_probe(&recovery, err) < 0)
                return -1;
        recover_units(&recovery);
        recover_power(&recovery);
        recover_freezes(&recovery);
        recover_overlays(&recovery);
        if (recovery.thaw_waits)
                recover_freezes(&recovery);
        recover_moved_freezes(&recovery);
        recover_orphans(&recovery);
        recover_chain(&recovery);
        recover_staging(&recovery);
        sweep_leases(&recovery);
        *ret_repaired = recovery.repaired;
        return recovery.problem ? error_propagate(err, TAKE_PTR(recovery.problem)) : 0;
}

int recover_repair(struct vm_job *job, struct error **err)
{
        size_t repaired = 0;
        if (recover_domain(job, &repaired, err) < 0)
                return error_prefix(err, "left by an interrupted job");
        /* The repair may have changed the power state of the VM. */
        domain_info_done(&job->info);
        int found = job->host->ops->find_domain(job->host, job->uuid, NULL, &job->info, err);
        if (found == 0)
                return error_set(err, ERROR_REFUSED, "%s vanished from %s", job->vm->name,
                                 job->host->name);
        if (found > 0)
                job->running = job->was_running = job->info.state == DOMAIN_STATE_RUNNING ||
                                                  job->info.state == DOMAIN_STATE_PAUSED;
        report_step_end(job->report, STEP_DONE, "%zu leftovers %s", repaired,
                        job->request->dry_run ? "found" : "put right");
        return found < 0 ? -1 : 0;
}

/* The share is optional, because a VM must not stay on its overlay while the share is
 * unavailable. */
static void recover_open_share(struct vm_job *job, struct error **ret_problem)
{
        report_step(job->report, STEP_NAME_OPEN_SHARE);
        job->repository = worker_open_repository(job->settings, job->request, ret_problem);
        if (*ret_problem)
                report_step_end(job->report, STEP_FAILED,
                                "%s; what was left on hypervisors is looked for all the same",
                                (*ret_problem)->message);
}

/* Runs before the VM is located, because a restore that was to replace it may have taken it
 * apart. */
static int recover_restores(struct vm_job *job, struct error **err)
{
        size_t repaired = 0;
        if (!job->repository)
                return 0;
        report_step(job->report, STEP_NAME_RESTORES);
        if (restore_recover(job, &repaired, err) < 0)
                return -1;
        report_step_end(job->report, STEP_DONE, "%zu interrupted", repaired);
        return 0;
}

/* A VM that is not, or no longer, in the inventory may still have been restored. */
static int recover_unlisted(struct vm_job *job, struct error **err)
{
        _cleanup_restore_journals_ struct restore_journals journals = { 0 };
        _cleanup_error_ struct error *no_share = NULL;
        const char *name = job->request->vm;
        recover_open_share(job, &no_share);
        if (no_share)
                return error_propagate(err, TAKE_PTR(no_share));
        if (repository_check_holder(job->repository, getppid(), err) < 0 ||
            restores_scan(job->repository, name, &journals, err) < 0)
                return -1;
        if (journals.count == 0) {
                report_step(job->report, STEP_NAME_RESTORES); /* the share is open */
                return error_set(
                        err, ERROR_CONFIG,
                        "the inventory has no VM named %s, and no restore of one is unfinished",
                        name);
        }
        return recover_restores(job, err);
}

static int locate_and_repair(struct vm_job *job, struct error **err)
{
        report_step(job->report, STEP_NAME_LOCATE);
        if (vm_job_locate(job, err) < 0)
                return -1;
        report_step(job->report, STEP_NAME_REPAIR);
        return recover_repair(job, err);
}

/* If the VM is on another hypervisor, a problem with its home does not affect the VM, so it only
 * fails this step and not the job. */
static int remove_tests(struct vm_job *job, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        size_t count = 0;
        report_step(job->report, STEP_NAME_TEST_DOMAINS);
        if (recover_tests(job, false, &count, &error) == 0) {
                report_step_end(job->report, STEP_DONE, "%zu leftovers %s", count,
                                job->request->dry_run ? "found" : "removed");
                return 0;
        }
        bool elsewhere = job->host_entry && !streq(job->host_entry->name, job->home);
        if (err && !(elsewhere && error->kind != ERROR_INTERNAL))
                return error_propagate(err, TAKE_PTR(error));
        report_step_end(job->report, STEP_FAILED, "%s", error->message);
        return 0;
}

static int recover_vm(struct vm_job *job, struct error **err)
{
        _cleanup_error_ struct error *no_share = NULL;
        recover_open_share(job, &no_share);
        /* Without this check, files of the orch that holds the repository now could be taken for
         * leftovers. */
        if (job->repository && repository_check_holder(job->repository, getppid(), err) < 0)
                return -1;
        if (recover_restores(job, err) < 0)
                return -1;
        int r = locate_and_repair(job, err);
        if (r == 0)
                r = remove_tests(job, err);
        else
                (void)remove_tests(job, NULL);
        if (r < 0)
                return -1;
        return no_share ? error_propagate(err, TAKE_PTR(no_share)) : 0;
}

int recover_run(const struct job_request *request, const struct settings *settings,
                const struct inventory *inventory, struct report *report)
{
        _cleanup_(vm_job_done) struct vm_job job = {
                .request = request,
                .settings = settings,
                .inventory = inventory,
                .vm = inventory_find_vm(inventory, request->vm ? request->vm : ""),
                .report = report,
        };
        _cleanup_error_ struct error *failure = NULL;
        job.metadata = metadata_new();
        if (job.vm)
                job.home = xstrdup(job.vm->hypervisor ? job.vm->hypervisor
                                                      : request->pinned_hypervisor);
        if ((job.vm ? recover_vm(&job, &failure) : recover_unlisted(&job, &failure)) < 0 &&
            report->step)
                report_step_end(report, STEP_FAILED, "%s", failure->message);
        report_result(report, failure ? "failed" : "ok", NULL, failure);
        return failure ? STATUS_JOB_FAILED : STATUS_OK;
}
