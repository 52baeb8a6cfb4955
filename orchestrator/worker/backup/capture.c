/* Captures the state that a point holds, at its snapshot time. quiesce: watchdog timer → freeze →
 * status → snapshot → status → thaw → status → disarm. snapshot: the snapshot alone. suspend: a
 * pause around the snapshot. shutdown: the VM is shut off, and no snapshot is made. The recorded
 * consistency is what was observed: `filesystem` only if the guest reported frozen before *and*
 * after the snapshot. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/backup/backup-internal.h"
#include "worker/backup/increment.h"
#include "worker/vm/commit.h"
#include "worker/vm/power.h"

/* The timer may only be disarmed while the guest is known to be thawed: before the freeze was sent,
 * or after `thawed` was seen. */
static int undo_arm(void *data, struct error **err)
{
        struct backup *backup = data;
        bool fired = false;
        return vm_job_ensure_connection(&backup->job, err) < 0
                       ? -1
                       : deadman_disarm(&backup->job.deadman, backup->job.host, &fired, err);
}

static int undo_snapshot(void *data, struct error **err)
{
        struct backup *backup = data;
        if (vm_job_ensure_connection(&backup->job, err) < 0)
                return -1;
        return commit_all(&backup->job, err);
}

static int take_snapshot(struct backup *backup, struct error **err)
{
        size_t n = backup->job.n_disks + strv_length(backup->not_snapshotted);
        _cleanup_free_ struct snapshot_disk *disks = xcalloc(n, sizeof *disks);
        for (size_t i = 0; i < backup->job.n_disks; i++)
                disks[i] = (struct snapshot_disk){ .target = backup->job.disks[i].target,
                                                   .overlay = backup->job.disks[i].overlay };
        for (size_t i = backup->job.n_disks; i < n; i++)
                disks[i] = (struct snapshot_disk){
                        .target = backup->not_snapshotted[i - backup->job.n_disks]
                };
        _cleanup_free_ char *xml = domain_xml_make_snapshot(backup->job.tag, disks, n);
        /* From here on an overlay may exist, even if the call fails or its answer is lost. */
        undo_push(&backup->job.undo, UNDO_NAME_COMMIT, undo_snapshot, backup);
        backup->job.snapshot_taken = true;
        return backup->job.host->ops->snapshot(backup->job.host, backup->job.uuid, xml, err);
}

/* Fixes the snapshot time in one call: either makes a snapshot, after which the bases do not
 * change, or begins a backup job, which writes what changed. */
static int take_moment(struct backup *backup, struct error **err)
{
        if (backup->level != VM_LEVEL_FULL)
                return increment_begin(backup, err);
        if (backup->keeps_chain)
                increment_mark(backup);
        return take_snapshot(backup, err);
}

static int refuse_foreign_freeze(struct backup *backup, struct error **err)
{
        enum fsfreeze_status status = FSFREEZE_THAWED;
        if (backup->job.host->ops->fsfreeze_status(backup->job.host, backup->job.uuid, &status,
                                                   err) < 0)
                return error_prefix(
                        err, "the guest agent of %s does not say whether the guest is frozen",
                        backup->job.vm->name);
        if (status == FSFREEZE_FROZEN)
                return error_set(err, ERROR_BUSY,
                                 "the filesystems of %s are frozen by somebody else: left as they "
                                 "are. If nobody is at work: virsh "
                                 "domfsthaw %s",
                                 backup->job.vm->name, backup->job.vm->domain);
        return 0;
}

/* Freezes the guest; its status must then be frozen. Returns 1: frozen, 0: not frozen (with a
 * warning; the backup continues unfrozen), -1: error. */
