/* The journal of a running restore. It is created with its lock before anything is made, and its
 * phase is advanced before each phase begins. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/job/connect.h"
#include "worker/restore/restore-internal.h"

enum { SECONDS_A_DAY = 24 * 3600 };

/* The name is "…/vm-vda.qcow2.replaced-2026-11-20-orch-1a2b3c4d-20261120-3f9a", a form that no
 * overlay's name has. */
static void plan_aside(struct restore *restore, const char *path)
{
        _cleanup_free_ char *date = clock_format_folder(clock_realtime_s());
        _cleanup_free_ char *folder = path_directory(path);
        const char *base = path_base(path);
        int keep = (int)(strlen(base) > 180 ? 180 : strlen(base));
        _cleanup_free_ char *aside =
                xasprintf("%s/%.*s.replaced-%.10s-%s", folder, keep, base, date, restore->job.tag);
        restore_journal_add_aside(restore->journal, path, aside);
}

static void plan_asides(struct restore *restore)
{
        for (size_t i = 0; i < restore->n_disks; i++)
                if (restore->disks[i].replaced)
                        plan_aside(restore, restore->disks[i].replaced);
        /* The files of a machine that lives on another host are on that host. */
        bool elsewhere = restore->original_xml &&
                         !streq(restore->original_entry->name, restore->job.host_entry->name);
        for (size_t i = 0; elsewhere && i < restore->original_xml->n_disks; i++) {
                const struct domain_disk *disk = &restore->original_xml->disks[i];
                if (disk->source == DISK_SOURCE_FILE && disk->device == DISK_DEVICE_DISK &&
                    restore_find_disk(restore, disk->target))
                        plan_aside(restore, disk->path);
        }
        if (restore->nvram.replaces && !elsewhere)
                plan_aside(restore, restore->nvram.path);
        if (restore->tpm.replaces && !elsewhere)
                plan_aside(restore, restore->tpm.path);
}

static int undo_restore(void *data, struct error **err)
{
        struct restore *restore = data;
        if (worker_ensure_connection(restore->job.host, restore->job.uuid, NULL, err) < 0 ||
            (restore->original_xml && restore->original_host != restore->job.host &&
             worker_ensure_connection(restore->original_host, restore->job.uuid, NULL, err) < 0))
                return -1;
        return restore_roll_back(restore->job.repository, restore->journal, restore->job.host,
                                 restore->original_xml ? restore->original_host : NULL,
                                 restore->job.report, err);
}

static struct restore_journal *new_journal(const struct restore *restore)
{
        struct restore_journal *journal = xcalloc(1, sizeof *journal);
        *journal = (struct restore_journal){
                .job = xstrdup(restore->job.request->job),
                .tag = xstrdup(restore->job.tag),
                .vm = xstrdup(restore->job.request->vm),
                .point = xstrdup(restore->point->path),
                .hypervisor = xstrdup(restore->job.host_entry->name),
                .uuid = xstrdup(restore->job.uuid),
                .name = xstrdup(restore->name),
                .phase = RESTORE_COPYING,
                .instant = restore->options.instant,
        };
        for (size_t i = 0; i < restore->n_disks; i++)
                restore_journal_add_item(journal, restore->disks[i].temporary,
                                         restore->disks[i].path);
        if (restore->nvram.what)
                restore_journal_add_item(journal, restore->nvram.temporary, restore->nvram.path);
        if (restore->tpm.what)
                restore_journal_add_item(journal, restore->tpm.temporary, restore->tpm.path);
        return journal;
}

/* Records what is needed to put the replaced machine back. */
static int note_original(struct restore *restore, struct error **err)
{
        struct restore_journal *journal = restore->journal;
        const char *uuid = restore->xml->uuid;
        journal->original_hypervisor = xstrdup(restore->original_entry->name);
        journal->original_uuid = xstrdup(uuid);
        journal->original_file = xasprintf("%s-original.xml", journal->job);
        journal->original_ran = restore->original_info.state == DOMAIN_STATE_RUNNING ||
                                restore->original_info.state == DOMAIN_STATE_PAUSED;
        if (restore->original_host->ops->get_autostart(restore->original_host, uuid,
                                                       &journal->original_autostart, err) < 0)
                return -1;
        return restores_write_original(restore->job.repository, journal, restore->original_xml_text,
                                       err);
}

int restore_begin(struct restore *restore, struct error **err)
{
        int locked = restores_lock(restore->job.repository, restore->job.request->job,
                                   &restore->journal_fd, err);
        if (locked <= 0)
                return locked < 0
                               ? -1
                               : error_set(err, ERROR_BUSY, "a restore of the job %s runs already",
                                           restore->job.request->job);
        restore->journal = new_journal(restore);
        undo_push(&restore->job.undo, UNDO_NAME_RESTORE, undo_restore, restore);
        plan_asides(restore);
        if (restore->original_xml && note_original(restore, err) < 0)
                return -1;
        return restore_enter_phase(restore, RESTORE_COPYING, err);
}

/* Writes the last phase to the journal. A machine that runs is complete even if this write fails:
 * it is not ended because the share is unavailable, and a recovery sees that it runs. */
static int note_completion(struct restore *restore, struct error **err)
{
        struct restore_journal *journal = restore->journal;
        enum restore_phase before = journal->phase;
        journal->phase = journal->instant ? RESTORE_PULLING : RESTORE_DONE;
        if (restores_write(restore->job.repository, journal, err) == 0) {
                undo_settle(&restore->job.undo, UNDO_NAME_RESTORE);
                return 0;
        }
        journal->phase = before;
        if (before != RESTORE_STARTING)
                return -1;
        undo_settle(&restore->job.undo, UNDO_NAME_RESTORE);
        return error_prefix(err,
                            "%s is restored and started on %s, which cannot be noted on the share "
                            "(once it is there: orch recover %s)",
                            restore->name, restore->job.host->name, restore->job.request->vm);
}

/* The error has to say that the machine exists, although this step failed. */
static int forget_journal(struct restore *restore, struct error **err)
{
        if (restores_remove(restore->job.repository, restore->journal, err) == 0)
                return 0;
        return error_prefix(err,
                            "%s is restored%s on %s, and only its journal cannot be removed from "
                            "the share (once that can be written to: orch recover %s)",
                            restore->name, restore->options.start ? " and started" : "",
                            restore->job.host->name, restore->job.request->vm);
}

/* If nothing was set aside and nothing has to be pulled, the journal is no longer needed. */
int restore_complete(struct restore *restore, struct error **err)
{
        struct restore_journal *journal = restore->journal;
        bool keeps = journal->n_asides || journal->original_file;
        journal->keep_until =
                keeps ? clock_realtime_s() + (int64_t)RESTORE_KEEP_DAYS * SECONDS_A_DAY : 0;
        if (note_completion(restore, err) < 0)
                return -1;
        if (!keeps && journal->instant)
                return 0;
        if (!keeps)
                return forget_journal(restore, err);
        _cleanup_free_ char *until = clock_format_local(journal->keep_until);
        for (size_t i = 0; i < journal->n_asides; i++)
                report_log(restore->job.report, "kept until %s on %s: %s", until,
                           journal->original_hypervisor ? journal->original_hypervisor
                                                        : journal->hypervisor,
                           journal->asides[i].aside);
        if (journal->original_file)
                report_warning(restore->job.report,
                               "what was replaced is kept until %s: %zu files on %s (named "
                               ".replaced-…), the "
                               "definition in metadata/restores/%s on the share",
                               until, journal->n_asides, journal->original_hypervisor,
                               journal->original_file);
        return 0;
}
