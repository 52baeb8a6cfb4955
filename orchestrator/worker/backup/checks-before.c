/* The checks before a backup: all of them are made and reported. Then the first failure aborts the
 * VM's backup, before anything on the hypervisor was changed. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "policies/fallback.h"
#include "worker/backup/backup-internal.h"
#include "worker/host/host-probe.h"

enum { SECTOR_BYTES = 512 };
static const uint64_t gib = 1024ULL * 1024 * 1024;

/* Remembers the first failure; later ones are reported as checks only. */
static int check_before_fail(struct backup *backup, enum check_name name, struct error *error,
                             struct error **first)
{
        report_check(backup->job.report, CHECK_BEFORE, name, CHECK_FAIL, "%s", error->message);
        if (*first)
                error_free(error);
        else
                *first = error;
        return -1;
}

static void check_running(struct backup *backup, struct error **first)
{
        struct error *error = NULL;
        const char *name = backup->job.vm->name;
        if (backup->job.info.state == DOMAIN_STATE_RUNNING) {
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_VM_RUNNING, CHECK_PASS,
                             "running");
        } else if (backup->job.running) {
                error_set(&error, ERROR_REFUSED,
                          "%s is paused%s: resume it (virsh resume %s), then back it up", name,
                          backup->job.info.paused_by_io_error ? " after an I/O error of its disk"
                                                              : "",
                          backup->job.vm->domain);
                check_before_fail(backup, CHECK_NAME_VM_RUNNING, error, first);
        } else if (backup->job.vm->when_off == VM_WHEN_OFF_SKIP) {
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_VM_RUNNING, CHECK_SKIP,
                             "%s, and when_off is skip", domain_state_name(backup->job.info.state));
                backup->skipped = true;
        } else if (backup->job.vm->when_off == VM_WHEN_OFF_BACKUP &&
                   backup->job.info.has_managed_save) {
                error_set(&error, ERROR_REFUSED,
                          "%s is off with a saved memory image: its disks alone are not what it "
                          "would come back to; start it, or "
                          "drop the image (virsh managedsave-remove %s)",
                          name, backup->job.vm->domain);
                check_before_fail(backup, CHECK_NAME_VM_RUNNING, error, first);
        } else if (backup->job.vm->when_off == VM_WHEN_OFF_BACKUP) {
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_VM_RUNNING, CHECK_PASS,
                             "%s, and when_off is backup",
                             domain_state_name(backup->job.info.state));
        } else {
                error_set(&error, ERROR_REFUSED,
                          "%s is %s on %s: start it, or say when_off: backup (or skip) in the "
                          "inventory",
                          name, domain_state_name(backup->job.info.state),
                          backup->job.host_entry->name);
                check_before_fail(backup, CHECK_NAME_VM_RUNNING, error, first);
        }
}

static int foreign_block_job(struct backup *backup, const char **ret_target, struct error **err)
{
        *ret_target = NULL;
        for (size_t i = 0; backup->job.running && i < backup->job.n_disks; i++) {
                struct block_job job = { 0 };
                if (backup->job.host->ops->block_job(backup->job.host, backup->job.uuid,
                                                     backup->job.disks[i].target, &job, err) < 0)
                        return -1;
                if (job.type != BLOCK_JOB_NONE)
                        *ret_target = backup->job.disks[i].target;
        }
        return 0;
}

static void check_no_job(struct backup *backup, struct error **first)
{
        struct error *error = NULL;
        const char *target = NULL;
        if (backup->job.info.job)
                error_set(&error, ERROR_BUSY,
                          "a %s of %s is under way on %s: wait until it has ended (virsh "
                          "domjobinfo %s)",
                          backup->job.info.job, backup->job.vm->name, backup->job.host_entry->name,
                          backup->job.vm->domain);
        else if (foreign_block_job(backup, &target, &error) == 0 && target)
                error_set(&error, ERROR_BUSY,
                          "a block job of somebody else is under way on disk %s of %s (virsh "
                          "blockjob %s %s)",
                          target, backup->job.vm->name, backup->job.vm->domain, target);
        if (error)
                check_before_fail(backup, CHECK_NAME_NO_OTHER_JOB, error, first);
        else
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_NO_OTHER_JOB, CHECK_PASS,
                             "no migration, save, backup or block job");
}

