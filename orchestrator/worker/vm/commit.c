/* Implements worker/vm/commit.h. Per disk: base = exactly the path recorded before the snapshot,
 * top = our overlay, which must be directly backed by that base → READY → `.pivoting` marker →
 * pivot → live and inactive XML both name the base again → `.committed` → unlink.
 *
 * If a `.pivoting` marker names another QEMU than the one that runs now, the pivot may have
 * happened unseen and the base may be newer than the overlay, whatever the XML says. The two are
 * then compared, and committed only if they hold the same data.
 *
 * A VM that was paused by an I/O error of its overlay is resumed once all its disks are on their
 * bases. libvirt distinguishes that pause from the owner's, which is kept, so this change of power
 * state needs no intent file. */
#include "worker/vm/commit.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "policies/commit-race.h"
#include "worker/host/overlay.h"
#include "worker/vm/commit-offline.h"
#include "worker/vm/vm-job.h"

enum {
        POLL_FIRST_US = 10 * 1000,
        POLL_LAST_US = 500 * 1000,
        PIVOT_SETTLE_MS = 15 * 1000,
};

/* The file that a disk uses in an XML. */
enum disk_place { PLACE_BASE, PLACE_OVERLAY, PLACE_ELSEWHERE };

static enum disk_place place_in(const struct domain_xml *xml, const struct vm_disk *disk)
{
        const struct domain_disk *found = domain_xml_find_disk(xml, disk->target);
        if (!found)
                return PLACE_ELSEWHERE;
        if (streq(found->path, disk->base))
                return PLACE_BASE;
        return streq(found->path, disk->overlay) ? PLACE_OVERLAY : PLACE_ELSEWHERE;
}

/* Best effort: if the limit cannot be lifted, the commit continues with it. */
static void lift_limit(struct vm_job *job, const struct vm_disk *disk)
{
        _cleanup_error_ struct error *error = NULL;
        if (job->host->ops->block_unlimit(job->host, job->uuid, disk->target, &error) < 0)
                report_log(job->report,
                           "the limit on the commit of disk %s could not be lifted: %s",
                           disk->target, error->message);
        else
                report_log(job->report,
                           "%s writes to disk %s as fast as limits.bandwidth_mib_s lets its "
                           "overlay be committed: the limit is lifted",
                           job->vm->name, disk->target);
}

/* The job copies while the guest writes: 1: keep waiting, -1: give up. */
static int look_at_race(struct vm_job *job, const struct vm_disk *disk, struct commit_race *race,
                        const struct block_job *state, bool *limited, struct error **err)
{
        switch (commit_race_update(race, clock_monotonic_ms(), state->done_bytes,
                                   state->total_bytes)) {
        case COMMIT_RACE_STALLED:
                return error_set(err, ERROR_TIMEOUT,
                                 "the commit of disk %s of %s has not moved for %lld s",
                                 disk->target, job->vm->name, (long long)race->stall_ms / 1000);
        case COMMIT_RACE_LOST:
                return error_set(err, ERROR_TIMEOUT,
                                 "for %lld s %s has written to disk %s as fast as its overlay is "
                                 "committed; that goes on, and it is put "
                                 "back once the guest writes less",
                                 (long long)race->stall_ms * COMMIT_RACE_LOST_PATIENCE / 1000,
                                 job->vm->name, disk->target);
        case COMMIT_RACE_SLOW:
                if (*limited)
                        lift_limit(job, disk);
                *limited = false;
                return 1;
        case COMMIT_RACE_GAINS:
        default:
                return 1;
        }
}

/* Waits until the disk's job is ready. If the guest writes faster than the limit, its VM would stay
 * on the overlay for ever, so the limit is lifted. If it writes faster than its own storage, its
 * job is left running for a recovery, so that the other VMs need not wait for it. */
static int wait_ready(struct vm_job *job, const struct vm_disk *disk, struct error **err)
{
        bool limited = job->settings->limits.bandwidth_mib_s > 0;
        struct commit_race race;
        commit_race_begin(&race, clock_monotonic_ms(),
                          (int64_t)job->settings->limits.copy_stall_seconds * 1000);
        useconds_t pause = POLL_FIRST_US;
        for (;;) {
                struct block_job state = { 0 };
                if (job->host->ops->block_job(job->host, job->uuid, disk->target, &state, err) < 0)
                        return -1;
                if (state.type == BLOCK_JOB_COMMIT && state.ready)
                        return 0;
                if (state.type != BLOCK_JOB_COMMIT)
                        return error_set(err, ERROR_INTERNAL,
                                         "the commit of disk %s of %s ended before it was ready: "
                                         "is there room where %s lies on %s?",
                                         disk->target, job->vm->name, disk->base, job->host->name);
                if (look_at_race(job, disk, &race, &state, &limited, err) < 0)
                        return -1;
                report_progress(job->report, disk->target, state.done_bytes, state.total_bytes);
                usleep(pause);
                pause = pause * 2 < POLL_LAST_US ? pause * 2 : POLL_LAST_US;
        }
}

