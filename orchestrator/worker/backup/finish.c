/* From the copied disks to a published point: staging, the configuration, the checks after, the
 * verification, publishing. Nothing here runs between the freeze and the commit, so a hung share on
 * this host can never delay a guest. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/points.h"
#include "repository/restore-text.h"
#include "repository/staging-sweep.h"
#include "worker/backup/backup-internal.h"
#include "worker/backup/scripts.h"
#include "worker/host/scripts.h"
#include "worker/job/cancel.h"
#include "worker/upkeep/prune.h"

enum { FILES_TIMEOUT_MS = 120 * 1000 };

static int undo_staging(void *data, struct error **err)
{
        struct backup *backup = data;
        return staging_remove(backup->staging, err);
}

/* Called while qemu-img checks an image, because qemu-img reports no progress meanwhile. */
static bool check_is_given_up(void *data)
{
        struct backup *backup = data;
        report_life(backup->job.report, "a copy of %s is being checked", backup->job.vm->name);
        return worker_cancelled(NULL);
}

int backup_stage(struct backup *backup, struct error **err)
{
        backup->staging = staging_create(backup->job.repository, backup->job.home,
                                         backup->job.vm->name, backup->job.request->job, err);
        if (!backup->staging) {
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_DESTINATION_FOLDER,
                             CHECK_FAIL, "%s", error_message(err ? *err : NULL));
                return -1;
        }
        undo_push(&backup->job.undo, UNDO_NAME_STAGING, undo_staging, backup);
        staging_set_cancelled(backup->staging, check_is_given_up, backup);
        backup->staging_on_host = xasprintf("%s/%s", backup->job.host_repository,
                                            staging_relative_path(backup->staging));
        backup->job.point =
                staging_choose_point_name(backup->staging, backup->job.request->started, err);
        if (!backup->job.point)
                return -1;
        xstrdup_replace(&backup->job.metadata->point, backup->job.point);
        const char *const argv[] = { "test", "-d", backup->staging_on_host,
                                     "-a",   "-w", backup->staging_on_host,
                                     NULL };
        if (hypervisor_run(backup->job.host, argv, FILES_TIMEOUT_MS, NULL, err) < 0)
                return error_prefix(err,
                                    "%s does not see the folder %s that orch made on the share",
                                    backup->job.host->name, backup->staging_on_host);
        report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_DESTINATION_FOLDER, CHECK_PASS,
                     "%s", staging_relative_path(backup->staging));
        return 0;
}

/* Copies one file or folder of the hypervisor into the staging folder. */
static int fetch_file(struct backup *backup, const char *from, const char *to, struct error **err)
{
        _cleanup_free_ char *target = path_join(backup->staging_on_host, to);
        const char *const argv[] = { "sh", "-c", fetch_script, "orch-fetch", from, target, NULL };
        if (hypervisor_run(backup->job.host, argv, FILES_TIMEOUT_MS, NULL, err) < 0)
                return error_prefix(err, "%s of %s cannot be copied", from, backup->job.vm->name);
        return 0;
}

/* A guest that never ran has no TPM state. */
static int save_tpm(struct backup *backup, const struct domain_xml *xml, struct error **err)
{
        _cleanup_free_ char *from =
                xml->tpm_state ? xstrdup(xml->tpm_state)
                               : xasprintf("/var/lib/libvirt/swtpm/%s", backup->job.uuid);
        const char *const argv[] = { "sh", "-c", file_kinds_script, "orch-tpm", from, NULL };
        _cleanup_free_ char *kind = NULL;
        if (hypervisor_run(backup->job.host, argv, FILES_TIMEOUT_MS, &kind, err) < 0)
                return -1;
        if (!streq(kind, "d")) {
                report_warning(backup->job.report,
                               "the TPM of %s has no folder of state at %s: a restored VM starts "
                               "with an empty TPM",
                               backup->job.vm->name, from);
                return 0;
        }
        backup->job.metadata->tpm_folder = xasprintf("%s-tpm", backup->job.vm->name);
        return fetch_file(backup, from, backup->job.metadata->tpm_folder, err);
}

