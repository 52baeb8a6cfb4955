/* Implements worker/vm/commit.h. Per disk: base = exactly the path recorded before the snapshot,
 * top = our overlay whose direct backing must be that base → READY → `.pivoting` marker → pivot →
 * live and inactive XML both back on the base → `.committed` → unlink.
 *
 * A `.pivoting` marker of another QEMU than the one that runs now means that the pivot may have
 * been done unseen and the base be newer than the overlay, whatever the XML says: then the two are
 * compared, and committed only when they hold the same data.
 *
 * A VM that an I/O error of its overlay paused is resumed once all its disks are back; libvirt
 * tells that pause from an owner's, which is kept, so this change of power state needs no intent
 * file. */
#include "worker/vm/commit.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "policies/commit-race.h"
#include "worker/backup/backup-internal.h"
#include "worker/host/overlay.h"
#include "worker/vm/commit-offline.h"

enum {
        POLL_FIRST_US = 10 * 1000,
        POLL_LAST_US = 500 * 1000,
        PIVOT_SETTLE_MS = 15 * 1000,
};

/* Where a disk stands in an XML. */
enum disk_place { PLACE_BASE, PLACE_OVERLAY, PLACE_ELSEWHERE };

static enum disk_place place_in(const struct domain_xml *xml, const struct backup_disk *disk)
{
        const struct domain_disk *found = domain_xml_find_disk(xml, disk->target);
        if (!found)
                return PLACE_ELSEWHERE;
        if (streq(found->path, disk->base))
                return PLACE_BASE;
        return streq(found->path, disk->overlay) ? PLACE_OVERLAY : PLACE_ELSEWHERE;
}

/* Best effort: where it cannot be lifted, the race goes on as it is. */
static void lift_limit(struct backup *backup, const struct backup_disk *disk)
{
        _cleanup_error_ struct error *error = NULL;
        if (backup->host->ops->block_unlimit(backup->host, backup->uuid, disk->target, &error) < 0)
                report_log(backup->report,
                           "the limit on the commit of disk %s could not be lifted: %s",
                           disk->target, error->message);
        else
                report_log(backup->report,
                           "%s writes to disk %s as fast as limits.bandwidth_mib_s lets its "
                           "overlay be committed: the limit is lifted",
                           backup->vm->name, disk->target);
}

/* The job copies and the guest writes: 1 the wait may go on, -1 it is over. */
static int look_at_race(struct backup *backup, const struct backup_disk *disk,
                        struct commit_race *race, const struct block_job *job, bool *limited,
                        struct error **err)
{
        switch (commit_race_look(race, clock_monotonic_ms(), job->done_bytes, job->total_bytes)) {
        case COMMIT_RACE_STALLED:
                return error_set(err, ERROR_TIMEOUT,
                                 "the commit of disk %s of %s has not moved for %lld s",
                                 disk->target, backup->vm->name, (long long)race->stall_ms / 1000);
        case COMMIT_RACE_LOST:
                return error_set(err, ERROR_TIMEOUT,
                                 "for %lld s %s has written to disk %s as fast as its overlay is "
                                 "committed; that goes on, and it is put "
                                 "back once the guest writes less",
                                 (long long)race->stall_ms * COMMIT_RACE_LOST_PATIENCE / 1000,
                                 backup->vm->name, disk->target);
        case COMMIT_RACE_SLOW:
                if (*limited)
                        lift_limit(backup, disk);
                *limited = false;
                return 1;
        case COMMIT_RACE_GAINS:
        default:
                return 1;
        }
}

/* Waits until the job of the disk is ready. A guest that writes faster than the limit would keep
 * its VM on the overlay for good, so the limit gives way. One that writes faster than its own
 * storage must not keep all other VMs waiting: its job is left under way for a recovery. */
static int wait_ready(struct backup *backup, const struct backup_disk *disk, struct error **err)
{
        bool limited = backup->settings->limits.bandwidth_mib_s > 0;
        struct commit_race race;
        commit_race_begin(&race, clock_monotonic_ms(),
                          (int64_t)backup->settings->limits.copy_stall_seconds * 1000);
        useconds_t pause = POLL_FIRST_US;
        for (;;) {
                struct block_job job = { 0 };
                if (backup->host->ops->block_job(backup->host, backup->uuid, disk->target, &job,
                                                 err) < 0)
                        return -1;
                if (job.type == BLOCK_JOB_COMMIT && job.ready)
                        return 0;
                if (job.type != BLOCK_JOB_COMMIT)
                        return error_set(err, ERROR_INTERNAL,
                                         "the commit of disk %s of %s ended before it was ready: "
                                         "is there room where %s lies on %s?",
                                         disk->target, backup->vm->name, disk->base,
                                         backup->host->name);
                if (look_at_race(backup, disk, &race, &job, &limited, err) < 0)
                        return -1;
                report_progress(backup->report, disk->target, job.done_bytes, job.total_bytes);
                usleep(pause);
                pause = pause * 2 < POLL_LAST_US ? pause * 2 : POLL_LAST_US;
        }
}

