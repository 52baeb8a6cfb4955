/* Implements worker/backup/increment.h. Undoing goes newest first: the job is ended and its scratch
 * files are removed, then the new checkpoint is removed. The checkpoint stays on the undo stack
 * until the point is published, because a checkpoint without a point would make the next increment
 * start too late. */
#include "worker/backup/increment.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/checkpoint-xml.h"
#include "worker/backup/scripts.h"
#include "worker/host/host-probe.h"
#include "worker/job/cancel.h"

enum {
        POLL_US = 200 * 1000,
        WATCH_INTERVAL_MS = 5000,
        FILES_TIMEOUT_MS = 60 * 1000,
        ABORT_PATIENCE_MS = 60 * 1000,
};

char *increment_scratch(const struct backup *backup, const char *tag, const char *target)
{
        return xasprintf("%s/%s-%s-%s.increment", backup->job.host_entry->scratch, tag,
                         backup->job.uuid, target);
}

/* An entry for every disk of the domain. The targets belong to the backup. */
static struct checkpoint_disk *list_disks(const struct backup *backup, size_t *ret_count)
{
        size_t n = backup->job.n_disks + strv_length(backup->not_snapshotted);
        struct checkpoint_disk *disks = xcalloc(n + 1, sizeof *disks);
        for (size_t i = 0; i < backup->job.n_disks; i++) {
                const struct vm_disk *disk = &backup->job.disks[i];
                disks[i] = (struct checkpoint_disk){ .target = disk->target,
                                                     .bitmap = streq(disk->format, "qcow2"),
                                                     .scratch = disk->scratch,
                                                     .since = disk->parent_file ? backup->since
                                                                                : NULL };
        }
        for (size_t i = backup->job.n_disks; i < n; i++)
                disks[i] = (struct checkpoint_disk){
                        .target = backup->not_snapshotted[i - backup->job.n_disks]
                };
        *ret_count = n;
        return disks;
}

static int undo_checkpoint(void *data, struct error **err)
{
        struct backup *backup = data;
        if (vm_job_ensure_connection(&backup->job, err) < 0)
                return -1;
        if (backup->job.host->ops->checkpoint_delete(backup->job.host, backup->job.uuid,
                                                     backup->job.tag, err) < 0)
                return error_prefix(
                        err, "the checkpoint %s of %s is left (virsh checkpoint-delete %s %s)",
                        backup->job.tag, backup->job.vm->name, backup->job.vm->domain,
                        backup->job.tag);
        return 0;
}

void increment_mark(struct backup *backup)
{
        size_t n = 0;
        _cleanup_free_ struct checkpoint_disk *disks = list_disks(backup, &n);
        _cleanup_free_ char *xml = checkpoint_xml_make(backup->job.tag, disks, n);
        _cleanup_error_ struct error *error = NULL;
        undo_push(&backup->job.undo, UNDO_NAME_CHECKPOINT, undo_checkpoint, backup);
        if (backup->job.host->ops->checkpoint_create(backup->job.host, backup->job.uuid, xml,
                                                     &error) == 0)
                return;
        backup->keeps_chain = false;
        report_warning(backup->job.report,
                       "no increment can build on this point, the next one is a full again: %s",
                       error->message);
}

static int remove_scratch(struct backup *backup, struct error **err)
{
        _cleanup_strv_ char **argv = NULL;
        strv_add(&argv, "rm");
        strv_add(&argv, "-f");
        strv_add(&argv, "--");
        for (size_t i = 0; i < backup->job.n_disks; i++)
                if (backup->job.disks[i].scratch)
                        strv_add(&argv, backup->job.disks[i].scratch);
        if (hypervisor_run(backup->job.host, (const char *const *)argv, FILES_TIMEOUT_MS, NULL,
                           err) < 0)
                return error_prefix(err, "the increment's scratch files on %s cannot be removed",
                                    backup->job.host->name);
        return 0;
}

static int undo_increment(void *data, struct error **err)
{
        struct backup *backup = data;
        struct deadline deadline = deadline_in_ms(ABORT_PATIENCE_MS);
        if (vm_job_ensure_connection(&backup->job, err) < 0)
                return -1;
        for (;;) {
                struct backup_job job = { 0 };
                _cleanup_free_ char *text = NULL;
                if (backup->job.host->ops->backup_job(backup->job.host, backup->job.uuid, &job,
                                                      &text, err) < 0)
                        return -1;
                if (job.state != BACKUP_JOB_RUNNING || !text || !strstr(text, backup->job.tag))
                        return remove_scratch(backup, err);
                if (deadline_passed(deadline))
                        return error_set(err, ERROR_TIMEOUT,
                                         "the backup job of %s does not end (virsh domjobabort %s)",
                                         backup->job.vm->name, backup->job.vm->domain);
                if (backup->job.host->ops->backup_abort(backup->job.host, backup->job.uuid, err) <
                    0)
                        return -1;
                usleep(POLL_US);
        }
}