static int save_firmware(struct backup *backup, const struct domain_xml *xml, struct error **err)
{
        if (xml->nvram) {
                backup->job.metadata->nvram_path = xstrdup(xml->nvram);
                backup->job.metadata->nvram_file = xasprintf("%s-nvram.fd", backup->job.vm->name);
                if (fetch_file(backup, xml->nvram, backup->job.metadata->nvram_file, err) < 0)
                        return -1;
        }
        return xml->has_tpm_emulator ? save_tpm(backup, xml, err) : 0;
}

int backup_save_configuration(struct backup *backup, struct error **err)
{
        _cleanup_free_ char *text = NULL;
        if (backup->job.host->ops->get_xml(backup->job.host, backup->job.uuid, true, true, &text,
                                           err) < 0)
                return -1;
        _cleanup_(domain_xml_freep) struct domain_xml *xml =
                domain_xml_parse(text, strlen(text), err);
        if (!xml)
                return error_prefix(err, "the XML of %s cannot be read", backup->job.vm->name);
        _cleanup_free_ char *name = xasprintf("%s.xml", backup->job.vm->name);
        if (staging_write_file(backup->staging, name, 0600, text, strlen(text), err) < 0 ||
            save_firmware(backup, xml, err) < 0 ||
            backup->job.host->ops->get_autostart(backup->job.host, backup->job.uuid,
                                                 &backup->job.metadata->autostart, err) < 0)
                return -1;
        report_check(backup->job.report, CHECK_AFTER, CHECK_NAME_XML_SAVED, CHECK_PASS,
                     "%zu bytes, %zu disks, parses", strlen(text), xml->n_disks);
        report_step_end(backup->job.report, STEP_DONE, "XML%s%s", xml->nvram ? ", NVRAM" : "",
                        xml->has_tpm_emulator ? ", TPM" : "");
        return 0;
}

static int check_vm_after(struct backup *backup, struct error **err)
{
        struct domain_info info = { 0 };
        int found = backup->job.host->ops->find_domain(backup->job.host, backup->job.uuid, NULL,
                                                       &info, err);
        if (found < 0)
                return -1;
        _cleanup_domain_info_ struct domain_info current = info;
        bool was_running = backup->job.was_running;
        const char *state = found ? domain_state_name(current.state) : "gone";
        bool as_before = found && (current.state == DOMAIN_STATE_RUNNING) == was_running;
        report_check(backup->job.report, CHECK_AFTER, CHECK_NAME_VM_RUNNING,
                     as_before ? CHECK_PASS : CHECK_WARN, "%s", state);
        if (!as_before)
                report_warning(
                        backup->job.report,
                        "%s was %s before its backup and is %s after it (orch did not do that)",
                        backup->job.vm->name, was_running ? "running" : "off", state);
        if (!was_running || !as_before || backup->job.method != VM_METHOD_QUIESCE) {
                report_check(backup->job.report, CHECK_AFTER, CHECK_NAME_VM_RESPONSIVE, CHECK_SKIP,
                             "no guest agent is in use");
                return 0;
        }
        enum agent_state agent = AGENT_MUTE;
        if (backup->job.host->ops->agent_state(backup->job.host, backup->job.uuid, &agent, err) < 0)
                return -1;
        report_check(backup->job.report, CHECK_AFTER, CHECK_NAME_VM_RESPONSIVE,
                     agent == AGENT_ANSWERS ? CHECK_PASS : CHECK_WARN, "the guest agent %s",
                     agent == AGENT_ANSWERS ? "answers" : "does not answer");
        if (agent != AGENT_ANSWERS)
                report_warning(backup->job.report,
                               "the guest agent of %s answered before the backup and does not any "
                               "more: look at the guest",
                               backup->job.vm->name);
        return 0;
}