/* After a pivot: the live XML must name the base again, and the configuration the overlay no more.
 * libvirt updates them as the job's end event comes in. What else an owner has written into the
 * configuration meanwhile, for the next start, is none of our business. */
static int witness(struct backup *backup, struct backup_disk *disk, struct error **err)
{
        struct deadline deadline = deadline_in_ms(PIVOT_SETTLE_MS);
        for (;;) {
                _cleanup_(domain_xml_freep) struct domain_xml *live = NULL;
                _cleanup_(domain_xml_freep) struct domain_xml *inactive = NULL;
                if (backup_read_xml(backup, false, &live, err) < 0 ||
                    backup_read_xml(backup, true, &inactive, err) < 0)
                        return -1;
                const struct domain_disk *found = domain_xml_find_disk(live, disk->target);
                if (place_in(live, disk) == PLACE_BASE &&
                    place_in(inactive, disk) != PLACE_OVERLAY && found && !found->has_mirror) {
                        disk->committed = true;
                        return 0;
                }
                if (deadline_passed(deadline))
                        return error_set(err, ERROR_INTERNAL,
                                         "after the commit of disk %s of %s it is not on %s again, "
                                         "live and configured: the overlay "
                                         "%s is kept",
                                         disk->target, backup->vm->name, disk->base, disk->overlay);
                usleep(POLL_FIRST_US);
        }
}

static int check_chain(const struct backup *backup, const struct domain_xml *live,
                       const struct backup_disk *disk, struct error **err)
{
        const struct domain_disk *found = domain_xml_find_disk(live, disk->target);
        if (found && found->n_backing && streq(found->backing[0].path, disk->base))
                return 0;
        return error_set(err, ERROR_REFUSED,
                         "disk %s of %s is on the overlay %s, but that does not lie directly on "
                         "%s: not committed, a person has to look",
                         disk->target, backup->vm->name, disk->overlay, disk->base);
}

static bool goes_into_base(const struct domain_xml *live, const struct backup_disk *disk)
{
        const struct domain_disk *found = domain_xml_find_disk(live, disk->target);
        return found && streq(found->mirror_path, disk->base);
}

static int commit_live(struct backup *backup, const struct domain_xml *live,
                       struct backup_disk *disk, struct error **err)
{
        struct hypervisor *host = backup->host;
        if (check_chain(backup, live, disk, err) < 0)
                return -1;
        struct overlay_facts facts = { 0 };
        if (overlay_look(host, backup->uuid, disk->overlay, &facts, err) < 0)
                return -1;
        if (facts.pivoting && !facts.same_qemu)
                return error_set(err, ERROR_REFUSED,
                                 "the QEMU of %s died while disk %s was being pivoted, and it was "
                                 "started again on the overlay: whether its "
                                 "base holds newer data cannot be "
                                 "told while it runs. Nothing was touched. Shut it down (on %s: "
                                 "virsh shutdown %s), then: orch recover %s",
                                 backup->vm->name, disk->target, host->name, backup->vm->domain,
                                 backup->vm->name);
        struct block_job job = { 0 };
        if (host->ops->block_job(host, backup->uuid, disk->target, &job, err) < 0)
                return -1;
        /* A commit of somebody else's that goes deeper than our base must not be finished: it would
         * end in a template. */
        if (job.type == BLOCK_JOB_PULL || job.type == BLOCK_JOB_OTHER ||
            (job.type == BLOCK_JOB_COMMIT && !goes_into_base(live, disk)))
                return error_set(err, ERROR_BUSY,
                                 "a block job of somebody else is under way on disk %s of %s; once "
                                 "it has ended (on %s: virsh blockjob %s "
                                 "%s), the overlay is committed",
                                 disk->target, backup->vm->name, host->name, backup->vm->domain,
                                 disk->target);
        if (job.type == BLOCK_JOB_NONE &&
            host->ops->block_commit(host, backup->uuid, disk->target, disk->base, disk->overlay,
                                    backup->settings->limits.bandwidth_mib_s, err) < 0)
                return error_prefix(err, "disk %s of %s cannot be committed", disk->target,
                                    backup->vm->name);
        if (wait_ready(backup, disk, err) < 0 ||
            overlay_mark_pivoting(host, backup->uuid, disk->overlay, err) < 0)
                return -1;
        if (host->ops->block_pivot(host, backup->uuid, disk->target, err) < 0)
                return error_prefix(err, "disk %s of %s cannot be pivoted back", disk->target,
                                    backup->vm->name);
        return 0;
}

/* The disk is on its base although nobody saw a commit: the snapshot never happened, the pivot was
 * done unseen, somebody else put the disk back, or the VM was being saved, the snapshot waited for
 * that and was taken of a machine that was off, and what was saved goes on on the base. Only the
 * same QEMU's own pivot is a witness, or that there was nothing to commit. */