static int freeze_guest(struct backup *backup, int64_t *ret_frozen_at_ms, struct error **err)
{
        struct hypervisor *host = backup->job.host;
        undo_settle(&backup->job.undo, UNDO_NAME_DISARM);
        undo_push(&backup->job.undo, UNDO_NAME_THAW, vm_job_undo_freeze, backup);
        report_step(backup->job.report, STEP_NAME_FREEZE);
        int filesystems = 0;
        *ret_frozen_at_ms = clock_monotonic_ms();
        if (host->ops->fsfreeze(host, backup->job.uuid, &filesystems, err) < 0)
                return error_prefix(err, "%s could not be frozen", backup->job.vm->name);
        enum fsfreeze_status status = FSFREEZE_THAWED;
        if (host->ops->fsfreeze_status(host, backup->job.uuid, &status, err) < 0)
                return error_prefix(err, "%s gave no freeze status after the freeze",
                                    backup->job.vm->name);
        if (status != FSFREEZE_FROZEN)
                return error_set(err, ERROR_INTERNAL,
                                 "%s answered the freeze but says that it is not frozen",
                                 backup->job.vm->name);
        report_step_end(backup->job.report, STEP_DONE, "%d filesystems", filesystems);
        return 0;
}

static void note_consistency(struct backup *backup, bool frozen_after)
{
        if (!frozen_after)
                report_warning(backup->job.report,
                               "%s was thawed by somebody while the snapshot was taken: this point "
                               "is only crash consistent",
                               backup->job.vm->name);
        xstrdup_replace(&backup->job.metadata->consistency, frozen_after ? "filesystem" : "crash");
}

static int finish_freeze(struct backup *backup, int64_t frozen_at_ms, struct error **err)
{
        report_step(backup->job.report, STEP_NAME_THAW);
        if (vm_job_thaw(&backup->job, err) < 0)
                return -1;
        backup->job.metadata->freeze_milliseconds = clock_monotonic_ms() - frozen_at_ms;
        report_step_end(backup->job.report, STEP_DONE, "frozen for %lld ms",
                        (long long)backup->job.metadata->freeze_milliseconds);
        undo_settle(&backup->job.undo, UNDO_NAME_THAW);
        undo_push(&backup->job.undo, UNDO_NAME_DISARM, undo_arm, backup);
        bool fired = false;
        _cleanup_error_ struct error *error = NULL;
        /* The copy does not wait for this: backup_disarm() tries again at the end of the backup. */
        if (deadman_disarm(&backup->job.deadman, backup->job.host, &fired, &error) < 0)
                report_log(backup->job.report, "%s", error->message);
        else
                undo_settle(&backup->job.undo, UNDO_NAME_DISARM);
        if (fired) {
                report_warning(backup->job.report,
                               "the dead-man timer on %s fired and thawed %s: the freeze took "
                               "longer than %u s",
                               backup->job.host->name, backup->job.vm->name,
                               vm_job_thaw_deadline_seconds(&backup->job));
                xstrdup_replace(&backup->job.metadata->consistency, "crash");
        }
        return 0;
}

static int capture_quiesced(struct backup *backup, struct error **err)
{
        struct hypervisor *host = backup->job.host;
        report_step(backup->job.report, STEP_NAME_ARM);
        if (refuse_foreign_freeze(backup, err) < 0)
                return -1;
        /* The undo is pushed first, because the command may succeed although its answer is lost. */
        undo_push(&backup->job.undo, UNDO_NAME_DISARM, undo_arm, backup);
        if (deadman_arm(&backup->job.deadman, host, backup->job.tag, backup->job.uuid,
                        vm_job_thaw_deadline_seconds(&backup->job), err) < 0)
                return -1;
        report_step_end(backup->job.report, STEP_DONE, "thaws after %u s at the latest",
                        vm_job_thaw_deadline_seconds(&backup->job));
        int64_t frozen_at_ms = 0;
        if (freeze_guest(backup, &frozen_at_ms, err) < 0)
                return -1;
        report_step(backup->job.report, STEP_NAME_SNAPSHOT);
        int r = take_moment(backup, err);
        if (r < 0)
                return -1;
        backup->job.metadata->snapshot_at = clock_realtime_s();
        enum fsfreeze_status status = FSFREEZE_THAWED;
        bool frozen = host->ops->fsfreeze_status(host, backup->job.uuid, &status, NULL) == 0 &&
                      status == FSFREEZE_FROZEN;
        report_step_end(backup->job.report, STEP_DONE, NULL);
        note_consistency(backup, frozen);
        return finish_freeze(backup, frozen_at_ms, err);
}