static void check_snapshots(struct backup *backup, struct error **first)
{
        struct error *error = NULL;
        _cleanup_strv_ char **names = NULL;
        if (backup->job.host->ops->list_snapshots(backup->job.host, backup->job.uuid, &names,
                                                  &error) == 0 &&
            strv_length(names) > 0) {
                _cleanup_free_ char *list = strv_join(names, ", ");
                error_set(&error, ERROR_REFUSED,
                          "%s has snapshots that are not orch's (%s): look at them with: virsh "
                          "snapshot-list %s; delete or merge "
                          "them first",
                          backup->job.vm->name, list, backup->job.vm->domain);
        }
        if (error)
                check_before_fail(backup, CHECK_NAME_NO_SNAPSHOTS, error, first);
        else
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_NO_SNAPSHOTS, CHECK_PASS,
                             "none");
}

/* An agent that answers but cannot report the freeze status (because the guest forbids the command)
 * would make every capture fail. */
static int check_before_ask_agent(struct backup *backup, enum agent_state *ret, struct error **err)
{
        enum fsfreeze_status status = FSFREEZE_THAWED;
        _cleanup_error_ struct error *error = NULL;
        if (backup->job.host->ops->agent_state(backup->job.host, backup->job.uuid, ret, err) < 0)
                return -1;
        if (*ret != AGENT_ANSWERS ||
            backup->job.host->ops->fsfreeze_status(backup->job.host, backup->job.uuid, &status,
                                                   &error) == 0)
                return 0;
        if (error->kind == ERROR_UNREACHABLE || error->kind == ERROR_AUTH)
                return error_propagate(err, TAKE_PTR(error));
        report_log(backup->job.report, "%s", error->message);
        *ret = AGENT_MUTE;
        return 0;
}

static void check_agent(struct backup *backup, struct error **first)
{
        if (backup->job.method != VM_METHOD_QUIESCE ||
            backup->job.info.state != DOMAIN_STATE_RUNNING || !backup->job.n_disks) {
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_GUEST_AGENT, CHECK_SKIP,
                             "not needed");
                return;
        }
        static const enum fallback_agent of_state[] = { [AGENT_ANSWERS] = FALLBACK_AGENT_ANSWERS,
                                                        [AGENT_ABSENT] = FALLBACK_AGENT_ABSENT,
                                                        [AGENT_MUTE] = FALLBACK_AGENT_MUTE };
        struct error *error = NULL;
        enum agent_state state = AGENT_MUTE;
        if (check_before_ask_agent(backup, &state, &error) < 0) {
                check_before_fail(backup, CHECK_NAME_GUEST_AGENT, error, first);
                return;
        }
        const char *what = state == AGENT_ABSENT ? "the guest agent is not there"
                                                 : "the guest agent does not answer";
        enum fallback_verdict verdict = fallback_decide(backup->job.vm->fallback, of_state[state]);
        void (*tell)(struct report * report, const char *format, ...) _printf_(2, 3) =
                verdict == FALLBACK_SNAPSHOT_AND_ALERT ? report_alert : report_warning;
        switch (verdict) {
        case FALLBACK_QUIESCE:
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_GUEST_AGENT, CHECK_PASS,
                             "answers");
                return;
        case FALLBACK_SNAPSHOT:
        case FALLBACK_SNAPSHOT_AND_ALERT:
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_GUEST_AGENT, CHECK_WARN,
                             "%s", what);
                tell(backup->job.report,
                     "%s of %s: falling back from quiesce to snapshot, so this point is only crash "
                     "consistent",
                     what, backup->job.vm->name);
                backup->job.method = VM_METHOD_SNAPSHOT;
                return;
        case FALLBACK_FAIL:
                error_set(&error, ERROR_REFUSED,
                          "%s of %s, and fallback is fail (in the guest: systemctl status "
                          "qemu-guest-agent)",
                          what, backup->job.vm->name);
                check_before_fail(backup, CHECK_NAME_GUEST_AGENT, error, first);
                return;
        }
}

