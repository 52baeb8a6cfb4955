/* The second half of an instant restore: QEMU pulls the backing data of the machine's disks into
 * them, one disk after the other.
 *
 * The journal is the only state. Which disks are still backed by the share is read from libvirt
 * each time, so that any process can resume the pull at any time, after a crash of orch, libvirtd
 * or the guest. The pull is complete when neither the running domain nor the definition for its
 * next start names a file of the share. The lease is then removed, and libvirt owns the machine's
 * files again. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-isolate.h"
#include "worker/job/cancel.h"
#include "worker/job/connect.h"
#include "worker/restore/restore-internal.h"
#include "worker/restore/restore.h"

enum {
        LOOK_INTERVAL_US = 500 * 1000,
        OFF_PATIENCE_MS = 60 * 1000,
        RENEW_INTERVAL_MS = 3600 * 1000,
        MOST_STARTS = 5, /* for a disk whose pull ends immediately each time */
};

enum pull_state {
        PULL_DONE,
        PULL_RUNS,
        PULL_OFF,  /* the machine is shut off, and its disks are backed by the share */
        PULL_GONE, /* the machine no longer exists */
};

/* The result of one poll. */
struct pull {
        const struct restore_journal *journal;
        struct hypervisor *host;
        const char *share; /* the share's path on the host */
        uint64_t bandwidth_mib_s;
        enum pull_state state;
        char target[128]; /* the disk that is being pulled */
        uint64_t done_bytes;
        uint64_t total_bytes;
        unsigned starts; /* of its pull, since it last progressed */
};

static bool is_ours(const struct restore_journal *journal, const struct domain_disk *disk)
{
        for (size_t i = 0; i < journal->n_items; i++)
                if (streq(journal->items[i].path, disk->path))
                        return true;
        return false;
}

static bool lies_in(const char *folder, const char *path)
{
        size_t length = strlen(folder);
        return path && strncmp(path, folder, length) == 0 && path[length] == '/';
}

static bool needs_share(const struct pull *pull, const struct domain_disk *disk)
{
        for (size_t i = 0; i < disk->n_backing; i++)
                if (lies_in(pull->share, disk->backing[i].path))
                        return true;
        return lies_in(pull->share, disk->path);
}

static struct domain_xml *pull_read_xml(const struct pull *pull, bool inactive, char **ret_text,
                                        struct error **err)
{
        _cleanup_free_ char *text = NULL;
        if (pull->host->ops->get_xml(pull->host, pull->journal->uuid, inactive, inactive, &text,
                                     err) < 0)
                return NULL;
        struct domain_xml *xml = domain_xml_parse(text, strlen(text), err);
        if (xml && ret_text)
                *ret_text = TAKE_PTR(text);
        return xml;
}

/* The first disk that is still backed by the share; NULL: none. An image in a removable drive may
 * be on the share, but it is never pulled. */
static const struct domain_disk *first_in_need(const struct pull *pull,
                                               const struct domain_xml *xml)
{
        for (size_t i = 0; i < xml->n_disks; i++)
                if (xml->disks[i].device == DISK_DEVICE_DISK && needs_share(pull, &xml->disks[i]))
                        return &xml->disks[i];
        return NULL;
}

static int push_on(struct pull *pull, const char *target, struct error **err)
{
        struct block_job job = { 0 };
        if (!streq(pull->target, target)) {
                pull->starts = 0;
                snprintf(pull->target, sizeof pull->target, "%s", target);
        }
        if (pull->host->ops->block_job(pull->host, pull->journal->uuid, target, &job, err) < 0)
                return -1;
        if (job.type != BLOCK_JOB_NONE) {
                if (job.done_bytes != pull->done_bytes)
                        pull->starts = 0;
                pull->done_bytes = job.done_bytes;
                pull->total_bytes = job.total_bytes;
                return 0;
        }
        if (pull->starts++ == MOST_STARTS)
                return error_set(err, ERROR_INTERNAL,
                                 "the pull of disk %s ends before its time again and again: can %s "
                                 "read the share, and is there room for "
                                 "the disk? (%s: /var/log/libvirt/qemu/%s.log)",
                                 target, pull->host->name, pull->host->name, pull->journal->name);
        return pull->host->ops->block_pull(pull->host, pull->journal->uuid, target,
                                           pull->bandwidth_mib_s, err);
}

/* Makes the definition for the next start refer to disks without backing, with files that libvirt
 * owns. Reports success only after it has read that back. */