/* After a pivot, the live XML must name the base again, and the configuration must no longer name
 * the overlay. libvirt updates them when the job's end event arrives. Any other change that the
 * owner made to the configuration meanwhile, for the next start, is left alone. */
static int commit_witness(struct vm_job *job, struct vm_disk *disk, struct error **err)
{
        struct deadline deadline = deadline_in_ms(PIVOT_SETTLE_MS);
        for (;;) {
                _cleanup_(domain_xml_freep) struct domain_xml *live = NULL;
                _cleanup_(domain_xml_freep) struct domain_xml *inactive = NULL;
                if (vm_job_read_xml(job, false, &live, err) < 0 ||
                    vm_job_read_xml(job, true, &inactive, err) < 0)
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
                                         disk->target, job->vm->name, disk->base, disk->overlay);
                usleep(POLL_FIRST_US);
        }
}

static int check_chain(const struct vm_job *job, const struct domain_xml *live,
                       const struct vm_disk *disk, struct error **err)
{
        const struct domain_disk *found = domain_xml_find_disk(live, disk->target);
        if (found && found->n_backing && streq(found->backing[0].path, disk->base))
                return 0;
        return error_set(err, ERROR_REFUSED,
                         "disk %s of %s is on the overlay %s, but that does not lie directly on "
                         "%s: not committed, a person has to look",
                         disk->target, job->vm->name, disk->overlay, disk->base);
}

static bool goes_into_base(const struct domain_xml *live, const struct vm_disk *disk)
{
        const struct domain_disk *found = domain_xml_find_disk(live, disk->target);
        return found && streq(found->mirror_path, disk->base);
}

static int commit_live(struct vm_job *job, const struct domain_xml *live, struct vm_disk *disk,
                       struct error **err)
{
        struct hypervisor *host = job->host;
        if (check_chain(job, live, disk, err) < 0)
                return -1;
        struct overlay_facts facts = { 0 };
        if (overlay_look(host, job->uuid, disk->overlay, &facts, err) < 0)
                return -1;
        if (facts.pivoting && !facts.same_qemu)
                return error_set(err, ERROR_REFUSED,
                                 "the QEMU of %s died while disk %s was being pivoted, and it was "
                                 "started again on the overlay: whether its "
                                 "base holds newer data cannot be "
                                 "told while it runs. Nothing was touched. Shut it down (on %s: "
                                 "virsh shutdown %s), then: orch recover %s",
                                 job->vm->name, disk->target, host->name, job->vm->domain,
                                 job->vm->name);
        struct block_job state = { 0 };
        if (host->ops->block_job(host, job->uuid, disk->target, &state, err) < 0)
                return -1;
        /* Somebody else's commit that goes deeper than our base must not be finished, because it
         * would write into a template. */
        if (state.type == BLOCK_JOB_PULL || state.type == BLOCK_JOB_OTHER ||
            (state.type == BLOCK_JOB_COMMIT && !goes_into_base(live, disk)))
                return error_set(err, ERROR_BUSY,
                                 "a block job of somebody else is under way on disk %s of %s; once "
                                 "it has ended (on %s: virsh blockjob %s "
                                 "%s), the overlay is committed",
                                 disk->target, job->vm->name, host->name, job->vm->domain,
                                 disk->target);
        if (state.type == BLOCK_JOB_NONE &&
            host->ops->block_commit(host, job->uuid, disk->target, disk->base, disk->overlay,
                                    job->settings->limits.bandwidth_mib_s, err) < 0)
                return error_prefix(err, "disk %s of %s cannot be committed", disk->target,
                                    job->vm->name);
        if (wait_ready(job, disk, err) < 0 ||
            overlay_mark_pivoting(host, job->uuid, disk->overlay, err) < 0)
                return -1;
        if (host->ops->block_pivot(host, job->uuid, disk->target, err) < 0)
                return error_prefix(err, "disk %s of %s cannot be pivoted back", disk->target,
                                    job->vm->name);
        return 0;
}

/* The disk is on its base although nobody saw a commit. Either the snapshot was never made, or the
 * pivot happened unseen, or somebody else pointed the disk at its base. Or the VM was being saved:
 * the snapshot waited for that and was taken of a machine that was shut off, and the saved machine
 * continues on the base. Only a pivot of the same QEMU counts as witnessed, or an overlay with
 * nothing to commit. */