/* Checks the XMLs and the folders: neither may contain anything of this job any more. */
static int check_nothing_left(struct backup *backup, struct error **err)
{
        _cleanup_strv_ char **argv = NULL;
        const char *const head[] = {
                "sh",        "-c",           find_leftovers_script, "orch-left", backup->job.tag,
                "/run/orch", "/var/lib/orch"
        };
        for (size_t i = 0; i < ARRAY_LENGTH(head); i++)
                strv_add(&argv, head[i]);
        for (size_t i = 0; i < backup->job.n_disks; i++) {
                _cleanup_free_ char *folder = path_directory(backup->job.disks[i].overlay);
                strv_add(&argv, folder);
        }
        _cleanup_free_ char *left = NULL;
        if (hypervisor_run(backup->job.host, (const char *const *)argv, FILES_TIMEOUT_MS, &left,
                           err) < 0)
                return -1;
        _cleanup_(domain_xml_freep) struct domain_xml *xml = NULL;
        if (vm_job_read_xml(&backup->job, !backup->job.running, &xml, err) < 0)
                return -1;
        for (size_t i = 0; i < backup->job.n_disks; i++) {
                const struct domain_disk *disk =
                        domain_xml_find_disk(xml, backup->job.disks[i].target);
                if (!disk || !streq(disk->path, backup->job.disks[i].base))
                        return error_set(err, ERROR_INTERNAL,
                                         "disk %s of %s is on %s after the backup, not on %s",
                                         backup->job.disks[i].target, backup->job.vm->name,
                                         disk && disk->path ? disk->path : "nothing",
                                         backup->job.disks[i].base);
        }
        if (*left)
                return error_set(err, ERROR_INTERNAL, "files of this job are left on %s: %s",
                                 backup->job.host->name, left);
        report_check(backup->job.report, CHECK_AFTER, CHECK_NAME_NO_OVERLAY_LEFT, CHECK_PASS,
                     "%zu disks on their own files, no file of orch", backup->job.n_disks);
        return 0;
}

static void on_hashed(uint64_t done, uint64_t total, void *data)
{
        struct backup *backup = data;
        report_progress(backup->job.report, "read-back", done, total);
}

static int read_back_disk(struct backup *backup, const struct vm_disk *disk, struct error **err)
{
        struct staging_progress progress = { .on_bytes = on_hashed,
                                             .cancelled = worker_cancelled,
                                             .data = backup };
        uint64_t bytes = 0;
        _cleanup_free_ char *sha256 =
                staging_hash_file(backup->staging, disk->file, &progress, &bytes, err);
        _cleanup_free_ char *backing =
                disk->parent_file ? xasprintf("../%s/%s", backup->parent, disk->parent_file) : NULL;
        if (!sha256 ||
            staging_check_image(backup->staging, disk->file, disk->virtual_bytes, backing, err) < 0)
                return -1;
        struct metadata_disk *entry = metadata_add_disk(backup->job.metadata);
        entry->target = xstrdup(disk->target);
        entry->file = xstrdup(disk->file);
        entry->source_path = xstrdup(disk->base);
        entry->source_format = xstrdup(disk->format);
        entry->source_type = xstrdup(disk->is_block ? "block" : "file");
        entry->bus = xstrdup(disk->bus);
        entry->backing_file = TAKE_PTR(backing);
        entry->sha256 = TAKE_PTR(sha256);
        entry->virtual_bytes = disk->virtual_bytes;
        entry->stored_bytes = bytes;
        entry->allocated_bytes = disk->allocated_bytes;
        return 0;
}

static int read_back(struct backup *backup, struct error **err)
{
        for (size_t i = 0; i < backup->job.n_disks; i++)
                if (read_back_disk(backup, &backup->job.disks[i], err) < 0)
                        return -1;
        uint64_t stored = metadata_stored_bytes(backup->job.metadata);
        _cleanup_free_ char *size = format_bytes(stored);
        report_check(backup->job.report, CHECK_AFTER, CHECK_NAME_FILES_PRESENT, CHECK_PASS,
                     "%zu disk files, none empty, %s", backup->job.n_disks, size);
        report_check(backup->job.report, CHECK_AFTER, CHECK_NAME_CHECKSUMS_VERIFIED, CHECK_PASS,
                     "SHA-256 of %s read back through %s", size,
                     repository_path(backup->job.repository));
        report_check(backup->job.report, CHECK_AFTER, CHECK_NAME_IMAGES_CHECKED, CHECK_PASS,
                     "qemu-img check of %zu images, virtual sizes as the source's",
                     backup->job.n_disks);
        return 0;
}

int backup_verify(struct backup *backup, struct error **err)
{
        if (check_vm_after(backup, err) < 0 || backup_disarm(backup, err) < 0)
                return -1;
        if (check_nothing_left(backup, err) < 0) {
                report_check(backup->job.report, CHECK_AFTER, CHECK_NAME_NO_OVERLAY_LEFT,
                             CHECK_FAIL, "%s", error_message(err ? *err : NULL));
                return -1;
        }
        if (read_back(backup, err) < 0) {
                report_check(backup->job.report, CHECK_AFTER, CHECK_NAME_CHECKSUMS_VERIFIED,
                             CHECK_FAIL, "%s", error_message(err ? *err : NULL));
                return -1;
        }
        return 0;
}

