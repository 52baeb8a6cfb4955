/* The order of a backup's steps, and its end: success, or undoing and telling why.
 *
 * Invariant: when backup_run() returns, the undo stack is empty: every change on the hypervisor and
 * the share was settled or undone, or the result says what could not be. */
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
#include "worker/restore/restore.h"
#include "worker/vm/power.h"

/* The kinds of run: `orch check` makes the checks and changes nothing. */
enum { BACKUP = 1 << 0, CHECK = 1 << 1 };

DEFINE_STEP_TABLE(backup)

static int choose_method(struct backup *backup, struct error **err)
{
        backup->method = backup->vm->method;
        if (backup->request->method &&
            !vm_method_from_name(backup->request->method, &backup->method))
                return error_set(err, ERROR_CONFIG,
                                 "there is no method '%s' (quiesce, snapshot, suspend, shutdown)",
                                 backup->request->method);
        return 0;
}

static void fill_metadata(struct backup *backup)
{
        struct metadata *m = backup->metadata;
        m->format = 1;
        m->orch_version = xstrdup(ORCH_VERSION);
        m->repository_uuid = xstrdup(backup->request->repository_uuid);
        m->vm = xstrdup(backup->vm->name);
        m->domain = xstrdup(backup->vm->domain);
        m->hypervisor = xstrdup(backup->home);
        m->job = xstrdup(backup->request->job);
        m->trigger = xstrdup(backup->request->trigger);
        m->method = xstrdup(vm_method_name(backup->method));
        m->level = xstrdup(vm_level_name(VM_LEVEL_FULL));
        m->started = backup->request->started;
        m->compression = xstrdup(vm_compression_name(backup->vm->compression));
}

