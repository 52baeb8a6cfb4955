/* The copy (design §9): `qemu-img convert` on the hypervisor from the quiet base to the staging folder, disk after disk, never with -U.
 * It runs as a named unit, so that it can be stopped from a new connection, and is watched: a copy that moves nothing for
 * copy_stall_seconds, or overlays that fill their file system below the low-water mark, end it. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/backup-internal.h"
#include "worker/connect.h"

enum {
        COPY_LONGEST_MS = 7 * 24 * 3600 * 1000, /* the deadline is on progress; this only bounds a unit that lost its watcher */
        WATCH_INTERVAL_MS = 5000,
        WATCH_CONNECT_MS = 5000,
        WATCH_CALL_MS = 5000,
        WATCH_FAILURES_MAX = 4,
        TAIL_MAX = 32,
};

struct copy {
        struct backup *backup;
        const struct backup_disk *disk;
        char tail[TAIL_MAX]; /* of qemu-img's progress text, over chunk borders */
        size_t tail_length;
        double percent;
        struct deadline stall;
        struct deadline next_watch;
        struct hypervisor *watcher; /* a second connection, opened when the copy takes long enough to need it */
        int watch_failures;
        struct error *reason; /* why the copy is being given up */
};

static void reset_stall(struct copy *copy)
{
        copy->stall = deadline_in_ms((int64_t)copy->backup->settings->limits.copy_stall_seconds * 1000);
}

/* "    (12.34/100%)\r" */
static void on_percent(struct copy *copy, const char *text)
{
        char *end = NULL;
        double percent = strtod(text, &end);
        if (end == text || percent < 0 || percent > 100)
                return;
        if (percent > copy->percent) {
                copy->percent = percent;
                reset_stall(copy);
        }
        uint64_t total = copy->disk->allocated_bytes;
        report_progress(copy->backup->report, copy->disk->target, (uint64_t)((double)total * percent / 100.0), total);
}

static void on_output(const char *data, size_t length, void *pointer)
{
        struct copy *copy = pointer;
        for (size_t i = 0; i < length; i++) {
                char c = data[i];
                if (c == '(')
                        copy->tail_length = 0;
                else if (c == '/' && copy->tail_length) {
                        copy->tail[copy->tail_length] = '\0';
                        on_percent(copy, copy->tail);
                        copy->tail_length = 0;
                } else if (copy->tail_length + 1 < TAIL_MAX)
                        copy->tail[copy->tail_length++] = c;
        }
}

/* Free bytes where the overlays grow: the least of all their folders. */
static int free_for_overlays(struct copy *copy, uint64_t *ret_bytes, struct error **err)
{
        struct backup *backup = copy->backup;
        if (!copy->watcher) {
                copy->watcher = worker_connect(backup->settings, backup->host_entry, WATCH_CONNECT_MS, err);
                if (!copy->watcher)
                        return -1;
        }
        _cleanup_strv_ char **argv = NULL;
        static const char *const head[] = { "stat", "-f", "-c", "%a %S", "--" };
        for (size_t i = 0; i < ARRAY_LENGTH(head); i++)
                strv_add(&argv, head[i]);
        for (size_t i = 0; i < backup->n_disks; i++) {
                _cleanup_free_ char *folder = path_directory(backup->disks[i].overlay);
                strv_add(&argv, folder);
        }
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(copy->watcher, (const char *const *)argv, WATCH_CALL_MS, &output, err) < 0)
                return -1;
        *ret_bytes = UINT64_MAX;
        for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) {
                char *end = NULL;
                uint64_t blocks = strtoull(line, &end, 10);
                uint64_t bytes = blocks * strtoull(end, NULL, 10);
                if (bytes < *ret_bytes)
                        *ret_bytes = bytes;
        }
        return 0;
}

static void watch_overlays(struct copy *copy)
{
        struct backup *backup = copy->backup;
        uint64_t low = (uint64_t)backup->settings->checks.hypervisor_low_water_gib * 1024 * 1024 * 1024;
        uint64_t free_bytes = 0;
        _cleanup_error_ struct error *error = NULL;
        if (free_for_overlays(copy, &free_bytes, &error) < 0) {
                copy->watcher = hypervisor_free(copy->watcher);
                if (++copy->watch_failures >= WATCH_FAILURES_MAX) {
                        copy->reason = TAKE_PTR(error);
                        error_prefix(&copy->reason, "the copy of disk %s is given up: its hypervisor does not answer any more",
                                     copy->disk->target);
                }
                return;
        }
        copy->watch_failures = 0;
        if (free_bytes >= low)
                return;
        _cleanup_free_ char *free_text = format_bytes(free_bytes);
        error_set(&copy->reason, ERROR_NOSPACE,
                  "the copy of disk %s is given up: %s has only %s left where the overlays of %s grow (low-water mark: %u GiB)",
                  copy->disk->target, backup->host->name, free_text, backup->vm->name,
                  backup->settings->checks.hypervisor_low_water_gib);
}

