/* Implements worker/recover/recover.h: the order, and the job `orch recover`.
 *
 * Order: look → stop what still copies (a commit must never meet a reader of its base) → power
 * state → thaw → commit → thaw, where the guest was paused until then → leftover files → the share.
 * The share comes last and may be missing: nothing that a guest needs waits for it. */
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

/* What the share knows of interrupted jobs; a share that is away makes the rest no less urgent. */
static void find_staging(struct recovery *recovery)
{
        struct backup *backup = recovery->backup;
        struct error *error = NULL;
        _cleanup_strv_ char **jobs = NULL;
        if (!backup->repository)
                return;
        if (staging_list(backup->repository, backup->home, backup->vm->name, &jobs, &error) < 0)
                recovery_fails(recovery, error);
        for (size_t i = 0; jobs && jobs[i]; i++)
                if (names_is_job(jobs[i]) && !strv_contains(recovery->jobs, jobs[i]))
                        strv_add(&recovery->jobs, jobs[i]);
}

static void recover_staging(struct recovery *recovery)
{
        struct backup *backup = recovery->backup;
        struct error *error = NULL;
        _cleanup_strv_ char **jobs = NULL;
        size_t removed = 0;
        if (!backup->repository)
                return;
        if (staging_list(backup->repository, backup->home, backup->vm->name, &jobs, &error) < 0 ||
            (!recovery->dry_run && staging_sweep(backup->repository, backup->home, backup->vm->name,
                                                 &removed, &error) < 0)) {
                recovery_fails(recovery, error);
                return;
        }
        size_t count = recovery->dry_run ? strv_length(jobs) : removed;
        if (count)
                recovery_says(
                        recovery,
                        "unfinished folders of interrupted jobs on the share (%zu) are removed",
                        count);
        /* Once they are removed, so that none is run twice. */
        for (size_t i = 0; !recovery->dry_run && jobs && jobs[i]; i++)
                if (names_is_job(jobs[i]))
                        backup_post_commands_of_interrupted(backup, jobs[i]);
}

/* A point that nobody reads any more is retention's again: nothing that a person needs to be
 * told. */
static void sweep_leases(struct recovery *recovery)
{
        struct backup *backup = recovery->backup;
        struct error *error = NULL;
        size_t removed = 0;
        if (backup->repository &&
            leases_sweep(backup->repository, backup->home, backup->vm->name, clock_realtime_s(),
                         recovery->dry_run, &removed, &error) < 0)
                recovery_fails(recovery, error);
        if (removed)
                report_log(backup->report, "%zu leases of points by processes that are gone",
                           removed);
}

static int look(struct recovery *recovery, struct error **err)
{
        if (recover_read_disks(recovery, err) < 0 || recover_find_freezes(recovery, err) < 0)
                return -1;
        find_staging(recovery);
        return 0;
}