static char *version_text(unsigned long version)
{
        return xasprintf("%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
}

/* What the metadata say of the host, as soon as the VM was found on it. */
static int note_host(struct backup *backup, struct error **err)
{
        struct hypervisor_versions versions = { 0 };
        (void)err;
        if (backup->host->ops->versions(backup->host, &versions, NULL) < 0)
                return 0;
        free(backup->metadata->libvirt_version);
        free(backup->metadata->qemu_version);
        backup->metadata->libvirt_version = version_text(versions.libvirt);
        backup->metadata->qemu_version = version_text(versions.qemu);
        return 0;
}

/* Opens orch's own view of the share, before anything else is touched. */
static int open_repository(struct backup *backup, struct error **err)
{
        backup->repository = repository_open(backup->settings->repository_path,
                                             backup->settings->repository_fstype, err);
        if (!backup->repository) {
                report_check(backup->report, CHECK_BEFORE, CHECK_NAME_SHARE_MOUNTED_HERE,
                             CHECK_FAIL, "%s", error_message(err ? *err : NULL));
                return -1;
        }
        const char *uuid = repository_uuid(backup->repository);
        if (worker_check_repository(backup->repository, backup->settings, backup->request, err) <
            0) {
                /* Not even this failure is written to it. */
                backup->repository = repository_free(backup->repository);
                return -1;
        }
        xstrdup_replace(&backup->metadata->repository_uuid, uuid);
        report_check(backup->report, CHECK_BEFORE, CHECK_NAME_SHARE_MOUNTED_HERE, CHECK_PASS,
                     "%s, %s", repository_path(backup->repository), uuid);
        if (repository_check_holder(backup->repository, getppid(), err) < 0)
                return -1;
        backup->tag = names_tag(repository_short_uuid(backup->repository), backup->request->job);
        return 0;
}

/* A restore that was to replace this VM and was interrupted is undone before the VM is looked for:
 * it may be taken apart. What earlier ones set aside goes when its time is over. */
static int finish_restores(struct backup *backup, struct error **err)
{
        if (restore_recover_for_backup(backup->repository, backup->settings, backup->inventory,
                                       backup->vm->name, backup->report, err) < 0) {
                /* it is not the share that could not be opened */
                report_step(backup->report, STEP_NAME_RESTORES);
                return error_prefix(err, "left by an interrupted restore");
        }
        return 0;
}

/* Once it is known, and again after the checks, which may have fallen back to another one. */
static int note_method(struct backup *backup, struct error **err)
{
        (void)err;
        xstrdup_replace(&backup->metadata->method_used, vm_method_name(backup->method));
        return 0;
}

static int refuse_while_restored(struct backup *backup, struct error **err)
{
        return restore_refuse_backup(backup->repository, backup->uuid, err);
}

static const struct backup_step steps[] = {
        { { STEP_NAME_OPEN_SHARE, BACKUP | CHECK }, open_repository },
        { { STEP_NAME_NONE, BACKUP }, finish_restores },
        { { STEP_NAME_LOCATE, BACKUP | CHECK }, backup_locate },
        { { STEP_NAME_NONE, BACKUP | CHECK }, note_host },
        { { STEP_NAME_NONE, BACKUP | CHECK }, note_method },
        { { STEP_NAME_NONE, BACKUP | CHECK }, refuse_while_restored },
        { { STEP_NAME_REPAIR, BACKUP }, backup_repair },
        { { STEP_NAME_DISKS, BACKUP | CHECK }, backup_plan_disks },
        { { STEP_NAME_LEVEL, BACKUP }, chain_choose },
        { { STEP_NAME_CHECKS_BEFORE, BACKUP | CHECK }, backup_check_before },
        { { STEP_NAME_NONE, BACKUP | CHECK }, note_method },
        { { STEP_NAME_NONE, CHECK }, backup_check_appliance },
        { { STEP_NAME_STAGING, BACKUP }, backup_stage },
        { { STEP_NAME_PRE_COMMANDS, BACKUP }, backup_pre_commands },
        { { STEP_NAME_NONE, BACKUP }, backup_capture_configs },
        { { STEP_NAME_NONE, BACKUP }, backup_capture },
        { { STEP_NAME_NONE, BACKUP }, backup_copy },
        { { STEP_NAME_NONE, BACKUP }, power_on },
        { { STEP_NAME_NONE, BACKUP }, backup_commit },
        { { STEP_NAME_CONFIGURATION, BACKUP }, backup_save_configuration },
        { { STEP_NAME_READ_BACK, BACKUP }, backup_verify },
        { { STEP_NAME_PUBLISH, BACKUP }, backup_publish },
        /* A point that is published is the job's result: a cancel comes too late. */
        { { STEP_NAME_CHECKPOINTS, BACKUP, .runs_cancelled = true }, chain_drop_old },
        { { STEP_NAME_RETENTION, BACKUP, .runs_cancelled = true }, backup_prune },
};

static void record_failure(struct backup *backup, const struct error *failure, const char *status)
{
        struct metadata *m = backup->metadata;
        m->finished = backup_end_time(backup);
        xstrdup_replace(&m->status, status);
        xstrdup_replace(&m->error, failure->message);
        xstrdup_replace(&m->error_kind,
                        streq(status, "failed") ? error_kind_name(failure->kind) : NULL);
        xstrdup_replace(&m->point, NULL);
        if (!backup->repository || backup->request->action != JOB_BACKUP)
                return;
        _cleanup_error_ struct error *error = NULL;
        if (points_record_failure(backup->repository, backup->request->job, m,
                                  backup->report->log.data ? backup->report->log.data : "",
                                  m->finished, &error) < 0)
                report_log(backup->report, "the failure could not be recorded on the share: %s",
                           error->message);
}

static int finish_failed(struct backup *backup, struct error *failure)
{
        worker_note_cancellation(failure);
        if (backup->report->step)
                report_step_end(backup->report, STEP_FAILED, "%s", failure->message);
        undo_run_after(&backup->undo, backup->report, "Putting the VM back", backup->vm->name,
                       &failure);
        const char *status = failure->kind == ERROR_CANCELLED ? "cancelled" : "failed";
        if (backup_post_commands(backup, status, failure, NULL) < 0)
                report_log(backup->report, "a post-backup command failed too");
        record_failure(backup, failure, status);
        return report_failure(backup->report, NULL, failure);
}

static int finish_ok(struct backup *backup)
{
        const char *path = backup->published ? staging_relative_path(backup->staging) : NULL;
        _cleanup_error_ struct error *error = NULL;
        if (!backup->skipped && backup_post_commands(backup, "ok", NULL, &error) < 0) {
                /* The metadata say that the point is good, which it is. */
                error_prefix(&error, "the restore point was made, but");
                report_result(backup->report, "failed", path, error);
                return STATUS_JOB_FAILED;
        }
        report_result(backup->report, backup->skipped ? "skipped" : "ok", path, NULL);
        return STATUS_OK;
}

int backup_run(const struct job_request *request, const struct settings *settings,
               const struct inventory *inventory, struct report *report)
{
        _cleanup_(backup_done) struct backup backup = {
                .request = request,
                .settings = settings,
                .inventory = inventory,
                .vm = inventory_find_vm(inventory, request->vm ? request->vm : ""),
                .report = report,
                .begun_ms = clock_monotonic_ms(),
        };
        struct error *failure = NULL;
        if (!backup.vm) {
                error_set(&failure, ERROR_CONFIG, "the inventory has no VM named %s",
                          request->vm ? request->vm : "(none)");
                return report_failure(report, NULL, failure);
        }
        backup.metadata = metadata_new();
        report->metadata = backup.metadata;
        backup.home =
                xstrdup(backup.vm->hypervisor ? backup.vm->hypervisor : request->pinned_hypervisor);
        int r = choose_method(&backup, &failure);
        fill_metadata(&backup);
        if (r == 0)
                r = run_backup_steps(&backup, steps, ARRAY_LENGTH(steps),
                                     request->action == JOB_CHECK ? CHECK : BACKUP, report,
                                     &backup.skipped, &failure);
        int exit_status = r == 0 ? finish_ok(&backup) : finish_failed(&backup, failure);
        report->metadata = NULL;
        return exit_status;
}