static void check_before_share(struct backup *backup, const struct host_probe *probe,
                               struct error **first)
{
        const char *host = backup->job.host_entry->name;
        const char *path = backup->job.host_repository;
        struct error *error = NULL;
        bool nfs_missing = backup->job.settings->repository_fstype == REPOSITORY_FSTYPE_NFS &&
                           probe->mount_type && !streq(probe->mount_type, "nfs4");
        if (!probe->mount_type)
                error_set(&error, ERROR_REFUSED,
                          "%s is not a mount point on %s: the share is not mounted there", path,
                          host);
        else if (nfs_missing)
                error_set(&error, ERROR_REFUSED,
                          "%s on %s is a %s mount, and repository.fstype wants NFSv4", path, host,
                          probe->mount_type);
        if (error)
                check_before_fail(backup, CHECK_NAME_SHARE_MOUNTED, error, first);
        else
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_SHARE_MOUNTED, CHECK_PASS,
                             "%s on %s, %s", path, host, probe->mount_type);
        if (error)
                return;
        if (!streq(probe->repository_uuid, repository_uuid(backup->job.repository))) {
                error_set(&error, ERROR_REFUSED,
                          "%s on %s is another share than orch's own %s: its marker says %s, "
                          "orch's says %s",
                          path, host, repository_path(backup->job.repository),
                          probe->repository_uuid ? probe->repository_uuid : "nothing",
                          repository_uuid(backup->job.repository));
                check_before_fail(backup, CHECK_NAME_SHARE_MARKER, error, first);
                return;
        }
        report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_SHARE_MARKER, CHECK_PASS, "%s",
                     probe->repository_uuid);
        if (probe->write_problem) {
                error_set(&error, ERROR_REFUSED, "%s cannot write to the share %s: %s", host, path,
                          probe->write_problem);
                check_before_fail(backup, CHECK_NAME_SHARE_WRITABLE, error, first);
                return;
        }
        report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_SHARE_WRITABLE, CHECK_PASS,
                     "written, synced and removed by %s", host);
}

static void check_share_space(struct backup *backup, const struct host_probe *probe,
                              uint64_t allocated, struct error **first)
{
        if (!probe->mount_type)
                return;
        uint64_t needed =
                (uint64_t)((double)allocated * backup->job.settings->checks.repository_free_factor);
        _cleanup_free_ char *free_text = format_bytes(probe->share_free_bytes);
        _cleanup_free_ char *needed_text = format_bytes(needed);
        if (probe->share_free_bytes >= needed) {
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_SHARE_SPACE, CHECK_PASS,
                             "%s free, %s needed", free_text, needed_text);
                return;
        }
        struct error *error = NULL;
        error_set(&error, ERROR_NOSPACE,
                  "the share has %s free, and the backup of %s needs %s (%.1f × what its disks "
                  "take up)",
                  free_text, backup->job.vm->name, needed_text,
                  backup->job.settings->checks.repository_free_factor);
        check_before_fail(backup, CHECK_NAME_SHARE_SPACE, error, first);
}

static void check_host_space(struct backup *backup, const struct host_probe *probe,
                             char *const *folders, struct error **first)
{
        uint64_t needed = (uint64_t)backup->job.settings->checks.hypervisor_free_gib * gib +
                          backup->estimated_bytes;
        uint64_t least = UINT64_MAX;
        const char *where = "no overlay needed";
        assert(folders || !probe->n_folders);
        for (size_t i = 0; i < probe->n_folders; i++) {
                if (probe->folder_free_bytes[i] < least) {
                        least = probe->folder_free_bytes[i];
                        where = folders[i];
                }
        }
        _cleanup_free_ char *free_text = format_bytes(least == UINT64_MAX ? 0 : least);
        _cleanup_free_ char *needed_text = format_bytes(needed);
        if (probe->n_folders && least == UINT64_MAX) {
                struct error *error = NULL;
                error_set(&error, ERROR_INTERNAL, "the free space of %s on %s cannot be told",
                          folders[0], backup->job.host_entry->name);
                check_before_fail(backup, CHECK_NAME_HYPERVISOR_SPACE, error, first);
        } else if (least > needed || !probe->n_folders) {
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_HYPERVISOR_SPACE,
                             CHECK_PASS, "%s free in %s, more than %s needed",
                             probe->n_folders ? free_text : "enough", where, needed_text);
        } else {
                struct error *error = NULL;
                error_set(&error, ERROR_NOSPACE,
                          "%s has %s free in %s, and more than %s are needed for the writes of %s "
                          "during its backup",
                          backup->job.host_entry->name, free_text, where, needed_text,
                          backup->job.vm->name);
                check_before_fail(backup, CHECK_NAME_HYPERVISOR_SPACE, error, first);
        }
}

static void check_before_tools(struct backup *backup, const struct host_probe *probe,
                               struct error **first)
{
        if (!probe->missing_tools) {
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_HOST_TOOLS, CHECK_PASS,
                             "all there");
                return;
        }
        struct error *error = NULL;
        _cleanup_free_ char *list = strv_join(probe->missing_tools, ", ");
        error_set(&error, ERROR_CONFIG,
                  "%s lacks %s: install the package that has it (qemu-img, libvirt-client, "
                  "coreutils, util-linux)",
                  backup->job.host_entry->name, list);
        check_before_fail(backup, CHECK_NAME_HOST_TOOLS, error, first);
}

