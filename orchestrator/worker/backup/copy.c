/* The copy: `qemu-img convert` on the hypervisor from the unchanging base to the staging folder,
 * disk after disk, never with -U. It runs as a named unit, so that it can be stopped from a new
 * connection. The copy is ended if it makes no progress for copy_stall_seconds, or if the overlays
 * fill their file system below the low-water mark. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/backup/backup-internal.h"
#include "worker/backup/increment.h"
#include "worker/backup/scripts.h"
#include "worker/host/convert.h"
#include "worker/host/host-probe.h"
#include "worker/job/connect.h"

enum {
        WATCH_INTERVAL_MS = 5000,
        WATCH_CONNECT_MS = 5000,
        WATCH_CALL_MS = 5000,
        WATCH_FAILURES_MAX = 4,
};

struct copy {
        struct backup *backup;
        const struct vm_disk *disk;
        struct deadline next_watch;
        /* a second connection, opened once the copy has taken long enough to need it */
        struct hypervisor *watcher;
        int watch_failures;
        struct error *reason; /* why the copy is aborted */
};

/* The free bytes where the overlays grow: the minimum over all their folders. */
static int free_for_overlays(struct copy *copy, uint64_t *ret_bytes, struct error **err)
{
        struct backup *backup = copy->backup;
        if (!copy->watcher) {
                copy->watcher = worker_connect(backup->job.settings, backup->job.host_entry,
                                               WATCH_CONNECT_MS, err);
                if (!copy->watcher)
                        return -1;
        }
        _cleanup_strv_ char **folders = NULL;
        for (size_t i = 0; i < backup->job.n_disks; i++) {
                _cleanup_free_ char *folder = path_directory(backup->job.disks[i].overlay);
                strv_add(&folders, folder);
        }
        return host_free_bytes(copy->watcher, folders, WATCH_CALL_MS, ret_bytes, err);
}

static void watch_overlays(struct copy *copy)
{
        struct backup *backup = copy->backup;
        uint64_t low = (uint64_t)backup->job.settings->checks.hypervisor_low_water_gib * 1024 *
                       1024 * 1024;
        uint64_t free_bytes = 0;
        _cleanup_error_ struct error *error = NULL;
        if (free_for_overlays(copy, &free_bytes, &error) < 0) {
                copy->watcher = hypervisor_free(copy->watcher);
                if (++copy->watch_failures >= WATCH_FAILURES_MAX) {
                        copy->reason = TAKE_PTR(error);
                        error_prefix(&copy->reason,
                                     "the copy of disk %s is given up: its hypervisor does not "
                                     "answer any more",
                                     copy->disk->target);
                }
                return;
        }
        copy->watch_failures = 0;
        if (free_bytes >= low)
                return;
        _cleanup_free_ char *free_text = format_bytes(free_bytes);
        error_set(&copy->reason, ERROR_NOSPACE,
                  "the copy of disk %s is given up: %s has only %s left where the overlays of %s "
                  "grow (low-water mark: %u GiB)",
                  copy->disk->target, backup->job.host->name, free_text, backup->job.vm->name,
                  backup->job.settings->checks.hypervisor_low_water_gib);
}

static bool copy_must_end(void *pointer, struct error **ret_reason)
{
        struct copy *copy = pointer;
        if (copy->backup->job.snapshot_taken && deadline_passed(copy->next_watch)) {
                watch_overlays(copy);
                copy->next_watch = deadline_in_ms(WATCH_INTERVAL_MS);
        }
        *ret_reason = TAKE_PTR(copy->reason);
        return *ret_reason != NULL;
}

static char *copy_unit(const struct backup *backup)
{
        return xasprintf("%s-copy", backup->job.tag);
}

static int undo_copy(void *data, struct error **err)
{
        struct backup *backup = data;
        if (vm_job_ensure_connection(&backup->job, err) < 0)
                return -1;
        _cleanup_free_ char *unit = copy_unit(backup);
        return backup->job.host->ops->stop_unit(backup->job.host, unit, err);
}

/* Runs convert, then makes the target durable; the status is that of convert or of sync. An
 * increment is read from its scratch file, only as far as that file itself has data. Its parent is
 * named by a path that is valid wherever the share is mounted. */
