/* The order of a backup's steps, and its end: success, or undoing and reporting the reason.
 *
 * Invariant: when backup_run() returns, the undo stack is empty. Every change on the hypervisor and
 * the share was settled or undone, or the result says what could not be undone. */
#include "worker/backup/backup.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/points.h"
#include "worker/backup/backup-internal.h"
#include "worker/backup/chain.h"
#include "worker/job/cancel.h"
#include "worker/job/connect.h"
#include "worker/job/names.h"
#include "worker/job/step-table.h"
#include "worker/recover/recover.h"
#include "worker/restore/restore.h"
#include "worker/vm/power.h"

/* The kinds of run: `orch check` runs the checks and changes nothing. */
enum { BACKUP = 1 << 0, CHECK = 1 << 1 };

DEFINE_STEP_TABLE(backup)

void backup_done(struct backup *backup)
{
        strv_free(backup->not_snapshotted);
        staging_free(backup->staging);
        free(backup->staging_on_host);
        free(backup->parent);
        free(backup->since);
        vm_job_done(&backup->job);
}

static int choose_method(struct backup *backup, struct error **err)
{
        backup->job.method = backup->job.vm->method;
        if (backup->job.request->method &&
            !vm_method_from_name(backup->job.request->method, &backup->job.method))
                return error_set(err, ERROR_CONFIG,
                                 "there is no method '%s' (quiesce, snapshot, suspend, shutdown)",
                                 backup->job.request->method);
        return 0;
}

static void fill_metadata(struct backup *backup)
{
        struct metadata *m = backup->job.metadata;
        m->format = 1;
        m->orch_version = xstrdup(ORCH_VERSION);
        m->repository_uuid = xstrdup(backup->job.request->repository_uuid);
        m->vm = xstrdup(backup->job.vm->name);
        m->domain = xstrdup(backup->job.vm->domain);
        m->hypervisor = xstrdup(backup->job.home);
        m->job = xstrdup(backup->job.request->job);
        m->trigger = xstrdup(backup->job.request->trigger);
        m->method = xstrdup(vm_method_name(backup->job.method));
        m->level = xstrdup(vm_level_name(VM_LEVEL_FULL));
        m->started = backup->job.request->started;
        m->compression = xstrdup(vm_compression_name(backup->job.vm->compression));
}

static char *version_text(unsigned long version)
{
        return xasprintf("%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
}

/* Records the host in the metadata, as soon as the VM was found on it. */
static int note_host(struct backup *backup, struct error **err)
{
        struct hypervisor_versions versions = { 0 };
        (void)err;
        if (backup->job.host->ops->versions(backup->job.host, &versions, NULL) < 0)
                return 0;
        free(backup->job.metadata->libvirt_version);
        free(backup->job.metadata->qemu_version);
        backup->job.metadata->libvirt_version = version_text(versions.libvirt);
        backup->job.metadata->qemu_version = version_text(versions.qemu);
        return 0;
}

/* Opens orch's own view of the share, before anything else is accessed. */
static int backup_open_repository(struct backup *backup, struct error **err)
{
        backup->job.repository = repository_open(backup->job.settings->repository_path,
                                                 backup->job.settings->repository_fstype, err);
        if (!backup->job.repository) {
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_SHARE_MOUNTED_HERE,
                             CHECK_FAIL, "%s", error_message(err ? *err : NULL));
                return -1;
        }
        const char *uuid = repository_uuid(backup->job.repository);
        if (worker_check_repository(backup->job.repository, backup->job.settings,
                                    backup->job.request, err) < 0) {
                /* The share is another repository's, so not even this failure is written to it. */
                backup->job.repository = repository_free(backup->job.repository);
                return -1;
        }
        xstrdup_replace(&backup->job.metadata->repository_uuid, uuid);
        report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_SHARE_MOUNTED_HERE, CHECK_PASS,
                     "%s, %s", repository_path(backup->job.repository), uuid);
        if (repository_check_holder(backup->job.repository, getppid(), err) < 0)
                return -1;
        backup->job.tag =
                names_tag(repository_short_uuid(backup->job.repository), backup->job.request->job);
        return 0;
}

/* An interrupted restore that was to replace this VM is undone before the VM is located, because
 * such a restore may have taken the VM apart. Files that earlier restores set aside are removed
 * once they have expired. */
static int finish_restores(struct backup *backup, struct error **err)
{
        if (restore_recover_for_backup(&backup->job, err) < 0) {
                /* names the step that failed: opening the share, the step before, succeeded */
                report_step(backup->job.report, STEP_NAME_RESTORES);
                return error_prefix(err, "left by an interrupted restore");
        }
        return 0;
}

/* Steps that concern only the VM, for any job. */
static int step_locate(struct backup *backup, struct error **err)
{
        return vm_job_locate(&backup->job, err);
}

static int step_repair(struct backup *backup, struct error **err)
{
        return recover_repair(&backup->job, err);
}

static int run_pre_commands(struct backup *backup, struct error **err)
{
        return vm_job_pre_commands(&backup->job, err);
}

static int start_again(struct backup *backup, struct error **err)
{
        return power_on(&backup->job, err);
}

static int commit_overlays(struct backup *backup, struct error **err)
{
        return vm_job_commit(&backup->job, err);
}

/* Recorded when the method is known, and again after the checks, which may have fallen back to
 * another one. */
static int note_method(struct backup *backup, struct error **err)
{
        (void)err;
        xstrdup_replace(&backup->job.metadata->method_used, vm_method_name(backup->job.method));
        return 0;
}

static int refuse_while_restored(struct backup *backup, struct error **err)
{
        return restore_refuse_backup(backup->job.repository, backup->job.uuid, err);
}

