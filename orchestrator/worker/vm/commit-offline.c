/* Implements worker/vm/commit-offline.h. qemu-img runs as a named unit, so that it can be stopped
 * from a new connection and does not outlive its job. An interrupted commit is harmless: -d leaves
 * the overlay unchanged, and repeating the commit gives the same result. */
#include "worker/vm/commit-offline.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/overlay.h"
#include "worker/job/names.h"

enum { LONGEST_MS = 24 * 3600 * 1000, DATA_DIFFER = 1 };

struct image_work {
        struct report *report;
        const char *verb;   /* of qemu-img */
        const char *target; /* of the disk */
        int64_t begun_ms;
        struct deadline stall;
        int64_t stall_ms;
        bool stuck;
};

static void offline_on_output(const char *data, size_t length, void *pointer)
{
        (void)data;
        struct image_work *work = pointer;
        if (length)
                work->stall = deadline_in_ms(work->stall_ms);
}

/* A recovery does not stop for a cancel, because a cancelled job needs the same commit. */
static bool offline_must_end(void *pointer)
{
        struct image_work *work = pointer;
        work->stuck = deadline_passed(work->stall);
        if (!work->stuck) {
                _cleanup_free_ char *since =
                        format_duration_ms(clock_monotonic_ms() - work->begun_ms);
                report_life(work->report, "qemu-img %s of disk %s has been running for %s",
                            work->verb, work->target, since);
        }
        return work->stuck;
}

/* Runs qemu-img with a deadline on its progress. *ret_status is its exit status. */
static int run_image_tool(struct vm_job *job, const struct vm_disk *disk, const char *const argv[],
                          int *ret_status, char **ret_errors, struct error **err)
{
        int64_t stall_ms = (int64_t)job->settings->limits.copy_stall_seconds * 1000;
        struct image_work work = { .report = job->report,
                                   .verb = argv[1],
                                   .target = disk->target,
                                   .begun_ms = clock_monotonic_ms(),
                                   .stall = deadline_in_ms(stall_ms),
                                   .stall_ms = stall_ms };
        _cleanup_free_ char *unit = names_overlay_unit(disk->overlay);
        struct exec_options options = { .timeout_ms = LONGEST_MS,
                                        .unit = unit,
                                        .on_output = offline_on_output,
                                        .cancelled = offline_must_end,
                                        .data = &work };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        struct error *error = NULL;
        if (job->host->ops->exec(job->host, argv, &options, &result, &error) < 0) {
                if (!work.stuck)
                        return error_propagate(err, error);
                error_free(error);
                return error_set(err, ERROR_TIMEOUT,
                                 "qemu-img %s of disk %s of %s has not moved for %lld s", argv[1],
                                 disk->target, job->vm->name, (long long)stall_ms / 1000);
        }
        *ret_status = result.status;
        *ret_errors = str_one_line(result.errors ? result.errors : "", 400);
        return 0;
}

int commit_compare(struct vm_job *job, const struct vm_disk *disk, bool *ret_same,
                   struct error **err)
{
        const char *const argv[] = { "qemu-img", "compare", "-p",       "-f",          disk->format,
                                     "-F",       "qcow2",   disk->base, disk->overlay, NULL };
        int status = 0;
        _cleanup_free_ char *errors = NULL;
        if (run_image_tool(job, disk, argv, &status, &errors, err) < 0)
                return -1;
        if (status != 0 && status != DATA_DIFFER)
                return error_set(err, ERROR_INTERNAL,
                                 "%s and %s cannot be compared on %s (status %d): %s", disk->base,
                                 disk->overlay, job->host->name, status, errors);
        *ret_same = status == 0;
        return 0;
}

/* Reports the choice that the user has to make, with the commands for each option. Each command is
 * a message of its own, because lines are cut at 480 bytes. */