static bool copy_must_end(void *pointer)
{
        struct copy *copy = pointer;
        if (copy->reason)
                return true;
        if (worker_cancelled(NULL))
                error_set(&copy->reason, ERROR_CANCELLED, "cancelled during the copy of disk %s", copy->disk->target);
        else if (deadline_passed(copy->stall))
                error_set(&copy->reason, ERROR_TIMEOUT,
                          "the copy of disk %s has not moved for %u s (%.1f %% done): the share or the disk of %s is stuck",
                          copy->disk->target, copy->backup->settings->limits.copy_stall_seconds, copy->percent,
                          copy->backup->host->name);
        else if (copy->backup->snapshot_taken && deadline_passed(copy->next_watch)) {
                watch_overlays(copy);
                copy->next_watch = deadline_in_ms(WATCH_INTERVAL_MS);
        }
        return copy->reason != NULL;
}

static char *copy_unit(const struct backup *backup)
{
        return xasprintf("%s-copy", backup->tag);
}

static int undo_copy(void *data, struct error **err)
{
        struct backup *backup = data;
        if (backup_ensure_connection(backup, err) < 0)
                return -1;
        _cleanup_free_ char *unit = copy_unit(backup);
        return backup->host->ops->stop_unit(backup->host, unit, err);
}

/* convert, then the target made durable: its status is convert's or sync's. */
static char **copy_argv(const struct backup *backup, const struct backup_disk *disk, const char *target)
{
        char **argv = NULL;
        strv_add(&argv, "sh");
        strv_add(&argv, "-c");
        strv_add(&argv, "target=$1; shift; umask 077; \"$@\" && exec sync \"$target\"");
        strv_add(&argv, "orch-copy");
        strv_add(&argv, target);
        static const char *const convert[] = { "qemu-img", "convert", "-p", "-O", "qcow2", "-m", "16" };
        for (size_t i = 0; i < ARRAY_LENGTH(convert); i++)
                strv_add(&argv, convert[i]);
        /* qemu-img refuses out-of-order writes together with compression. */
        if (backup->vm->compression == VM_COMPRESSION_NONE) {
                strv_add(&argv, "-W");
        } else {
                strv_add(&argv, "-c");
                strv_add(&argv, "-o");
                strv_addf(&argv, "compression_type=%s", vm_compression_name(backup->vm->compression));
        }
        if (backup->settings->limits.bandwidth_mib_s) {
                strv_add(&argv, "-r");
                strv_addf(&argv, "%uM", backup->settings->limits.bandwidth_mib_s);
        }
        strv_add(&argv, "-f");
        strv_add(&argv, disk->format);
        strv_add(&argv, disk->base);
        strv_add(&argv, target);
        return argv;
}

static int run_copy(struct backup *backup, struct copy *copy, struct error **err)
{
        _cleanup_free_ char *unit = copy_unit(backup);
        _cleanup_free_ char *target = path_join(backup->staging_on_host, copy->disk->file);
        _cleanup_strv_ char **argv = copy_argv(backup, copy->disk, target);
        struct exec_options options = {
                .timeout_ms = COPY_LONGEST_MS, .unit = unit, .on_output = on_output, .cancelled = copy_must_end, .data = copy
        };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        if (backup->host->ops->exec(backup->host, (const char *const *)argv, &options, &result, err) < 0)
                return error_prefix(err, "the copy of disk %s was broken off", copy->disk->target);
        if (result.status == 0)
                return 0;
        bool full = result.errors && strstr(result.errors, "No space left on device");
        _cleanup_free_ char *said = str_one_line(result.errors ? result.errors : "", 600);
        return error_set(err, full ? ERROR_NOSPACE : ERROR_INTERNAL, "the copy of disk %s to %s failed on %s (status %d): %s",
                         copy->disk->target, target, backup->host->name, result.status, said);
}

static int copy_disk(struct backup *backup, const struct backup_disk *disk, struct error **err)
{
        struct copy copy = { .backup = backup, .disk = disk, .next_watch = deadline_in_ms(WATCH_INTERVAL_MS) };
        reset_stall(&copy);
        undo_push(&backup->undo, "copy", undo_copy, backup);
        struct error *error = NULL;
        int r = run_copy(backup, &copy, &error);
        if (r == 0)
                undo_settle(&backup->undo, "copy");
        if (r < 0 && copy.reason) {
                error_free(error);
                error = TAKE_PTR(copy.reason);
        }
        error_free(copy.reason);
        hypervisor_free(copy.watcher);
        return r < 0 ? error_propagate(err, error) : 0;
}

int backup_copy(struct backup *backup, struct error **err)
{
        for (size_t i = 0; i < backup->n_disks; i++) {
                const struct backup_disk *disk = &backup->disks[i];
                _cleanup_free_ char *size = format_bytes(disk->allocated_bytes);
                report_step(backup->report, "copy");
                if (copy_disk(backup, disk, err) < 0)
                        return -1;
                report_step_end(backup->report, STEP_DONE, "disk %s, %s", disk->target, size);
        }
        return 0;
}