static const struct backup_step steps[] = {
        { { STEP_NAME_OPEN_SHARE, BACKUP | CHECK }, backup_open_repository },
        { { STEP_NAME_NONE, BACKUP }, finish_restores },
        { { STEP_NAME_LOCATE, BACKUP | CHECK }, step_locate },
        { { STEP_NAME_NONE, BACKUP | CHECK }, note_host },
        { { STEP_NAME_NONE, BACKUP | CHECK }, note_method },
        { { STEP_NAME_NONE, BACKUP | CHECK }, refuse_while_restored },
        { { STEP_NAME_REPAIR, BACKUP }, step_repair },
        { { STEP_NAME_DISKS, BACKUP | CHECK }, backup_plan_disks },
        { { STEP_NAME_LEVEL, BACKUP }, chain_choose },
        { { STEP_NAME_CHECKS_BEFORE, BACKUP | CHECK }, backup_check_before },
        { { STEP_NAME_NONE, BACKUP | CHECK }, note_method },
        { { STEP_NAME_NONE, CHECK }, backup_check_appliance },
        { { STEP_NAME_STAGING, BACKUP }, backup_stage },
        { { STEP_NAME_PRE_COMMANDS, BACKUP }, run_pre_commands },
        { { STEP_NAME_NONE, BACKUP }, backup_capture_configs },
        { { STEP_NAME_NONE, BACKUP }, backup_capture },
        { { STEP_NAME_NONE, BACKUP }, backup_copy },
        { { STEP_NAME_NONE, BACKUP }, start_again },
        { { STEP_NAME_NONE, BACKUP }, commit_overlays },
        { { STEP_NAME_CONFIGURATION, BACKUP }, backup_save_configuration },
        { { STEP_NAME_READ_BACK, BACKUP }, backup_verify },
        { { STEP_NAME_PUBLISH, BACKUP }, backup_publish },
        /* A published point is the job's result, so a later cancel has no effect. */
        { { STEP_NAME_CHECKPOINTS, BACKUP, .runs_cancelled = true }, chain_drop_old },
        { { STEP_NAME_RETENTION, BACKUP, .runs_cancelled = true }, backup_prune },
};

static void record_failure(struct backup *backup, const struct error *failure, const char *status)
{
        struct metadata *m = backup->job.metadata;
        m->finished = vm_job_end_time(&backup->job);
        xstrdup_replace(&m->status, status);
        xstrdup_replace(&m->error, failure->message);
        xstrdup_replace(&m->error_kind,
                        streq(status, "failed") ? error_kind_name(failure->kind) : NULL);
        xstrdup_replace(&m->point, NULL);
        if (!backup->job.repository || backup->job.request->action != JOB_BACKUP)
                return;
        _cleanup_error_ struct error *error = NULL;
        if (points_record_failure(backup->job.repository, backup->job.request->job, m,
                                  backup->job.report->log.data ? backup->job.report->log.data : "",
                                  m->finished, &error) < 0)
                report_log(backup->job.report, "the failure could not be recorded on the share: %s",
                           error->message);
}

static int backup_finish_failed(struct backup *backup, struct error *failure)
{
        worker_note_cancellation(failure);
        if (backup->job.report->step)
                report_step_end(backup->job.report, STEP_FAILED, "%s", failure->message);
        undo_run_after(&backup->job.undo, backup->job.report, "Putting the VM back",
                       backup->job.vm->name, &failure);
        const char *status = failure->kind == ERROR_CANCELLED ? "cancelled" : "failed";
        if (vm_job_post_commands(&backup->job, status, failure, NULL) < 0)
                report_log(backup->job.report, "a post-backup command failed too");
        record_failure(backup, failure, status);
        return report_failure(backup->job.report, NULL, failure);
}

static int backup_finish_ok(struct backup *backup)
{
        const char *path = backup->published ? staging_relative_path(backup->staging) : NULL;
        _cleanup_error_ struct error *error = NULL;
        if (!backup->skipped && vm_job_post_commands(&backup->job, "ok", NULL, &error) < 0) {
                /* The point is good, and its metadata say so, although a later step failed. */
                error_prefix(&error, "the restore point was made, but");
                report_result(backup->job.report, "failed", path, error);
                return STATUS_JOB_FAILED;
        }
        report_result(backup->job.report, backup->skipped ? "skipped" : "ok", path, NULL);
        return STATUS_OK;
}

int backup_run(const struct job_request *request, const struct settings *settings,
               const struct inventory *inventory, struct report *report)
{
        _cleanup_(backup_done) struct backup backup = {
                .job = {
                        .request = request,
                        .settings = settings,
                        .inventory = inventory,
                        .vm = inventory_find_vm(inventory, request->vm ? request->vm : ""),
                        .report = report,
                        .begun_ms = clock_monotonic_ms(),
                },
        };
        struct error *failure = NULL;
        if (!backup.job.vm) {
                error_set(&failure, ERROR_CONFIG, "the inventory has no VM named %s",
                          request->vm ? request->vm : "(none)");
                return report_failure(report, NULL, failure);
        }
        backup.job.metadata = metadata_new();
        report->metadata = backup.job.metadata;
        backup.job.home = xstrdup(backup.job.vm->hypervisor ? backup.job.vm->hypervisor
                                                            : request->pinned_hypervisor);
        int r = choose_method(&backup, &failure);
        fill_metadata(&backup);
        if (r == 0)
                r = run_backup_steps(&backup, steps, ARRAY_LENGTH(steps),
                                     request->action == JOB_CHECK ? CHECK : BACKUP, report,
                                     &backup.skipped, &failure);
        int exit_status =
                r == 0 ? backup_finish_ok(&backup) : backup_finish_failed(&backup, failure);
        report->metadata = NULL;
        return exit_status;
}