static int settle_unwitnessed(struct vm_job *job, struct vm_disk *disk, struct error **err)
{
        struct overlay_facts facts = { 0 };
        if (overlay_look(job->host, job->uuid, disk->overlay, &facts, err) < 0)
                return -1;
        /* The next start must not use the overlay either. */
        bool nothing = !facts.exists || facts.committed || (facts.pivoting && facts.same_qemu);
        /* The saved image may still name the overlay. */
        if (!nothing && !job->info.has_managed_save &&
            overlay_is_unwritten(job->host, disk->overlay, &nothing, err) < 0)
                return -1;
        if (nothing)
                return commit_repoint(job, disk, err) < 0 ? -1 : commit_witness(job, disk, err);
        return error_set(err, ERROR_REFUSED,
                         "the overlay %s of %s exists on %s, but the VM is on %s and nobody saw "
                         "the overlay being committed: it is "
                         "kept, because it may hold the "
                         "only copy of some writes",
                         disk->overlay, job->vm->name, job->host->name, disk->base);
}

static int commit_one(struct vm_job *job, struct vm_disk *disk, struct error **err)
{
        if (!disk->committed) {
                _cleanup_(domain_xml_freep) struct domain_xml *xml = NULL;
                if (vm_job_read_xml(job, !job->running, &xml, err) < 0)
                        return -1;
                int r = 0;
                switch (place_in(xml, disk)) {
                case PLACE_OVERLAY:
                        r = job->running ? commit_live(job, xml, disk, err)
                                         : commit_offline(job, disk, err);
                        if (r == 0)
                                r = commit_witness(job, disk, err);
                        break;
                case PLACE_BASE:
                        r = settle_unwitnessed(job, disk, err);
                        break;
                case PLACE_ELSEWHERE:
                        return error_set(err, ERROR_REFUSED,
                                         "disk %s of %s is neither on %s nor on its overlay %s: "
                                         "somebody changed it; nothing was touched",
                                         disk->target, job->vm->name, disk->base, disk->overlay);
                }
                if (r < 0)
                        return -1;
        }
        return overlay_remove(job->host, disk->overlay, err);
}

/* Reads the VM's *present* state: it may have been shut off or started since it was located. */
static int commit_refresh_info(struct vm_job *job, struct error **err)
{
        struct domain_info info = { 0 };
        int found = job->host->ops->find_domain(job->host, job->uuid, NULL, &info, err);
        if (found < 0)
                return -1;
        if (found == 0)
                return error_set(err, ERROR_REFUSED,
                                 "%s (UUID %s) is no longer defined on %s; its overlays are kept",
                                 job->vm->name, job->uuid, job->host->name);
        domain_info_done(&job->info);
        job->info = info;
        job->running = !domain_state_is_off(info.state);
        return 0;
}

/* Resumes the VM if an I/O error paused it, because removing the overlay removes the cause. The
 * owner's pause stays. */
static int resume_after_io_error(struct vm_job *job, struct error **err)
{
        if (commit_refresh_info(job, err) < 0)
                return -1;
        if (!job->n_disks || job->info.state != DOMAIN_STATE_PAUSED ||
            !job->info.paused_by_io_error)
                return 0;
        if (job->host->ops->resume(job->host, job->uuid, err) < 0)
                return error_prefix(err,
                                    "%s was paused by an I/O error of its overlay, is back on its "
                                    "own disks and has to be resumed "
                                    "(on %s: virsh resume %s)",
                                    job->vm->name, job->host->name, job->vm->domain);
        report_warning(job->report,
                       "%s had been paused by an I/O error while on its overlay (was the file "
                       "system full?); it is back on its own "
                       "disks and resumed",
                       job->vm->name);
        return 0;
}

int commit_all(struct vm_job *job, struct error **err)
{
        if (commit_refresh_info(job, err) < 0)
                return -1;
        struct error *first = NULL;
        for (size_t i = 0; i < job->n_disks; i++) {
                struct error *error = NULL;
                if (commit_one(job, &job->disks[i], &error) == 0)
                        continue;
                /* The other disks are committed nevertheless; the first problem is the error. */
                if (first)
                        report_warning(job->report, "%s", error->message);
                else
                        first = TAKE_PTR(error);
                error_free(error);
        }
        return first ? error_propagate(err, first) : resume_after_io_error(job, err);
}

int vm_job_commit(struct vm_job *job, struct error **err)
{
        if (!job->snapshot_taken)
                return 0;
        report_step(job->report, STEP_NAME_COMMIT);
        if (commit_all(job, err) < 0)
                return -1;
        undo_settle(&job->undo, UNDO_NAME_COMMIT);
        report_step_end(job->report, STEP_DONE, "%zu disks back on their own files", job->n_disks);
        return 0;
}
