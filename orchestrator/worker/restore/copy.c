/* The copy. The hypervisor runs `qemu-img convert` from the share to temporary files beside their
 * final places, with the backing chain flattened. `qemu-img compare` then compares each copy with
 * the point, and the compared copy is made durable.
 *
 * Write-back runs while the file is copied, so that gigabytes of dirty memory do not delay the end
 * of the copy and a burst of writes does not disturb the host's other machines. The last part is
 * written back while the copy is compared. The kernel reports each write-back failure once, to the
 * first caller that asks; so the result of every sync must be checked. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/convert.h"
#include "worker/job/cancel.h"
#include "worker/restore/restore-internal.h"
#include "worker/restore/scripts.h"

/* A host with much memory may hold more dirty data than its disk can write within the time after
 * which a copy counts as stalled. */
enum { WRITE_BACK_PATIENCE = 6 };

static int restore_run_qemu_img(struct restore *restore, const struct restore_disk *disk,
                                const char *what, const char *const argv[], int *ret_status,
                                char **ret_errors, struct error **err)
{
        _cleanup_free_ char *unit = xasprintf("%s-copy", restore->job.tag);
        const struct convert convert = {
                .host = restore->job.host,
                .report = restore->job.report,
                .unit = unit,
                .what = what,
                .disk = disk->saved->target,
                .total_bytes = disk->needed_bytes,
                .stall_seconds = restore->job.settings->limits.copy_stall_seconds,
                .write_back_seconds =
                        WRITE_BACK_PATIENCE * restore->job.settings->limits.copy_stall_seconds,
                .must_end = restore_reading_failed,
                .data = restore,
        };
        return convert_run(&convert, argv, ret_status, ret_errors, err);
}

static char **restore_copy_argv(const struct restore *restore, const struct restore_disk *disk)
{
        const char *const head[] = { "sh",
                                     "-c",
                                     copy_written_back_script,
                                     "orch-restore",
                                     disk->temporary,
                                     "qemu-img",
                                     "convert",
                                     "-p",
                                     "-W",
                                     "-m",
                                     "16",
                                     "-f",
                                     "qcow2",
                                     "-O",
                                     disk->format };
        char **argv = NULL;
        for (size_t i = 0; i < ARRAY_LENGTH(head); i++)
                strv_add(&argv, head[i]);
        if (restore->job.settings->limits.bandwidth_mib_s) {
                strv_add(&argv, "-r");
                strv_addf(&argv, "%uM", restore->job.settings->limits.bandwidth_mib_s);
        }
        strv_add(&argv, disk->image);
        strv_add(&argv, disk->temporary);
        return argv;
}

static int restore_copy_disk(struct restore *restore, const struct restore_disk *disk,
                             struct error **err)
{
        _cleanup_strv_ char **argv = restore_copy_argv(restore, disk);
        _cleanup_free_ char *what = xasprintf("the copy of disk %s", disk->saved->target);
        _cleanup_free_ char *errors = NULL;
        int status = 0;
        if (restore_run_qemu_img(restore, disk, what, (const char *const *)argv, &status, &errors,
                                 err) < 0)
                return -1;
        if (status == 0)
                return 0;
        bool full = errors && strstr(errors, "No space left on device");
        _cleanup_free_ char *said = str_one_line(errors ? errors : "", 600);
        return error_set(err, full ? ERROR_NOSPACE : ERROR_INTERNAL,
                         "%s to %s failed on %s (status %d): %s", what, disk->path,
                         restore->job.host->name, status, said);
}

static int copy_firmware(struct restore *restore, const struct restore_firmware *firmware,
                         struct error **err)
{
        if (!firmware->what)
                return 0;
        const char *const argv[] = { "sh",
                                     "-c",
                                     copy_firmware_script,
                                     "orch-restore",
                                     firmware->saved,
                                     firmware->temporary,
                                     restore->options.export_folder ? "keep" : "run",
                                     NULL };
        _cleanup_free_ char *unit = xasprintf("%s-copy", restore->job.tag);
        const struct exec_options options = { .timeout_ms = RESTORE_COMMAND_MS,
                                              .unit = unit,
                                              .cancelled = worker_cancelled };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        if (restore->job.host->ops->exec(restore->job.host, argv, &options, &result, err) < 0)
                return error_prefix(err, "the %s state cannot be copied to %s", firmware->what,
                                    restore->job.host->name);
        _cleanup_free_ char *said = str_one_line(result.errors ? result.errors : "", 400);
        return result.status == 0
                       ? 0
                       : error_set(err, ERROR_INTERNAL,
                                   "the %s state cannot be copied to %s (status %d): %s",
                                   firmware->what, restore->job.host->name, result.status, said);
}

int restore_copy_firmware(struct restore *restore, struct error **err)
{
        return copy_firmware(restore, &restore->nvram, err) < 0 ||
                               copy_firmware(restore, &restore->tpm, err) < 0
                       ? -1
                       : 0;
}

int restore_copy(struct restore *restore, struct error **err)
{
        for (size_t i = 0; i < restore->n_disks; i++) {
                const struct restore_disk *disk = &restore->disks[i];
                _cleanup_free_ char *size = format_bytes(disk->needed_bytes);
                report_step(restore->job.report, STEP_NAME_COPY);
                if (restore_copy_disk(restore, disk, err) < 0)
                        return -1;
                report_step_end(restore->job.report, STEP_DONE, "disk %s, %s", disk->saved->target,
                                size);
        }
        return restore_copy_firmware(restore, err);
}

static int compare_disk(struct restore *restore, const struct restore_disk *disk,
                        struct error **err)
{
        const char *const argv[] = { "sh",
                                     "-c",
                                     compare_disk_script,
                                     "orch-restore",
                                     disk->temporary,
                                     "qemu-img",
                                     "compare",
                                     "-p",
                                     "-f",
                                     "qcow2",
                                     "-F",
                                     disk->format,
                                     disk->image,
                                     disk->temporary,
                                     NULL };
        _cleanup_free_ char *what = xasprintf("the comparison of disk %s", disk->saved->target);
        _cleanup_free_ char *errors = NULL;
        int status = 0;
        if (restore_run_qemu_img(restore, disk, what, argv, &status, &errors, err) < 0)
                return -1;
        if (status == 0)
                return 0;
        _cleanup_free_ char *said = str_one_line(errors ? errors : "", 600);
        if (status == 1)
                return error_set(err, ERROR_CORRUPT,
                                 "the copy of disk %s on %s differs from the point: the disk of "
                                 "%s, its memory or the "
                                 "way to the share is not to be trusted",
                                 disk->saved->target, restore->job.host->name,
                                 restore->job.host->name);
        return error_set(err, ERROR_INTERNAL, "%s failed on %s (status %d): %s", what,
                         restore->job.host->name, status, said);
}

int restore_compare(struct restore *restore, struct error **err)
{
        for (size_t i = 0; i < restore->n_disks; i++)
                if (compare_disk(restore, &restore->disks[i], err) < 0)
                        return -1;
        report_check(restore->job.report, CHECK_AFTER, CHECK_NAME_COMPARED, CHECK_PASS,
                     "%zu disks hold what the point holds", restore->n_disks);
        return 0;
}