static int write_metadata(struct backup *backup, struct error **err)
{
        backup->job.metadata->finished = vm_job_end_time(&backup->job);
        xstrdup_replace(&backup->job.metadata->status, "ok");
        _cleanup_free_ char *draft = metadata_format(backup->job.metadata);
        _cleanup_(metadata_freep) struct metadata *again =
                metadata_parse(draft, strlen(draft), err);
        if (!again)
                return error_prefix(err, "the metadata of this backup cannot be read back");
        report_check(backup->job.report, CHECK_AFTER, CHECK_NAME_METADATA_CREATED, CHECK_PASS,
                     "reads back, format %d", again->format);
        _cleanup_free_ char *text = metadata_format(backup->job.metadata);
        return staging_write_file(backup->staging, "backup-metadata.json", 0644, text, strlen(text),
                                  err);
}

static int hash_named(struct backup *backup, const char *name, struct error **err)
{
        uint64_t bytes = 0;
        _cleanup_free_ char *sha256 = staging_hash_file(backup->staging, name, NULL, &bytes, err);
        return sha256 ? 0 : -1;
}

/* Writes the small files: everything but the disks, which are hashed already. */
static int write_small_files(struct backup *backup, struct error **err)
{
        if (write_metadata(backup, err) < 0)
                return -1;
        _cleanup_free_ char *restore =
                restore_text_make(backup->job.metadata, backup->job.host_repository);
        if (staging_write_file(backup->staging, "RESTORE.txt", 0644, restore, strlen(restore),
                               err) < 0)
                return -1;
        report_log(backup->job.report, "verified; to be published as %s", backup->job.point);
        if (staging_write_file(backup->staging, "backup.log", 0640, backup->job.report->log.data,
                               backup->job.report->log.length, err) < 0)
                return -1;
        _cleanup_free_ char *xml_name = xasprintf("%s.xml", backup->job.vm->name);
        const char *const names[] = { "backup-metadata.json", "RESTORE.txt", "backup.log",
                                      xml_name };
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                if (hash_named(backup, names[i], err) < 0)
                        return -1;
        if (backup->job.metadata->nvram_file &&
            hash_named(backup, backup->job.metadata->nvram_file, err) < 0)
                return -1;
        return backup->job.metadata->tpm_folder
                       ? staging_hash_folder(backup->staging, backup->job.metadata->tpm_folder, err)
                       : 0;
}

/* If another orch has taken over the repository lock, it treats this job's overlays as leftovers
 * and commits them while this job is still copying. The content of the copy is then undefined, so
 * it must not be published. */
int backup_publish(struct backup *backup, struct error **err)
{
        if (write_small_files(backup, err) < 0 ||
            staging_write_checksums(backup->staging, err) < 0 || worker_check_cancelled(err) < 0 ||
            repository_check_holder(backup->job.repository, getppid(), err) < 0 ||
            staging_publish(backup->staging, backup->job.point, err) < 0)
                return -1;
        backup->published = true;
        undo_settle(&backup->job.undo, UNDO_NAME_STAGING);
        undo_settle(&backup->job.undo, UNDO_NAME_CHECKPOINT);
        report_step_end(backup->job.report, STEP_DONE, "%s",
                        staging_relative_path(backup->staging));
        return 0;
}

int backup_prune(struct backup *backup, struct error **err)
{
        const struct prune prune = {
                .repository = backup->job.repository,
                .home = backup->job.home,
                .vm = backup->job.vm,
                .spared = backup->job.point, /* even if the clock is wrong */
                .report = backup->job.report,
        };
        size_t kept = 0;
        size_t removed = 0;
        if (prune_points(&prune, &kept, &removed, err) == 0) {
                report_step_end(backup->job.report, STEP_DONE, "%zu points kept, %zu removed", kept,
                                removed);
                return 0;
        }
        report_warning(backup->job.report, "retention was left out: %s",
                       error_message(err ? *err : NULL));
        if (err)
                *err = error_free(*err);
        return 0;
}