static int refuse_to_choose(struct vm_job *job, const struct vm_disk *disk, struct error **err)
{
        const char *const base_words[] = { disk->base, NULL };
        const char *const overlay_words[] = { disk->overlay, NULL };
        _cleanup_free_ char *base = shell_join(base_words);
        _cleanup_free_ char *overlay = shell_join(overlay_words);
        report_log(job->report,
                   "to see where they differ, on %s: qemu-img compare -f %s -F qcow2 %s %s",
                   job->host->name, disk->format, base, overlay);
        report_log(job->report,
                   "to keep the overlay's data, on %s: rm %s.pivoting , then here: orch recover %s",
                   job->host->name, overlay, job->vm->name);
        report_log(job->report,
                   "to keep the base's data, on %s: virsh edit %s (disk %s: source %s, and without "
                   "its <backingStore>), then:",
                   job->host->name, job->vm->domain, disk->target, base);
        report_log(job->report, "rm %s %s.pivoting", overlay, overlay);
        return error_set(err, ERROR_REFUSED,
                         "%s went down while disk %s was being pivoted, and base and overlay hold "
                         "different data: which is newer "
                         "cannot be told from outside, so both "
                         "are kept. The lines above say what to type",
                         job->vm->name, disk->target);
}

int commit_repoint(struct vm_job *job, const struct vm_disk *disk, struct error **err)
{
        struct hypervisor *host = job->host;
        _cleanup_free_ char *text = NULL;
        if (host->ops->get_xml(host, job->uuid, true, true, &text, err) < 0)
                return -1;
        _cleanup_(domain_xml_freep) struct domain_xml *xml =
                domain_xml_parse(text, strlen(text), err);
        if (!xml)
                return -1;
        const struct domain_disk *found = domain_xml_find_disk(xml, disk->target);
        /* The owner removed or replaced this disk for the next start, so the configuration is left
         * alone. */
        if (!found || !streq(found->path, disk->overlay))
                return 0;
        _cleanup_free_ char *device = domain_xml_disk_repointed(text, strlen(text), disk->target,
                                                                disk->base, disk->format, err);
        if (!device || host->ops->update_device(host, job->uuid, device, err) < 0)
                return error_prefix(err,
                                    "disk %s of %s was committed, but its configuration cannot be "
                                    "put back on %s",
                                    disk->target, job->vm->name, disk->base);
        return 0;
}

int commit_offline(struct vm_job *job, struct vm_disk *disk, struct error **err)
{
        struct overlay_facts facts = { 0 };
        if (job->info.has_managed_save)
                return error_set(err, ERROR_BUSY,
                                 "%s was saved while its disk %s was on an overlay: nothing was "
                                 "touched. Once it has been started "
                                 "(on %s: virsh start %s), run: orch recover %s",
                                 job->vm->name, disk->target, job->host->name, job->vm->domain,
                                 job->vm->name);
        if (overlay_look(job->host, job->uuid, disk->overlay, &facts, err) < 0)
                return -1;
        bool same = true;
        if (facts.pivoting && commit_compare(job, disk, &same, err) < 0)
                return -1;
        if (!same)
                return refuse_to_choose(job, disk, err);
        const char *const argv[] = { "qemu-img", "commit", "-p",       "-d",          "-f",
                                     "qcow2",    "-b",     disk->base, disk->overlay, NULL };
        int status = 0;
        _cleanup_free_ char *errors = NULL;
        if (run_image_tool(job, disk, argv, &status, &errors, err) < 0)
                return -1;
        if (status != 0)
                return error_set(err,
                                 strstr(errors, "No space left") ? ERROR_NOSPACE : ERROR_INTERNAL,
                                 "the overlay of disk %s of %s, which is off, cannot be committed "
                                 "on %s (status %d): %s. Put that "
                                 "right, then run: orch recover %s",
                                 disk->target, job->vm->name, job->host->name, status, errors,
                                 job->vm->name);
        return commit_repoint(job, disk, err);
}
