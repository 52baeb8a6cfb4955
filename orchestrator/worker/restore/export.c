/* `--export`: writes images, XML and firmware state into a folder of the machine that runs orch. No
 * hypervisor is involved and no domain is defined. The copy and the comparison are those of a
 * restore, run on this machine. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/restore/restore-internal.h"

static int undo_export(void *data, struct error **err)
{
        struct restore *restore = data;
        return restore_remove_items(restore->journal, restore->job.host, err);
}

static char *saved_path(const struct restore *restore, const char *file)
{
        return xasprintf("%s/%s/%s", repository_path(restore->job.repository), restore->point->path,
                         file);
}

static void plan_firmware(struct restore *restore, struct restore_firmware *firmware,
                          const char *what, const char *file, const char *suffix)
{
        if (!file)
                return;
        firmware->what = what;
        firmware->saved = saved_path(restore, file);
        firmware->path = xasprintf("%s/%s%s", restore->folder, restore->name, suffix);
        firmware->temporary =
                xasprintf("%s/.%s.%s.restoring", restore->folder, what, restore->job.tag);
        restore_journal_add_item(restore->journal, firmware->temporary, firmware->path);
}

static void export_plan(struct restore *restore)
{
        const struct metadata *metadata = restore->metadata;
        restore->folder = xstrdup(restore->options.export_folder);
        restore->journal = xcalloc(1, sizeof *restore->journal);
        restore->journal->tag = xstrdup(restore->job.tag);
        for (size_t i = 0; i < metadata->n_disks; i++) {
                const struct metadata_disk *saved = &metadata->disks[i];
                if (restore->options.disks && restore->options.disks[0] &&
                    !strv_contains(restore->options.disks, saved->target))
                        continue;
                restore->disks = xrealloc_array(restore->disks, restore->n_disks + 1,
                                                sizeof *restore->disks);
                struct restore_disk *disk = &restore->disks[restore->n_disks++];
                const char *format =
                        restore->options.format ? restore->options.format : saved->source_format;
                *disk = (struct restore_disk){
                        .saved = saved,
                        .image = saved_path(restore, saved->file),
                        .format = xstrdup(format),
                        .path = xasprintf("%s/%s-%s.%s", restore->folder, restore->name,
                                          saved->target, format),
                        .temporary = xasprintf("%s/.%s.%s.restoring", restore->folder,
                                               saved->target, restore->job.tag),
                        .needed_bytes = saved->allocated_bytes > saved->stored_bytes
                                                ? saved->allocated_bytes
                                                : saved->stored_bytes,
                };
                restore_journal_add_item(restore->journal, disk->temporary, disk->path);
        }
        plan_firmware(restore, &restore->nvram, "nvram", metadata->nvram_file, "-nvram.fd");
        plan_firmware(restore, &restore->tpm, "tpm", metadata->tpm_folder, "-tpm");
}

static int export_check_room(struct restore *restore, struct error **err)
{
        struct statvfs room;
        uint64_t needed = 0;
        if (statvfs(restore->folder, &room) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot look at %s",
                                       restore->folder);
        for (size_t i = 0; i < restore->n_disks; i++)
                needed += restore->disks[i].needed_bytes;
        uint64_t free_bytes = (uint64_t)room.f_bavail * room.f_frsize;
        _cleanup_free_ char *needed_text = format_bytes(needed);
        _cleanup_free_ char *free_text = format_bytes(free_bytes);
        if (free_bytes < needed)
                return error_set(err, ERROR_NOSPACE, "%s has %s free, but %s are needed",
                                 restore->folder, free_text, needed_text);
        report_check(restore->job.report, CHECK_BEFORE, CHECK_NAME_ROOM, CHECK_PASS,
                     "%s: %s free, %s needed", restore->folder, free_text, needed_text);
        return 0;
}

static int export_check(struct restore *restore, const char *xml_path, struct error **err)
{
        if (!restore->dry_run && fs_make_dirs(restore->folder, err) < 0)
                return -1;
        if (access(xml_path, F_OK) == 0)
                return error_set(err, ERROR_REFUSED,
                                 "%s is there already, and nothing is written over it", xml_path);
        for (size_t i = 0; i < restore->journal->n_items; i++)
                if (access(restore->journal->items[i].path, F_OK) == 0)
                        return error_set(err, ERROR_REFUSED,
                                         "%s is there already, and nothing is written over it",
                                         restore->journal->items[i].path);
        return restore->dry_run && access(restore->folder, F_OK) < 0
                       ? 0
                       : export_check_room(restore, err);
}

static int read_inode(struct restore *restore, struct restore_item *item, struct error **err)
{
        struct stat st;
        if (lstat(item->temporary, &st) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot look at %s on %s",
                                       item->temporary, restore->job.host->name);
        item->inode = st.st_ino;
        return 0;
}

static int write_out(struct restore *restore, const char *xml_path, struct error **err)
{
        undo_push(&restore->job.undo, UNDO_NAME_EXPORT, undo_export, restore);
        if (restore_copy(restore, err) < 0)
                return -1;
        report_step(restore->job.report, STEP_NAME_COMPARE);
        if (restore_compare(restore, err) < 0 || restore_end_reading(restore, err) < 0)
                return -1;
        report_step(restore->job.report, STEP_NAME_RENAME);
        for (size_t i = 0; i < restore->journal->n_items; i++)
                if (read_inode(restore, &restore->journal->items[i], err) < 0)
                        return -1;
        if ((restore->journal->n_items &&
             restore_move_items(restore->journal, restore->job.host, err) < 0) ||
            fs_write_file(xml_path, 0600, restore->definition, strlen(restore->definition), err) <
                    0)
                return -1;
        undo_settle(&restore->job.undo, UNDO_NAME_EXPORT);
        report_step_end(restore->job.report, STEP_DONE, "%zu disks and %s, in %s on %s",
                        restore->n_disks, path_base(xml_path), restore->folder,
                        restore->job.host->name);
        return 0;
}

int restore_export(struct restore *restore, struct error **err)
{
        restore->new_machine = restore->options.name != NULL;
        restore->original = restore->new_machine ? ORIGINAL_UNKNOWN : ORIGINAL_GONE;
        restore->name =
                xstrdup(restore->options.name ? restore->options.name : restore->job.request->vm);
        restore->job.uuid = xstrdup(restore->new_machine ? "" : restore->xml->uuid);
        report_step(restore->job.report, STEP_NAME_PLAN);
        export_plan(restore);
        _cleanup_free_ char *xml_path = xasprintf("%s/%s.xml", restore->folder, restore->name);
        if (restore_make_definition(restore, true, err) < 0 ||
            export_check(restore, xml_path, err) < 0)
                return -1;
        report_step_end(restore->job.report, STEP_DONE, "%zu disks to %s on %s", restore->n_disks,
                        restore->folder, restore->job.host->name);
        return restore->dry_run ? 0 : write_out(restore, xml_path, err);
}