int backup_disarm(struct backup *backup, struct error **err)
{
        if (!backup->job.deadman.armed)
                return 0;
        if (undo_arm(backup, err) < 0)
                return -1;
        undo_settle(&backup->job.undo, UNDO_NAME_DISARM);
        return 0;
}

static int capture_live(struct backup *backup, struct error **err)
{
        report_step(backup->job.report, STEP_NAME_SNAPSHOT);
        if (take_moment(backup, err) < 0)
                return -1;
        backup->job.metadata->snapshot_at = clock_realtime_s();
        xstrdup_replace(&backup->job.metadata->consistency, "crash");
        report_step_end(backup->job.report, STEP_DONE, NULL);
        return 0;
}

static int capture_suspended(struct backup *backup, struct error **err)
{
        int64_t since_ms = clock_monotonic_ms();
        bool fired = false;
        if (power_pause(&backup->job, err) < 0)
                return -1;
        report_step(backup->job.report, STEP_NAME_SNAPSHOT);
        int r = take_moment(backup, err);
        if (r < 0)
                return -1;
        backup->job.metadata->snapshot_at = clock_realtime_s();
        xstrdup_replace(&backup->job.metadata->consistency, "crash");
        report_step_end(backup->job.report, STEP_DONE, NULL);
        report_step(backup->job.report, STEP_NAME_RESUME);
        if (power_unpause(&backup->job, &fired, err) < 0)
                return -1;
        report_step_end(backup->job.report, STEP_DONE, "paused for %lld ms",
                        (long long)(clock_monotonic_ms() - since_ms));
        if (fired)
                report_warning(backup->job.report,
                               "the dead-man timer on %s fired and resumed %s: the snapshot took "
                               "longer than %u s",
                               backup->job.host->name, backup->job.vm->name,
                               vm_job_thaw_deadline_seconds(&backup->job));
        return 0;
}

static int capture_off(struct backup *backup, struct error **err)
{
        if (power_off(&backup->job, err) < 0)
                return -1;
        backup->job.metadata->snapshot_at = clock_realtime_s();
        xstrdup_replace(&backup->job.metadata->consistency, "offline");
        return 0;
}

/* Asserts that the VM writes to our overlays, each directly backed by its recorded base. Only then
 * do the bases that are copied next not change. */
static int assert_on_overlays(struct backup *backup, struct error **err)
{
        _cleanup_(domain_xml_freep) struct domain_xml *xml = NULL;
        if (vm_job_read_xml(&backup->job, false, &xml, err) < 0)
                return -1;
        for (size_t i = 0; i < backup->job.n_disks; i++) {
                const struct vm_disk *disk = &backup->job.disks[i];
                const struct domain_disk *live = domain_xml_find_disk(xml, disk->target);
                if (!live || !streq(live->path, disk->overlay) || live->n_backing == 0 ||
                    !streq(live->backing[0].path, disk->base))
                        return error_set(
                                err, ERROR_INTERNAL,
                                "after the snapshot disk %s of %s is not on its overlay %s over %s",
                                disk->target, backup->job.vm->name, disk->overlay, disk->base);
        }
        return 0;
}

int backup_capture(struct backup *backup, struct error **err)
{
        if (!backup->job.running || backup->job.n_disks == 0) {
                backup->job.metadata->snapshot_at = clock_realtime_s();
                xstrdup_replace(&backup->job.metadata->consistency,
                                backup->job.running ? "crash" : "offline");
                return 0;
        }
        if (backup->job.method == VM_METHOD_SHUTDOWN)
                return capture_off(backup, err);
        int r = backup->job.method == VM_METHOD_QUIESCE   ? capture_quiesced(backup, err)
                : backup->job.method == VM_METHOD_SUSPEND ? capture_suspended(backup, err)
                                                          : capture_live(backup, err);
        return r < 0 || !backup->job.snapshot_taken ? r : assert_on_overlays(backup, err);
}
