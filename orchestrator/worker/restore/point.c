/* The restored point: selects it, verifies that it and all its parents are whole, and takes the
 * lease that protects it while it is read. Nothing is copied from a point that was not verified
 * right before, or that was modified after it was last verified (read-back.c). */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/staging.h"
#include "worker/job/cancel.h"
#include "worker/restore/restore-internal.h"

enum { XML_MAX_BYTES = 8 * 1024 * 1024 };

/* Follows the parents from the point. The number of points limits the steps, so that a circle
 * ends. */
static int find_chain(struct restore *restore, struct error **err)
{
        const struct point *point = restore->point;
        for (size_t i = 0; i <= restore->points.count; i++) {
                strv_add(&restore->chain, point->name);
                const char *parent = point->metadata->parent;
                if (!parent)
                        return 0;
                const struct point *next = points_find_beside(&restore->points, point, parent);
                if (!next) {
                        _cleanup_free_ char *problem = xasprintf(
                                "%s builds on the point %s, which is missing", point->name, parent);
                        return restore_refuse_point(restore, NULL, problem, err);
                }
                if (next->problem || !next->metadata) {
                        _cleanup_free_ char *problem = xasprintf(
                                "it builds on the point %s, which is damaged: %s", next->name,
                                next->problem ? next->problem : "it has no metadata");
                        return restore_refuse_point(restore, NULL, problem, err);
                }
                point = next;
        }
        return restore_refuse_point(restore, NULL,
                                    "the points that it builds on go round in a circle", err);
}

static int restore_pick_point(struct restore *restore, struct error **err)
{
        if (points_scan_named(restore->job.repository, restore->job.request->vm, &restore->points,
                              err) < 0)
                return -1;
        if (restore->points.count == 0)
                return error_set(
                        err, ERROR_CONFIG,
                        "there is no point of %s on the share %s (`orch list` shows what there is)",
                        restore->job.request->vm, repository_path(restore->job.repository));
        restore->point = points_choose(&restore->points, restore->job.request->vm,
                                       restore->options.point, err);
        return restore->point ? 0 : -1;
}

static int restore_read_xml(struct restore *restore, struct error **err)
{
        _cleanup_free_ char *path =
                xasprintf("%s/%s/%s.xml", repository_path(restore->job.repository),
                          restore->point->path, restore->job.request->vm);
        _cleanup_error_ struct error *error = NULL;
        restore->xml_text = fs_read_file(path, XML_MAX_BYTES, NULL, &error);
        if (restore->xml_text)
                restore->xml =
                        domain_xml_parse(restore->xml_text, strlen(restore->xml_text), &error);
        if (restore->xml)
                return 0;
        error_prefix(&error, "%s.xml", restore->job.request->vm);
        return restore_refuse_point(restore, restore->point, error_message(error), err);
}

/* An export also works without a lease, from a share that is full or that is read-only for this
 * machine, such as a snapshot of the share. */
static int restore_take_lease(struct restore *restore, struct error **err)
{
        const struct point *point = restore->point;
        _cleanup_error_ struct error *error = NULL;
        restore->lease = lease_take(
                restore->job.repository, point->hypervisor, point->vm, restore->chain,
                restore->job.request->job,
                restore->options.instant ? LEASE_UNTIL_DROPPED : LEASE_OF_PROCESS, &error);
        if (restore->lease)
                return 0;
        if (!lease_cannot_be_written(error))
                return error_propagate(err, TAKE_PTR(error));
        if (!restore->options.export_folder)
                return error_set(err, error->kind,
                                 "%s: a share that cannot be written to can only be exported from "
                                 "(--export DIR)%s",
                                 error->message,
                                 error->kind == ERROR_NOSPACE ? "; `orch prune` makes room on it"
                                                              : "");
        report_warning(restore->job.report,
                       "the point is not kept from being pruned while it is read: %s",
                       error->message);
        return 0;
}

int restore_choose_point(struct restore *restore, struct error **err)
{
        if (restore_pick_point(restore, err) < 0)
                return -1;
        const struct point *point = restore->point;
        if (point->problem)
                return restore_refuse_point(restore, point, point->problem, err);
        restore->metadata = point->metadata;
        if (find_chain(restore, err) < 0)
                return -1;
        if (!restore->dry_run && restore_take_lease(restore, err) < 0)
                return -1;
        report_step_end(restore->job.report, STEP_DONE, "%s, %s%s%s", point->path,
                        point->metadata->level, point->metadata->parent ? ", builds on " : "",
                        point->metadata->parent ? point->metadata->parent : "");
        return restore_read_xml(restore, err);
}

static void point_on_bytes(uint64_t done, uint64_t total, void *data)
{
        struct restore *restore = data;
        report_progress(restore->job.report, "checksums", done, total);
}

static int verify_one(struct restore *restore, const struct point *point, enum points_depth depth,
                      uint64_t *bytes, struct error **err)
{
        const struct staging_progress progress = { .on_bytes = point_on_bytes,
                                                   .cancelled = worker_cancelled,
                                                   .data = restore };
        _cleanup_strv_ char **damage = NULL;
        uint64_t read = 0;
        if (points_verify(restore->job.repository, point, &restore->points, depth, &progress, &read,
                          &damage, err) < 0)
                return -1;
        *bytes += read;
        return damage ? restore_refuse_damaged(restore, point, damage, err) : 0;
}

/* Whether no file of the chain was modified since the whole chain was last verified. If that cannot
 * be determined, the chain counts as modified. */
static bool chain_is_untouched(const struct restore *restore)
{
        for (size_t i = 0; restore->chain[i]; i++) {
                const struct point *point = restore_chain_point(restore, i);
                _cleanup_free_ char *now =
                        points_stat_digest(restore->job.repository, point->path, NULL);
                if (!now || !streq(now, point->state.stat_digest))
                        return false;
        }
        return true;
}

/* The oldest point is verified first, because each point is judged by its parent. */
int restore_verify_point(struct restore *restore, struct error **err)
{
        bool beside = !restore->dry_run && chain_is_untouched(restore);
        uint64_t bytes = 0;
        for (size_t i = strv_length(restore->chain); i-- > 0;)
                if (verify_one(restore, restore_chain_point(restore, i),
                               beside ? POINTS_BUT_DISKS : POINTS_WHOLE, &bytes, err) < 0)
                        return -1;
        if (!beside) {
                restore_tell_checksums(restore, CHECK_BEFORE, bytes);
                return 0;
        }
        report_check(restore->job.report, CHECK_BEFORE, CHECK_NAME_UNTOUCHED, CHECK_PASS,
                     "no file was touched since all were last read back; the disks are read once "
                     "more while they are copied");
        report_step_end(
                restore->job.report, STEP_DONE,
                "untouched since it was read back; the disks are read while they are copied");
        return restore_begin_reading(restore, err);
}