int recover_domain(struct backup *backup, size_t *ret_repaired, struct error **err)
{
        _cleanup_(recovery_done) struct recovery recovery = {
                .backup = backup,
                .dry_run = backup->request->dry_run,
                .short_uuid = names_short_uuid(backup->request->repository_uuid),
                .leftover = {
                        .request = backup->request,
                        .settings = backup->settings,
                        .vm = backup->vm,
                        .report = backup->report,
                        .repository = backup->repository,
                        .host = backup->host,
                        .host_entry = backup->host_entry,
                        .inventory = backup->inventory,
                        .uuid = backup->uuid,
                        .running = backup->running,
                },
        };
        if (look(&recovery, err) < 0)
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

int backup_repair(struct backup *backup, struct error **err)
{
        size_t repaired = 0;
        if (recover_domain(backup, &repaired, err) < 0)
                return error_prefix(err, "left by an interrupted job");
        /* The repair may have changed what the VM is doing. */
        domain_info_done(&backup->info);
        int found = backup->host->ops->find_domain(backup->host, backup->uuid, NULL, &backup->info,
                                                   err);
        if (found == 0)
                return error_set(err, ERROR_REFUSED, "%s vanished from %s", backup->vm->name,
                                 backup->host->name);
        if (found > 0)
                backup->running = backup->was_running =
                        backup->info.state == DOMAIN_STATE_RUNNING ||
                        backup->info.state == DOMAIN_STATE_PAUSED;
        report_step_end(backup->report, STEP_DONE, "%zu leftovers %s", repaired,
                        backup->request->dry_run ? "found" : "put right");
        return found < 0 ? -1 : 0;
}

/* The VM must not wait on its overlay for a share that is away. */
static void open_share(struct backup *backup, struct error **ret_problem)
{
        report_step(backup->report, STEP_NAME_OPEN_SHARE);
        backup->repository = worker_open_repository(backup->settings, backup->request, ret_problem);
        if (*ret_problem)
                report_step_end(backup->report, STEP_FAILED,
                                "%s; what was left on hypervisors is looked for all the same",
                                (*ret_problem)->message);
}

/* Before the VM is looked for: a restore that was to replace it may have taken it apart. */
static int recover_restores(struct backup *backup, struct error **err)
{
        size_t repaired = 0;
        if (!backup->repository)
                return 0;
        report_step(backup->report, STEP_NAME_RESTORES);
        if (restore_recover(backup->repository, backup->settings, backup->inventory,
                            backup->request->vm, backup->request->dry_run, backup->report,
                            &repaired, err) < 0)
                return -1;
        report_step_end(backup->report, STEP_DONE, "%zu interrupted", repaired);
        return 0;
}

/* A VM that the inventory does not have, or has no more, may have been restored all the same. */
static int recover_unlisted(struct backup *backup, struct error **err)
{
        _cleanup_restore_journals_ struct restore_journals journals = { 0 };
        _cleanup_error_ struct error *no_share = NULL;
        const char *name = backup->request->vm;
        open_share(backup, &no_share);
        if (no_share)
                return error_propagate(err, TAKE_PTR(no_share));
        if (repository_check_holder(backup->repository, getppid(), err) < 0 ||
            restores_scan(backup->repository, name, &journals, err) < 0)
                return -1;
        if (journals.count == 0) {
                report_step(backup->report, STEP_NAME_RESTORES); /* the share is open */
                return error_set(
                        err, ERROR_CONFIG,
                        "the inventory has no VM named %s, and no restore of one is unfinished",
                        name);
        }
        return recover_restores(backup, err);
}

static int locate_and_repair(struct backup *backup, struct error **err)
{
        report_step(backup->report, STEP_NAME_LOCATE);
        if (backup_locate(backup, err) < 0)
                return -1;
        report_step(backup->report, STEP_NAME_REPAIR);
        return backup_repair(backup, err);
}

/* Where the VM is somewhere else, a home that cannot be asked is none of its troubles. */
static int remove_tests(struct backup *backup, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        size_t count = 0;
        report_step(backup->report, STEP_NAME_TEST_DOMAINS);
        if (recover_tests(backup, false, &count, &error) == 0) {
                report_step_end(backup->report, STEP_DONE, "%zu leftovers %s", count,
                                backup->request->dry_run ? "found" : "removed");
                return 0;
        }
        bool elsewhere = backup->host_entry && !streq(backup->host_entry->name, backup->home);
        if (err && !(elsewhere && error->kind != ERROR_INTERNAL))
                return error_propagate(err, TAKE_PTR(error));
        report_step_end(backup->report, STEP_FAILED, "%s", error->message);
        return 0;
}

static int recover_vm(struct backup *backup, struct error **err)
{
        _cleanup_error_ struct error *no_share = NULL;
        open_share(backup, &no_share);
        /* What looks left behind may be in use by the orch that has the repository now. */
        if (backup->repository && repository_check_holder(backup->repository, getppid(), err) < 0)
                return -1;
        if (recover_restores(backup, err) < 0)
                return -1;
        int r = locate_and_repair(backup, err);
        if (r == 0)
                r = remove_tests(backup, err);
        else
                (void)remove_tests(backup, NULL);
        if (r < 0)
                return -1;
        return no_share ? error_propagate(err, TAKE_PTR(no_share)) : 0;
}

int recover_run(const struct job_request *request, const struct settings *settings,
                const struct inventory *inventory, struct report *report)
{
        _cleanup_(backup_done) struct backup backup = {
                .request = request,
                .settings = settings,
                .inventory = inventory,
                .vm = inventory_find_vm(inventory, request->vm ? request->vm : ""),
                .report = report,
        };
        _cleanup_error_ struct error *failure = NULL;
        backup.metadata = metadata_new();
        if (backup.vm)
                backup.home = xstrdup(backup.vm->hypervisor ? backup.vm->hypervisor
                                                            : request->pinned_hypervisor);
        if ((backup.vm ? recover_vm(&backup, &failure) : recover_unlisted(&backup, &failure)) < 0 &&
            report->step)
                report_step_end(report, STEP_FAILED, "%s", failure->message);
        report_result(report, failure ? "failed" : "ok", NULL, failure);
        return failure ? STATUS_JOB_FAILED : STATUS_OK;
}