/* Sizes: the virtual size comes from libvirt, the allocated size from the files of the whole chain,
 * because the copy is flattened. */
static int measure_disks(struct backup *backup, const struct host_probe *probe,
                         uint64_t *ret_allocated, struct error **err)
{
        size_t file = 0;
        uint64_t total = 0;
        for (size_t i = 0; i < backup->job.n_disks; i++) {
                struct vm_disk *disk = &backup->job.disks[i];
                uint64_t allocation = 0;
                if (backup->job.host->ops->block_size(backup->job.host, backup->job.uuid,
                                                      disk->target, &disk->virtual_bytes,
                                                      &allocation, err) < 0)
                        return -1;
                /* QEMU sees whole sectors, but for a VM that is off libvirt reports a raw file's
                 * exact length. */
                disk->virtual_bytes =
                        (disk->virtual_bytes + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
                for (size_t layer = 0; layer < strv_length(disk->chain); layer++)
                        disk->allocated_bytes += probe->file_bytes[file++];
                /* A block device has no allocated blocks that could be counted, so its full size is
                 * assumed. */
                if (disk->is_block || disk->allocated_bytes == 0)
                        disk->allocated_bytes += allocation ? allocation : disk->virtual_bytes;
                total += disk->allocated_bytes;
        }
        *ret_allocated = total;
        return 0;
}

static void list_paths(const struct backup *backup, char ***folders, char ***files)
{
        if (backup->level != VM_LEVEL_FULL)
                strv_add(folders, backup->job.host_entry->scratch);
        for (size_t i = 0; i < backup->job.n_disks; i++) {
                const struct vm_disk *disk = &backup->job.disks[i];
                _cleanup_free_ char *folder = path_directory(disk->overlay);
                if (backup->job.running && backup->level == VM_LEVEL_FULL &&
                    !strv_contains(*folders, folder))
                        strv_add(folders, folder);
                for (size_t layer = 0; disk->chain[layer]; layer++)
                        strv_add(files, disk->chain[layer]);
        }
}

static int check_before_host(struct backup *backup, struct error **first)
{
        _cleanup_strv_ char **folders = NULL;
        _cleanup_strv_ char **files = NULL;
        list_paths(backup, &folders, &files);
        struct host_probe probe = { 0 };
        struct error *error = NULL;
        const struct host_probe_request request = { .repository = backup->job.host_repository,
                                                    .tag = backup->job.tag,
                                                    .write_test = true,
                                                    .folders = folders,
                                                    .files = files };
        if (host_probe_run(backup->job.host, &request, &probe, &error) < 0)
                return check_before_fail(backup, CHECK_NAME_SHARE_MOUNTED, error, first);
        uint64_t allocated = 0;
        if (measure_disks(backup, &probe, &allocated, &error) < 0)
                check_before_fail(backup, CHECK_NAME_DISK_SIZES, error, first);
        xstrdup_replace(&backup->job.metadata->host_kernel, probe.kernel);
        check_before_tools(backup, &probe, first);
        check_before_share(backup, &probe, first);
        check_share_space(backup, &probe,
                          backup->level == VM_LEVEL_FULL ? allocated : backup->estimated_bytes,
                          first);
        check_host_space(backup, &probe, folders, first);
        host_probe_done(&probe);
        return 0;
}

static void check_no_mirror(struct backup *backup, struct error **first)
{
        for (size_t i = 0; i < backup->job.n_disks; i++) {
                const struct domain_disk *live =
                        domain_xml_find_disk(backup->job.live, backup->job.disks[i].target);
                if (!live || !live->has_mirror)
                        continue;
                struct error *error = NULL;
                error_set(&error, ERROR_BUSY,
                          "a block copy or commit of disk %s of %s is under way (virsh blockjob %s "
                          "%s)",
                          live->target, backup->job.vm->name, backup->job.vm->domain, live->target);
                check_before_fail(backup, CHECK_NAME_NO_BLOCK_COPY, error, first);
                return;
        }
        report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_NO_BLOCK_COPY, CHECK_PASS,
                     "no disk is being mirrored");
}

int backup_check_before(struct backup *backup, struct error **err)
{
        struct error *first = NULL;
        check_running(backup, &first);
        if (backup->skipped)
                return first ? error_propagate(err, first) : 0;
        check_no_job(backup, &first);
        check_no_mirror(backup, &first);
        check_snapshots(backup, &first);
        check_agent(backup, &first);
        check_before_host(backup, &first);
        if (first) {
                error_propagate(err, first);
                return -1;
        }
        report_step_end(backup->job.report, STEP_DONE, "all passed");
        return 0;
}
