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
#include "worker/restore/restore.h"
#include "worker/vm/power.h"

struct step {
        const char *name; /* as in events; NULL: the step reports its own parts */
        int (*run)(struct backup *backup, struct error **err);
        bool for_check; /* also part of `orch check` */
        bool only_for_check;
};

static const struct step steps[] = {
        { "locate", backup_locate, true },
        { "repair", backup_repair, false },
        { "disks", backup_plan_disks, true },
        { "level", chain_choose, false },
        { "checks-before", backup_check_before, true },
        { NULL, backup_check_appliance, true, true },
        { "staging", backup_stage, false },
        { "pre-commands", backup_pre_commands, false },
        { NULL, backup_capture_configs, false },
        { NULL, backup_capture, false },
        { NULL, backup_copy, false },
        { NULL, power_on, false },
        { NULL, backup_commit, false },
        { "configuration", backup_save_configuration, false },
        { "read-back", backup_verify, false },
        { "publish", backup_publish, false },
        { "checkpoints", chain_drop_old, false },
        { "retention", backup_prune, false },
};

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

static void fill_versions(struct backup *backup)
{
        struct hypervisor_versions versions = { 0 };
        if (backup->host->ops->versions(backup->host, &versions, NULL) < 0)
                return;
        free(backup->metadata->libvirt_version);
        free(backup->metadata->qemu_version);
        backup->metadata->libvirt_version = version_text(versions.libvirt);
        backup->metadata->qemu_version = version_text(versions.qemu);
}

/* Opens orch's own view of the share, before anything else is touched. */
static int open_repository(struct backup *backup, struct error **err)
{
        backup->repository = repository_open(backup->settings->repository_path,
                                             backup->settings->repository_fstype, err);
        if (!backup->repository) {
                report_check(backup->report, CHECK_BEFORE, "share-mounted-here", CHECK_FAIL, "%s",
                             error_message(err ? *err : NULL));
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
        report_check(backup->report, CHECK_BEFORE, "share-mounted-here", CHECK_PASS, "%s, %s",
                     repository_path(backup->repository), uuid);
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
                report_step(backup->report, "restores");
                return error_prefix(err, "left by an interrupted restore");
        }
        return 0;
}

static int run_steps(struct backup *backup, struct error **err)
{
        report_step(backup->report, "open-share");
        if (open_repository(backup, err) < 0)
                return -1;
        bool check_only = backup->request->action == JOB_CHECK;
        if (!check_only && finish_restores(backup, err) < 0)
                return -1;
        for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
                const struct step *step = &steps[i];
                if (check_only ? !step->for_check : step->only_for_check)
                        continue;
                /* A point that is published is the job's result: a cancel came too late. */
                if (!backup->published && worker_check_cancelled(err) < 0)
                        return -1;
                if (step->name)
                        report_step(backup->report, step->name);
                if (step->run(backup, err) < 0)
                        return -1;
                if (step->name)
                        report_step_end(backup->report, STEP_DONE, NULL);
                if (step->run == backup_locate)
                        fill_versions(backup);
                if (step->run == backup_locate &&
                    restore_refuse_backup(backup->repository, backup->uuid, err) < 0)
                        return -1;
                if (backup->skipped)
                        return 0;
                xstrdup_replace(&backup->metadata->method_used, vm_method_name(backup->method));
        }
        return 0;
}

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
        int exit_status = failure->kind == ERROR_CANCELLED ? 5 : 1;
        report_result(backup->report, status, NULL, failure);
        error_free(failure);
        return exit_status;
}

static int finish_ok(struct backup *backup)
{
        const char *path = backup->published ? staging_relative_path(backup->staging) : NULL;
        _cleanup_error_ struct error *error = NULL;
        if (!backup->skipped && backup_post_commands(backup, "ok", NULL, &error) < 0) {
                /* The metadata say that the point is good, which it is. */
                error_prefix(&error, "the restore point was made, but");
                report_result(backup->report, "failed", path, error);
                return 1;
        }
        report_result(backup->report, backup->skipped ? "skipped" : "ok", path, NULL);
        return 0;
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
                report_result(report, "failed", NULL, failure);
                error_free(failure);
                return 1;
        }
        backup.metadata = metadata_new();
        report->metadata = backup.metadata;
        backup.home =
                xstrdup(backup.vm->hypervisor ? backup.vm->hypervisor : request->pinned_hypervisor);
        int r = choose_method(&backup, &failure);
        fill_metadata(&backup);
        if (r == 0)
                r = run_steps(&backup, &failure);
        int exit_status = r == 0 ? finish_ok(&backup) : finish_failed(&backup, failure);
        report->metadata = NULL;
        return exit_status;
}