static char **backup_copy_argv(const struct backup *backup, const struct vm_disk *disk,
                               const char *target)
{
        char **argv = NULL;
        strv_add(&argv, "sh");
        strv_add(&argv, "-c");
        strv_add(&argv, copy_disk_script);
        strv_add(&argv, "orch-copy");
        strv_add(&argv, target);
        static const char *const convert[] = { "qemu-img", "convert", "-p", "-O",
                                               "qcow2",    "-m",      "16" };
        for (size_t i = 0; i < ARRAY_LENGTH(convert); i++)
                strv_add(&argv, convert[i]);
        /* qemu-img refuses out-of-order writes together with compression. */
        if (backup->job.vm->compression == VM_COMPRESSION_NONE) {
                strv_add(&argv, "-W");
        } else {
                strv_add(&argv, "-c");
                strv_add(&argv, "-o");
                strv_addf(&argv, "compression_type=%s",
                          vm_compression_name(backup->job.vm->compression));
        }
        if (backup->job.settings->limits.bandwidth_mib_s) {
                strv_add(&argv, "-r");
                strv_addf(&argv, "%uM", backup->job.settings->limits.bandwidth_mib_s);
        }
        if (disk->parent_file) {
                strv_add(&argv, "-B");
                strv_addf(&argv, "../%s/%s", backup->parent, disk->parent_file);
                strv_add(&argv, "-F");
                strv_add(&argv, "qcow2");
        }
        strv_add(&argv, "-f");
        strv_add(&argv, disk->scratch ? "qcow2" : disk->format);
        strv_add(&argv, disk->scratch ? disk->scratch : disk->base);
        strv_add(&argv, target);
        return argv;
}

static int run_copy(struct backup *backup, struct copy *copy, struct error **err)
{
        _cleanup_free_ char *unit = copy_unit(backup);
        _cleanup_free_ char *target = path_join(backup->staging_on_host, copy->disk->file);
        _cleanup_free_ char *what = xasprintf("the copy of disk %s", copy->disk->target);
        _cleanup_strv_ char **argv = backup_copy_argv(backup, copy->disk, target);
        const struct convert convert = {
                .host = backup->job.host,
                .report = backup->job.report,
                .unit = unit,
                .what = what,
                .disk = copy->disk->target,
                .total_bytes = copy->disk->allocated_bytes,
                .stall_seconds = backup->job.settings->limits.copy_stall_seconds,
                .must_end = copy_must_end,
                .data = copy,
        };
        int status = 0;
        _cleanup_free_ char *errors = NULL;
        if (convert_run(&convert, (const char *const *)argv, &status, &errors, err) < 0)
                return -1;
        if (status == 0)
                return 0;
        bool full = errors && strstr(errors, "No space left on device");
        _cleanup_free_ char *said = str_one_line(errors ? errors : "", 600);
        return error_set(err, full ? ERROR_NOSPACE : ERROR_INTERNAL,
                         "%s to %s failed on %s (status %d): %s", what, target,
                         backup->job.host->name, status, said);
}

static int backup_copy_disk(struct backup *backup, const struct vm_disk *disk, struct error **err)
{
        struct copy copy = { .backup = backup,
                             .disk = disk,
                             .next_watch = deadline_in_ms(WATCH_INTERVAL_MS) };
        undo_push(&backup->job.undo, UNDO_NAME_COPY, undo_copy, backup);
        int r = run_copy(backup, &copy, err);
        if (r == 0)
                undo_settle(&backup->job.undo, UNDO_NAME_COPY);
        hypervisor_free(copy.watcher);
        return r;
}

/* After hours without a libvirt call, a firewall that drops idle connections may have dropped this
 * one, which is no reason to fail. This check does not use up the patience of the undoing. */
static int see_connection(struct backup *backup, struct error **err)
{
        if (vm_job_ensure_connection(&backup->job, err) < 0)
                return -1;
        backup->job.reconnect_by = (struct deadline){ 0 };
        return 0;
}

int backup_copy(struct backup *backup, struct error **err)
{
        if (backup->level != VM_LEVEL_FULL && increment_finish(backup, err) < 0)
                return -1;
        for (size_t i = 0; i < backup->job.n_disks; i++) {
                const struct vm_disk *disk = &backup->job.disks[i];
                _cleanup_free_ char *size = format_bytes(disk->allocated_bytes);
                report_step(backup->job.report, STEP_NAME_COPY);
                if (backup_copy_disk(backup, disk, err) < 0)
                        return -1;
                report_step_end(backup->job.report, STEP_DONE, "disk %s, %s", disk->target, size);
        }
        if (backup->level != VM_LEVEL_FULL && increment_clean(backup, err) < 0)
                return -1;
        return see_connection(backup, err);
}