static int settle_unwitnessed(struct backup *backup, struct backup_disk *disk, struct error **err)
{
        struct overlay_facts facts = { 0 };
        if (overlay_look(backup->host, backup->uuid, disk->overlay, &facts, err) < 0)
                return -1;
        /* Its next start must not look for the overlay either. */
        bool nothing = !facts.exists || facts.committed || (facts.pivoting && facts.same_qemu);
        /* What was saved may name it all the same. */
        if (!nothing && !backup->info.has_managed_save &&
            overlay_is_unwritten(backup->host, disk->overlay, &nothing, err) < 0)
                return -1;
        if (nothing)
                return commit_repoint(backup, disk, err) < 0 ? -1 : witness(backup, disk, err);
        return error_set(err, ERROR_REFUSED,
                         "the overlay %s of %s exists on %s, but the VM is on %s and nobody saw "
                         "the overlay being committed: it is "
                         "kept, because it may hold the "
                         "only copy of some writes",
                         disk->overlay, backup->vm->name, backup->host->name, disk->base);
}

static int commit_one(struct backup *backup, struct backup_disk *disk, struct error **err)
{
        if (!disk->committed) {
                _cleanup_(domain_xml_freep) struct domain_xml *xml = NULL;
                if (backup_read_xml(backup, !backup->running, &xml, err) < 0)
                        return -1;
                int r = 0;
                switch (place_in(xml, disk)) {
                case PLACE_OVERLAY:
                        r = backup->running ? commit_live(backup, xml, disk, err)
                                            : commit_offline(backup, disk, err);
                        if (r == 0)
                                r = witness(backup, disk, err);
                        break;
                case PLACE_BASE:
                        r = settle_unwitnessed(backup, disk, err);
                        break;
                case PLACE_ELSEWHERE:
                        return error_set(err, ERROR_REFUSED,
                                         "disk %s of %s is neither on %s nor on its overlay %s: "
                                         "somebody changed it; nothing was touched",
                                         disk->target, backup->vm->name, disk->base, disk->overlay);
                }
                if (r < 0)
                        return -1;
        }
        return overlay_remove(backup->host, disk->overlay, err);
}

/* What the VM is doing *now*: it may have powered off or been started since it was found. */
static int refresh(struct backup *backup, struct error **err)
{
        struct domain_info info = { 0 };
        int found = backup->host->ops->find_domain(backup->host, backup->uuid, NULL, &info, err);
        if (found < 0)
                return -1;
        if (found == 0)
                return error_set(err, ERROR_REFUSED,
                                 "%s (UUID %s) is no longer defined on %s; its overlays are kept",
                                 backup->vm->name, backup->uuid, backup->host->name);
        domain_info_done(&backup->info);
        backup->info = info;
        backup->running = !domain_state_is_off(info.state);
        return 0;
}

/* The cause of an I/O error's pause is gone with the overlay; an owner's pause stays. */
static int resume_after_io_error(struct backup *backup, struct error **err)
{
        if (refresh(backup, err) < 0)
                return -1;
        if (!backup->n_disks || backup->info.state != DOMAIN_STATE_PAUSED ||
            !backup->info.paused_by_io_error)
                return 0;
        if (backup->host->ops->resume(backup->host, backup->uuid, err) < 0)
                return error_prefix(err,
                                    "%s was paused by an I/O error of its overlay, is back on its "
                                    "own disks and has to be resumed "
                                    "(on %s: virsh resume %s)",
                                    backup->vm->name, backup->host->name, backup->vm->domain);
        report_warning(backup->report,
                       "%s had been paused by an I/O error while on its overlay (was the file "
                       "system full?); it is back on its own "
                       "disks and resumed",
                       backup->vm->name);
        return 0;
}

int commit_all(struct backup *backup, struct error **err)
{
        if (refresh(backup, err) < 0)
                return -1;
        struct error *first = NULL;
        for (size_t i = 0; i < backup->n_disks; i++) {
                struct error *error = NULL;
                if (commit_one(backup, &backup->disks[i], &error) == 0)
                        continue;
                /* The other disks are put back all the same; the first problem is told. */
                if (first)
                        report_warning(backup->report, "%s", error->message);
                else
                        first = TAKE_PTR(error);
                error_free(error);
        }
        return first ? error_propagate(err, first) : resume_after_io_error(backup, err);
}

int backup_commit(struct backup *backup, struct error **err)
{
        if (!backup->snapshot_taken)
                return 0;
        report_step(backup->report, STEP_NAME_COMMIT);
        if (commit_all(backup, err) < 0)
                return -1;
        undo_settle(&backup->undo, UNDO_NAME_COMMIT);
        report_step_end(backup->report, STEP_DONE, "%zu disks back on their own files",
                        backup->n_disks);
        return 0;
}