static int pull_settle(struct pull *pull, struct error **err)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_(domain_xml_freep) struct domain_xml *xml = pull_read_xml(pull, true, &text, err);
        _cleanup_strv_ char **targets = NULL;
        if (!xml)
                return -1;
        for (size_t i = 0; i < xml->n_disks; i++)
                if (is_ours(pull->journal, &xml->disks[i]))
                        strv_add(&targets, xml->disks[i].target);
        char *none[] = { NULL };
        _cleanup_free_ char *settled =
                domain_settle(text, strlen(text), targets ? targets : none, err);
        _cleanup_free_ char *uuid = NULL;
        if (!settled || pull->host->ops->define(pull->host, settled, &uuid, err) < 0)
                return error_prefix(err, "the definition of %s", pull->journal->name);
        _cleanup_(domain_xml_freep) struct domain_xml *now = pull_read_xml(pull, true, NULL, err);
        const struct domain_disk *left = now ? first_in_need(pull, now) : NULL;
        if (left)
                return error_set(
                        err, ERROR_INTERNAL,
                        "disk %s of %s was pulled, and its definition still names the share",
                        left->target, pull->journal->name);
        pull->state = PULL_DONE;
        return now ? 0 : -1;
}

/* Polls once and acts on the result: starts a pull, or settles the machine. */
static int pull_probe(struct pull *pull, struct error **err)
{
        _cleanup_domain_info_ struct domain_info info = { 0 };
        int found = pull->host->ops->find_domain(pull->host, pull->journal->uuid, NULL, &info, err);
        if (found < 0)
                return -1;
        bool off = found && domain_state_is_off(info.state);
        pull->state = !found ? PULL_GONE : off ? PULL_OFF : PULL_RUNS;
        if (!found)
                return 0;
        _cleanup_(domain_xml_freep) struct domain_xml *xml = pull_read_xml(pull, off, NULL, err);
        const struct domain_disk *disk = xml ? first_in_need(pull, xml) : NULL;
        if (!xml || (off && disk))
                return xml ? 0 : -1;
        return disk ? push_on(pull, disk->target, err) : pull_settle(pull, err);
}

/* -- the job itself -- */

int restore_leave_pulling(struct restore *restore, struct error **err)
{
        if (restore->job.report->step && restore->job.report->step != STEP_NAME_PULL)
                report_step_end(restore->job.report, STEP_FAILED, "%s",
                                error_message(err ? *err : NULL));
        if (!restore->job.report->step)
                report_step(restore->job.report, STEP_NAME_PULL);
        return -1;
}

/* Verifies, during the pull, what was not verified before the machine was started. */
static int verify_late(struct restore *restore, struct error **ret_damage, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        report_step(restore->job.report, STEP_NAME_CHECKSUMS);
        if (restore_verify_point(restore, &error) < 0 && error->kind != ERROR_CORRUPT)
                return error_propagate(err, TAKE_PTR(error));
        if (error) {
                error_set(ret_damage, ERROR_CORRUPT,
                          "%s was started from a point that is damaged: what it runs on is not "
                          "what was backed up. %s",
                          restore->name, error->message);
                report_step_end(restore->job.report, STEP_FAILED, "%s", error->message);
                report_warning(restore->job.report, "%s", (*ret_damage)->message);
        }
        report_step(restore->job.report, STEP_NAME_PULL);
        return 0;
}

/* Polls again over a new connection after the old one broke, for example because libvirtd
 * restarted. */
static int pull_probe_again(struct restore *restore, struct pull *pull, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        if (pull_probe(pull, &error) == 0)
                return 0;
        if (error->kind != ERROR_UNREACHABLE && error->kind != ERROR_TIMEOUT)
                return error_propagate(err, TAKE_PTR(error));
        report_log(restore->job.report, "%s", error->message);
        return worker_ensure_connection(restore->job.host, restore->job.uuid, NULL, err);
}

static int still_off(const struct restore *restore, struct error **err)
{
        return error_set(err, ERROR_BUSY,
                         "%s is off and its disks stand on the point %s: it can be started as it "
                         "is, and the pull goes on then. Until it is "
                         "over the share has to be there. To take it up at once: orch recover %s",
                         restore->name, restore->point->name, restore->job.request->vm);
}

