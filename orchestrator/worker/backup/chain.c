/* Implements worker/backup/chain.h. The disks in a point's metadata are compared with the present
 * disks; an increment that would miss any data is not made. */
#include "worker/backup/chain.h"

#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "policies/level.h"
#include "repository/points.h"
#include "schema/libvirt/checkpoint-xml.h"
#include "worker/backup/increment.h"
#include "worker/job/names.h"

enum { FILES_TIMEOUT_MS = 30 * 1000 };

static void become_full(struct backup *backup, bool expected, const char *why)
{
        backup->level = VM_LEVEL_FULL;
        if (expected)
                report_log(backup->job.report, "a full is taken: %s", why);
        else
                report_warning(backup->job.report, "a full is taken instead of an increment: %s",
                               why);
}

static const struct metadata_disk *disk_in(const struct metadata *metadata, const char *target)
{
        for (size_t i = 0; i < metadata->n_disks; i++)
                if (streq(metadata->disks[i].target, target))
                        return &metadata->disks[i];
        return NULL;
}

/* The reason why this disk has to be backed up completely, or NULL. */
static const char *why_whole(const struct vm_disk *disk, const struct metadata_disk *before,
                             uint64_t virtual_bytes)
{
        if (!before)
                return "the parent does not have it";
        if (!streq(disk->format, "qcow2"))
                return "only qcow2 images note what is written to them";
        if (!streq(before->source_path, disk->base))
                return "it is another image than the parent's";
        if (before->virtual_bytes != virtual_bytes)
                return "its size has changed";
        return NULL;
}

static int chain_plan_disk(struct backup *backup, struct vm_disk *disk,
                           const struct metadata *parent, bool *ret_increment, struct error **err)
{
        uint64_t virtual_bytes = 0, allocation = 0;
        if (backup->job.host->ops->block_size(backup->job.host, backup->job.uuid, disk->target,
                                              &virtual_bytes, &allocation, err) < 0)
                return -1;
        const struct metadata_disk *before = disk_in(parent, disk->target);
        const char *why = why_whole(disk, before, virtual_bytes);
        disk->scratch = increment_scratch(backup, backup->job.tag, disk->target);
        if (why)
                report_warning(backup->job.report, "disk %s is backed up whole: %s", disk->target,
                               why);
        else
                disk->parent_file = xstrdup(before->file);
        *ret_increment = *ret_increment || !why;
        return 0;
}

/* Asks libvirt for the size of the increment. This also shows whether the bitmaps are intact,
 * because libvirt reports the size only if they are. */
static int ask_size(struct backup *backup, struct error **err)
{
        _cleanup_free_ char *xml = NULL;
        return backup->job.host->ops->checkpoint_xml(backup->job.host, backup->job.uuid,
                                                     backup->since, &xml, err) < 0 ||
                               checkpoint_xml_size(xml, strlen(xml), &backup->estimated_bytes,
                                                   err) < 0
                       ? -1
                       : 0;
}

static void forget_increment(struct backup *backup)
{
        for (size_t i = 0; i < backup->job.n_disks; i++) {
                xstrdup_replace(&backup->job.disks[i].scratch, NULL);
                xstrdup_replace(&backup->job.disks[i].parent_file, NULL);
        }
        xstrdup_replace(&backup->since, NULL);
        xstrdup_replace(&backup->parent, NULL);
}

static int plan_increment(struct backup *backup, const struct point *parent, struct error **err)
{
        bool increment = false;
        backup->parent = xstrdup(parent->name);
        backup->since =
                names_tag(repository_short_uuid(backup->job.repository), parent->metadata->job);
        for (size_t i = 0; i < backup->job.n_disks; i++)
                if (chain_plan_disk(backup, &backup->job.disks[i], parent->metadata, &increment,
                                    err) < 0)
                        return -1;
        _cleanup_error_ struct error *error = NULL;
        if (!increment)
                become_full(backup, false, "no disk of the VM can have one");
        else if (ask_size(backup, &error) < 0)
                become_full(backup, false, error->message);
        if (backup->level == VM_LEVEL_FULL)
                forget_increment(backup);
        return 0;
}

