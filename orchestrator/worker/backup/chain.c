/* Implements worker/backup/chain.h. What a point says of its disks is compared with the disks of
 * now: an increment that would miss anything is not made. */
#include "worker/backup/chain.h"

#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "policies/level.h"
#include "repository/points.h"
#include "schema/libvirt/checkpoint-xml.h"
#include "worker/backup/increment.h"
#include "worker/backup/scripts.h"
#include "worker/job/names.h"

enum { FILES_TIMEOUT_MS = 30 * 1000 };

static char *checkpoint_of(const struct backup *backup, const struct metadata *metadata)
{
        return names_tag(repository_short_uuid(backup->repository), metadata->job);
}

static void become_full(struct backup *backup, bool expected, const char *why)
{
        backup->level = VM_LEVEL_FULL;
        if (expected)
                report_log(backup->report, "a full is taken: %s", why);
        else
                report_warning(backup->report, "a full is taken instead of an increment: %s", why);
}

static const struct metadata_disk *disk_in(const struct metadata *metadata, const char *target)
{
        for (size_t i = 0; i < metadata->n_disks; i++)
                if (streq(metadata->disks[i].target, target))
                        return &metadata->disks[i];
        return NULL;
}

/* Why all of this disk has to be written, or NULL. */
static const char *why_whole(const struct backup_disk *disk, const struct metadata_disk *before,
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

static int plan_disk(struct backup *backup, struct backup_disk *disk, const struct metadata *parent,
                     bool *ret_increment, struct error **err)
{
        uint64_t virtual_bytes = 0, allocation = 0;
        if (backup->host->ops->block_size(backup->host, backup->uuid, disk->target, &virtual_bytes,
                                          &allocation, err) < 0)
                return -1;
        const struct metadata_disk *before = disk_in(parent, disk->target);
        const char *why = why_whole(disk, before, virtual_bytes);
        disk->scratch = increment_scratch(backup, backup->tag, disk->target);
        if (why)
                report_warning(backup->report, "disk %s is backed up whole: %s", disk->target, why);
        else
                disk->parent_file = xstrdup(before->file);
        *ret_increment = *ret_increment || !why;
        return 0;
}

/* How much it will be, and whether the bitmaps are in order: libvirt tells the size only of
 * such. */
static int ask_size(struct backup *backup, struct error **err)
{
        _cleanup_free_ char *xml = NULL;
        return backup->host->ops->checkpoint_xml(backup->host, backup->uuid, backup->since, &xml,
                                                 err) < 0 ||
                               checkpoint_xml_size(xml, strlen(xml), &backup->estimated_bytes,
                                                   err) < 0
                       ? -1
                       : 0;
}

static void forget_increment(struct backup *backup)
{
        for (size_t i = 0; i < backup->n_disks; i++) {
                xstrdup_replace(&backup->disks[i].scratch, NULL);
                xstrdup_replace(&backup->disks[i].parent_file, NULL);
        }
        xstrdup_replace(&backup->since, NULL);
        xstrdup_replace(&backup->parent, NULL);
}

static int plan_increment(struct backup *backup, const struct point *parent, struct error **err)
{
        bool increment = false;
        backup->parent = xstrdup(parent->name);
        backup->since = checkpoint_of(backup, parent->metadata);
        for (size_t i = 0; i < backup->n_disks; i++)
                if (plan_disk(backup, &backup->disks[i], parent->metadata, &increment, err) < 0)
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

static struct level_point *describe(const struct backup *backup, const struct point_list *list,
                                    char *const *checkpoints)
{
        struct level_point *points = xcalloc(list->count + 1, sizeof *points);
        for (size_t i = 0; i < list->count; i++) {
                const struct metadata *m = list->items[i].metadata;
                points[i] = (struct level_point){ .name = list->items[i].name };
                if (!m)
                        continue;
                _cleanup_free_ char *checkpoint = checkpoint_of(backup, m);
                points[i].parent = m->parent;
                points[i].started = m->started;
                points[i].good = !list->items[i].state.damaged;
                points[i].same_vm = streq(m->uuid, backup->uuid);
                points[i].checkpoint = strv_contains(checkpoints, checkpoint);
        }
        return points;
}

static int choose(struct backup *backup, enum vm_level wanted, struct error **err)
{
        _cleanup_point_list_ struct point_list list = { 0 };
        _cleanup_strv_ char **checkpoints = NULL;
        if (points_scan_vm(backup->repository, backup->home, backup->vm->name, &list, err) < 0 ||
            backup->host->ops->list_checkpoints(backup->host, backup->uuid, &checkpoints, err) < 0)
                return -1;
        _cleanup_free_ struct level_point *points = describe(backup, &list, checkpoints);
        struct level_choice choice;
        level_decide(wanted, backup->vm->full_every_weeks, points, list.count,
                     backup->request->started, &choice);
        backup->level = choice.level;
        if (!choice.parent)
                become_full(backup, choice.expected, choice.reason);
        else if (plan_increment(backup, &list.items[choice.parent - points], err) < 0)
                return -1;
        /* Differentials all start from the full's. */
        backup->keeps_chain = wanted == VM_LEVEL_INCREMENTAL || backup->level == VM_LEVEL_FULL;
        return 0;
}

static bool has_qcow2(const struct backup *backup)
{
        for (size_t i = 0; i < backup->n_disks; i++)
                if (streq(backup->disks[i].format, "qcow2"))
                        return true;
        return false;
}

int chain_choose(struct backup *backup, struct error **err)
{
        enum vm_level wanted = backup->vm->level;
        if (backup->request->level)
                (void)vm_level_from_name(backup->request->level, &wanted);
        backup->level = VM_LEVEL_FULL;
        if (wanted != VM_LEVEL_FULL && (!backup->running || backup->method == VM_METHOD_SHUTDOWN))
                become_full(backup, false,
                            "the VM is off during its backup, and what was written is known only "
                            "of one that runs");
        else if (wanted != VM_LEVEL_FULL && !has_qcow2(backup))
                become_full(backup, false,
                            "no disk of the VM is a qcow2 image: only those note what is written "
                            "to them");
        else if (wanted != VM_LEVEL_FULL && choose(backup, wanted, err) < 0)
                return -1;
        xstrdup_replace(&backup->metadata->level, vm_level_name(backup->level));
        xstrdup_replace(&backup->metadata->parent, backup->parent);
        report_step_end(backup->report, STEP_DONE, "%s%s%s", vm_level_name(backup->level),
                        backup->parent ? " on " : "", backup->parent ? backup->parent : "");
        return 0;
}

static bool is_ours(const char *checkpoint, const char *short_uuid)
{
        _cleanup_free_ char *start = names_tag(short_uuid, "");
        return str_starts_with(checkpoint, start) && names_is_job(checkpoint + strlen(start));
}

int chain_drop_old(struct backup *backup, struct error **err)
{
        (void)err;
        _cleanup_strv_ char **checkpoints = NULL;
        _cleanup_error_ struct error *error = NULL;
        size_t dropped = 0;
        if (!backup->running)
                return 0;
        int r = backup->host->ops->list_checkpoints(backup->host, backup->uuid, &checkpoints,
                                                    &error);
        for (size_t i = 0; r == 0 && checkpoints[i]; i++) {
                bool needed =
                        streq(checkpoints[i], backup->keeps_chain ? backup->tag : backup->since);
                if (needed || !is_ours(checkpoints[i], repository_short_uuid(backup->repository)))
                        continue;
                r = backup->host->ops->checkpoint_delete(backup->host, backup->uuid, checkpoints[i],
                                                         &error);
                dropped += r == 0;
        }
        if (r < 0)
                report_warning(backup->report,
                               "old checkpoints of %s are left for its next backup to remove: %s",
                               backup->vm->name, error->message);
        report_step_end(backup->report, STEP_DONE, "%zu dropped", dropped);
        return 0;
}

static int recover_job(struct backup *backup, const char *short_uuid, bool dry_run,
                       void (*says)(void *data, const char *text), void *data, struct error **err)
{
        struct backup_job job = { 0 };
        _cleanup_free_ char *text = NULL;
        _cleanup_free_ char *mark = names_tag(short_uuid, "");
        if (!backup->running || !backup->info.job || !streq(backup->info.job, "backup"))
                return 0;
        if (backup->host->ops->backup_job(backup->host, backup->uuid, &job, &text, err) < 0)
                return -1;
        if (job.state != BACKUP_JOB_RUNNING || !text || !strstr(text, mark))
                return 0;
        if (!dry_run && backup->host->ops->backup_abort(backup->host, backup->uuid, err) < 0)
                return -1;
        says(data, "a backup job of an interrupted job still ran: ended");
        return 0;
}

static int recover_scratch(struct backup *backup, const char *short_uuid, bool dry_run,
                           void (*says)(void *data, const char *text), void *data,
                           struct error **err)
{
        const char *const argv[] = { "sh",
                                     "-c",
                                     increment_scratch_script,
                                     "orch-scratch",
                                     backup->host_entry->scratch,
                                     short_uuid,
                                     backup->uuid,
                                     dry_run ? "ls" : "rm",
                                     NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(backup->host, argv, FILES_TIMEOUT_MS, &output, err) < 0)
                return -1;
        char *rest = NULL;
        for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                _cleanup_free_ char *text =
                        xasprintf("the scratch file %s of an interrupted increment: removed", line);
                says(data, text);
        }
        return 0;
}

static bool has_point(const struct backup *backup, const struct point_list *list,
                      const char *checkpoint)
{
        for (size_t i = 0; i < list->count; i++) {
                _cleanup_free_ char *name = list->items[i].metadata
                                                    ? checkpoint_of(backup, list->items[i].metadata)
                                                    : NULL;
                if (streq(name, checkpoint))
                        return true;
        }
        return false;
}

/* libvirt takes no change of checkpoints while the VM is off; they wait for its next backup. */
static int recover_checkpoints(struct backup *backup, const char *short_uuid, bool dry_run,
                               void (*says)(void *data, const char *text), void *data,
                               struct error **err)
{
        _cleanup_strv_ char **checkpoints = NULL;
        _cleanup_point_list_ struct point_list list = { 0 };
        if (!backup->running || !backup->repository)
                return 0;
        if (backup->host->ops->list_checkpoints(backup->host, backup->uuid, &checkpoints, err) < 0)
                return -1;
        if (!checkpoints[0])
                return 0;
        if (points_scan_vm(backup->repository, backup->home, backup->vm->name, &list, err) < 0)
                return -1;
        for (size_t i = 0; checkpoints[i]; i++) {
                if (!is_ours(checkpoints[i], short_uuid) ||
                    has_point(backup, &list, checkpoints[i]))
                        continue;
                if (!dry_run && backup->host->ops->checkpoint_delete(backup->host, backup->uuid,
                                                                     checkpoints[i], err) < 0)
                        return -1;
                _cleanup_free_ char *text = xasprintf(
                        "the checkpoint %s of a job that made no point: deleted", checkpoints[i]);
                says(data, text);
        }
        return 0;
}

int chain_recover(struct backup *backup, const char *short_uuid, bool dry_run,
                  void (*says)(void *data, const char *text), void *data, struct error **err)
{
        if (recover_job(backup, short_uuid, dry_run, says, data, err) < 0 ||
            recover_scratch(backup, short_uuid, dry_run, says, data, err) < 0)
                return -1;
        return recover_checkpoints(backup, short_uuid, dry_run, says, data, err);
}