static int wait_until_pulled(struct restore *restore, struct pull *pull, struct error **err)
{
        struct deadline off = deadline_in_ms(OFF_PATIENCE_MS);
        struct deadline renew = deadline_in_ms(RENEW_INTERVAL_MS);
        while (pull->state != PULL_DONE) {
                if (worker_check_cancelled(err) < 0)
                        return error_prefix(err,
                                            "%s stands on the share until it is pulled, which orch "
                                            "goes on with",
                                            restore->name);
                if (pull_probe_again(restore, pull, err) < 0)
                        return -1;
                if (pull->state == PULL_GONE)
                        return error_set(err, ERROR_REFUSED, "%s is not on %s any more",
                                         restore->name, restore->job.host->name);
                if (pull->state != PULL_OFF)
                        off = deadline_in_ms(OFF_PATIENCE_MS);
                else if (deadline_passed(off))
                        return still_off(restore, err);
                if (deadline_passed(renew)) {
                        if (restore_renew_lease(restore->job.repository, restore->journal, err) < 0)
                                return -1;
                        renew = deadline_in_ms(RENEW_INTERVAL_MS);
                }
                if (pull->state == PULL_RUNS && pull->total_bytes)
                        report_progress(restore->job.report, pull->target, pull->done_bytes,
                                        pull->total_bytes);
                if (pull->state != PULL_DONE)
                        usleep(LOOK_INTERVAL_US);
        }
        return 0;
}

int restore_pull(struct restore *restore, struct error **err)
{
        struct pull pull = {
                .journal = restore->journal,
                .host = restore->job.host,
                .share = restore->job.host_repository,
                .bandwidth_mib_s = restore->job.settings->limits.bandwidth_mib_s,
                .state = PULL_RUNS,
        };
        struct error *damage = NULL;
        report_step(restore->job.report, STEP_NAME_PULL);
        if (pull_probe_again(restore, &pull, err) < 0 || verify_late(restore, &damage, err) < 0 ||
            wait_until_pulled(restore, &pull, err) < 0 ||
            restore_close_pulled(restore->job.repository, restore->journal, err) < 0) {
                error_free(damage);
                return restore_leave_pulling(restore, err);
        }
        report_step_end(restore->job.report, STEP_DONE, "nothing of it is on the share any more");
        return damage ? error_propagate(err, damage) : 0;
}

/* -- later, and from elsewhere -- */

int restore_close_pulled(struct repository *repository, struct restore_journal *journal,
                         struct error **err)
{
        if (restore_drop_lease(repository, journal, err) < 0)
                return -1;
        if (journal->n_asides == 0 && !journal->original_file)
                return restores_remove(repository, journal, err);
        journal->phase = RESTORE_DONE;
        return restores_write(repository, journal, err);
}

int restore_resume_pull(const struct pull_place *place, struct restore_journal *journal,
                        struct report *report, struct error **err)
{
        struct repository *repository = place->repository;
        struct pull pull = { .journal = journal,
                             .host = place->host,
                             .share = place->share,
                             .bandwidth_mib_s = place->bandwidth_mib_s };
        if (place->dry_run) {
                report_log(report,
                           "the instant restore %s of %s: its disks are still pulled from the "
                           "share, or to be settled",
                           journal->job, journal->vm);
                return 0;
        }
        report_step(report, STEP_NAME_PULL);
        if (pull_probe(&pull, err) < 0 || (pull.state != PULL_DONE && pull.state != PULL_GONE &&
                                           restore_renew_lease(repository, journal, err) < 0))
                return -1;
        if (pull.state == PULL_DONE || pull.state == PULL_GONE) {
                if (pull.state == PULL_GONE)
                        report_warning(report,
                                       "%s of the instant restore %s is on no hypervisor of the "
                                       "inventory any more",
                                       journal->name, journal->job);
                if (restore_close_pulled(repository, journal, err) < 0)
                        return -1;
                report_step_end(report, STEP_DONE, "nothing of %s is on the share any more",
                                journal->name);
                return 0;
        }
        _cleanup_free_ char *done = format_bytes(pull.done_bytes);
        _cleanup_free_ char *total = format_bytes(pull.total_bytes);
        if (pull.state == PULL_OFF)
                report_step_end(report, STEP_SKIPPED,
                                "%s is off; its disks still stand on the share", journal->name);
        else
                report_step_end(report, STEP_SKIPPED,
                                "%s still runs from the share: disk %s, %s of %s", journal->name,
                                pull.target, done, total);
        return 0;
}