static struct level_point *chain_describe_points(const struct backup *backup,
                                                 const struct point_list *list,
                                                 char *const *checkpoints)
{
        struct level_point *points = xcalloc(list->count + 1, sizeof *points);
        for (size_t i = 0; i < list->count; i++) {
                const struct metadata *m = list->items[i].metadata;
                points[i] = (struct level_point){ .name = list->items[i].name };
                if (!m)
                        continue;
                _cleanup_free_ char *checkpoint =
                        names_tag(repository_short_uuid(backup->job.repository), m->job);
                points[i].parent = m->parent;
                points[i].started = m->started;
                points[i].good = !list->items[i].state.damaged;
                points[i].same_vm = streq(m->uuid, backup->job.uuid);
                points[i].checkpoint = strv_contains(checkpoints, checkpoint);
        }
        return points;
}

static int chain_choose_level(struct backup *backup, enum vm_level wanted, struct error **err)
{
        _cleanup_point_list_ struct point_list list = { 0 };
        _cleanup_strv_ char **checkpoints = NULL;
        if (points_scan_vm(backup->job.repository, backup->job.home, backup->job.vm->name, &list,
                           err) < 0 ||
            backup->job.host->ops->list_checkpoints(backup->job.host, backup->job.uuid,
                                                    &checkpoints, err) < 0)
                return -1;
        _cleanup_free_ struct level_point *points =
                chain_describe_points(backup, &list, checkpoints);
        struct level_choice choice;
        level_decide(wanted, backup->job.vm->full_every_weeks, points, list.count,
                     backup->job.request->started, &choice);
        backup->level = choice.level;
        if (!choice.parent)
                become_full(backup, choice.expected, choice.reason);
        else if (plan_increment(backup, &list.items[choice.parent - points], err) < 0)
                return -1;
        /* All differentials start from the full backup's checkpoint. */
        backup->keeps_chain = wanted == VM_LEVEL_INCREMENTAL || backup->level == VM_LEVEL_FULL;
        return 0;
}

static bool has_qcow2(const struct backup *backup)
{
        for (size_t i = 0; i < backup->job.n_disks; i++)
                if (streq(backup->job.disks[i].format, "qcow2"))
                        return true;
        return false;
}

int chain_choose(struct backup *backup, struct error **err)
{
        enum vm_level wanted = backup->job.vm->level;
        if (backup->job.request->level)
                (void)vm_level_from_name(backup->job.request->level, &wanted);
        backup->level = VM_LEVEL_FULL;
        if (wanted != VM_LEVEL_FULL &&
            (!backup->job.running || backup->job.method == VM_METHOD_SHUTDOWN))
                become_full(backup, false,
                            "the VM is off during its backup, and what was written is known only "
                            "of one that runs");
        else if (wanted != VM_LEVEL_FULL && !has_qcow2(backup))
                become_full(backup, false,
                            "no disk of the VM is a qcow2 image: only those note what is written "
                            "to them");
        else if (wanted != VM_LEVEL_FULL && chain_choose_level(backup, wanted, err) < 0)
                return -1;
        xstrdup_replace(&backup->job.metadata->level, vm_level_name(backup->level));
        xstrdup_replace(&backup->job.metadata->parent, backup->parent);
        report_step_end(backup->job.report, STEP_DONE, "%s%s%s", vm_level_name(backup->level),
                        backup->parent ? " on " : "", backup->parent ? backup->parent : "");
        return 0;
}

int chain_drop_old(struct backup *backup, struct error **err)
{
        (void)err;
        _cleanup_strv_ char **checkpoints = NULL;
        _cleanup_error_ struct error *error = NULL;
        size_t dropped = 0;
        if (!backup->job.running)
                return 0;
        int r = backup->job.host->ops->list_checkpoints(backup->job.host, backup->job.uuid,
                                                        &checkpoints, &error);
        for (size_t i = 0; r == 0 && checkpoints[i]; i++) {
                bool needed = streq(checkpoints[i],
                                    backup->keeps_chain ? backup->job.tag : backup->since);
                if (needed ||
                    !names_is_our_checkpoint(checkpoints[i],
                                             repository_short_uuid(backup->job.repository)))
                        continue;
                r = backup->job.host->ops->checkpoint_delete(backup->job.host, backup->job.uuid,
                                                             checkpoints[i], &error);
                dropped += r == 0;
        }
        if (r < 0)
                report_warning(backup->job.report,
                               "old checkpoints of %s are left for its next backup to remove: %s",
                               backup->job.vm->name, error->message);
        report_step_end(backup->job.report, STEP_DONE, "%zu dropped", dropped);
        return 0;
}