int increment_begin(struct backup *backup, struct error **err)
{
        size_t n = 0;
        _cleanup_free_ struct checkpoint_disk *disks = list_disks(backup, &n);
        _cleanup_free_ char *xml = backup_xml_make(disks, n);
        _cleanup_free_ char *checkpoint =
                backup->keeps_chain ? checkpoint_xml_make(backup->job.tag, disks, n) : NULL;
        if (checkpoint)
                undo_push(&backup->job.undo, UNDO_NAME_CHECKPOINT, undo_checkpoint, backup);
        undo_push(&backup->job.undo, UNDO_NAME_INCREMENT, undo_increment, backup);
        return backup->job.host->ops->backup_begin(backup->job.host, backup->job.uuid, xml,
                                                   checkpoint, err);
}

/* ERROR_NOSPACE if the file system of the scratch files fills up; otherwise QEMU would end the job
 * with an I/O error. */
static int watch_scratch(struct backup *backup, struct error **err)
{
        char *const folders[] = { backup->job.host_entry->scratch, NULL };
        uint64_t low = (uint64_t)backup->job.settings->checks.hypervisor_low_water_gib << 30;
        uint64_t bytes = 0;
        if (host_free_bytes(backup->job.host, folders, FILES_TIMEOUT_MS, &bytes, err) < 0)
                return -1;
        if (bytes >= low)
                return 0;
        _cleanup_free_ char *text = format_bytes(bytes);
        return error_set(
                err, ERROR_NOSPACE,
                "the increment is given up: %s has only %s left in %s (low-water mark: %u GiB)",
                backup->job.host->name, text, backup->job.host_entry->scratch,
                backup->job.settings->checks.hypervisor_low_water_gib);
}

static int wait_for_job(struct backup *backup, struct error **err)
{
        int64_t stall_ms = (int64_t)backup->job.settings->limits.copy_stall_seconds * 1000;
        struct deadline stall = deadline_in_ms(stall_ms);
        struct deadline watch = deadline_in_ms(WATCH_INTERVAL_MS);
        uint64_t last = 0;
        for (;;) {
                struct backup_job job = { 0 };
                _cleanup_free_ char *text = NULL;
                if (worker_check_cancelled(err) < 0 ||
                    backup->job.host->ops->backup_job(backup->job.host, backup->job.uuid, &job,
                                                      &text, err) < 0)
                        return -1;
                if (job.state == BACKUP_JOB_DONE)
                        return 0;
                if (job.state == BACKUP_JOB_RUNNING && text && !strstr(text, backup->job.tag))
                        return error_set(err, ERROR_BUSY,
                                         "a backup job of somebody else runs on %s: nobody can "
                                         "tell any more how orch's own ended",
                                         backup->job.vm->name);
                if (job.state != BACKUP_JOB_RUNNING)
                        return error_set(err, ERROR_INTERNAL,
                                         "the backup job of %s did not succeed: %s",
                                         backup->job.vm->name,
                                         text && *text ? text
                                                       : "somebody ended it, or QEMU could not "
                                                         "write its scratch files");
                report_progress(backup->job.report, "increment", job.done_bytes, job.total_bytes);
                if (job.done_bytes != last) {
                        last = job.done_bytes;
                        stall = deadline_in_ms(stall_ms);
                }
                if (deadline_passed(stall))
                        return error_set(err, ERROR_TIMEOUT,
                                         "the backup job of %s has not moved for %lld s",
                                         backup->job.vm->name, (long long)stall_ms / 1000);
                if (deadline_passed(watch)) {
                        if (watch_scratch(backup, err) < 0)
                                return -1;
                        watch = deadline_in_ms(WATCH_INTERVAL_MS);
                }
                usleep(POLL_US);
        }
}

/* libvirt names the live disk as the scratch file's backing file, and a reader of the scratch file
 * would open that. The script prints the file's size. */
static int stand_on_parent(struct backup *backup, struct vm_disk *disk, struct error **err)
{
        _cleanup_free_ char *parent =
                disk->parent_file
                        ? xasprintf("%s/%s/%s/%s/%s", backup->job.host_repository, backup->job.home,
                                    backup->job.vm->name, backup->parent, disk->parent_file)
                        : xstrdup("");
        const char *const argv[] = { "sh",          "-c",          increment_rebase_script,
                                     "orch-rebase", disk->scratch, parent,
                                     NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(backup->job.host, argv, FILES_TIMEOUT_MS, &output, err) < 0)
                return error_prefix(err, "the increment of disk %s cannot be put on its parent",
                                    disk->target);
        char *end = NULL;
        uint64_t blocks = strtoull(output, &end, 10);
        disk->allocated_bytes = blocks * strtoull(end, NULL, 10);
        return 0;
}

int increment_finish(struct backup *backup, struct error **err)
{
        uint64_t total = 0;
        report_step(backup->job.report, STEP_NAME_INCREMENT);
        if (wait_for_job(backup, err) < 0)
                return -1;
        for (size_t i = 0; i < backup->job.n_disks; i++) {
                if (stand_on_parent(backup, &backup->job.disks[i], err) < 0)
                        return -1;
                total += backup->job.disks[i].allocated_bytes;
        }
        _cleanup_free_ char *size = format_bytes(total);
        report_step_end(backup->job.report, STEP_DONE, "%s since %s", size, backup->parent);
        return 0;
}

int increment_clean(struct backup *backup, struct error **err)
{
        if (remove_scratch(backup, err) < 0)
                return -1;
        undo_settle(&backup->job.undo, UNDO_NAME_INCREMENT);
        return 0;
}
