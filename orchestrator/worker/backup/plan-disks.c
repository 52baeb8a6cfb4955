/* Decides which disks are part of the point, which are left out with a note, and which make the
 * backup impossible. The decision uses the live XML and is made before anything is changed. A
 * snapshot has to name every disk, so the disks that are left out are recorded too. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/backup/backup-internal.h"
#include "worker/job/names.h"

/* Why a disk is never part of a backup (its note), or NULL. */
static const char *left_out_because(const struct domain_disk *disk)
{
        if (disk->device == DISK_DEVICE_CDROM)
                return "a CD-ROM drive: its medium is not part of the VM";
        if (disk->device == DISK_DEVICE_FLOPPY)
                return "a floppy drive: its medium is not part of the VM";
        if (disk->readonly)
                return "read-only: the VM cannot have written to it";
        return NULL;
}

/* Why a disk cannot be protected, or NULL. */
static const char *refused_because(const struct domain_disk *disk)
{
        if (disk->device == DISK_DEVICE_LUN)
                return "a SCSI LUN passed through to the guest: it cannot be snapshotted";
        if (disk->shareable)
                return "shared between VMs: a snapshot of one VM is none of its shared disk";
        if (disk->transient)
                return "transient: libvirt throws its content away at power-off and cannot "
                       "snapshot it";
        if (disk->source == DISK_SOURCE_NETWORK)
                return "a network disk (RBD, iSCSI, NBD, …): it has no file on the hypervisor that "
                       "could be copied";
        if (disk->source != DISK_SOURCE_FILE && disk->source != DISK_SOURCE_BLOCK)
                return "neither a file nor a block device of the hypervisor";
        if (!disk->path || disk->path[0] != '/')
                return "without a path on the hypervisor";
        if (names_is_an_overlay(disk->path))
                return "still on an overlay of an interrupted backup";
        return NULL;
}

static void plan_add_disk(struct backup *backup, const struct domain_disk *disk)
{
        backup->job.disks = xrealloc_array(backup->job.disks, backup->job.n_disks + 1,
                                           sizeof *backup->job.disks);
        struct vm_disk *planned = &backup->job.disks[backup->job.n_disks++];
        *planned = (struct vm_disk){
                .target = xstrdup(disk->target),
                .bus = xstrdup(disk->bus),
                .base = xstrdup(disk->path),
                .format = xstrdup(disk->format ? disk->format : "raw"),
                .is_block = disk->source == DISK_SOURCE_BLOCK,
                .file = xasprintf("%s-%s.qcow2", backup->job.vm->name, disk->target),
        };
        planned->overlay =
                names_overlay(disk->path, planned->is_block, backup->job.host_entry->scratch,
                              backup->job.vm->name, disk->target, backup->job.tag);
        strv_add(&planned->chain, disk->path);
        for (size_t i = 0; i < disk->n_backing; i++)
                if (disk->backing[i].path)
                        strv_add(&planned->chain, disk->backing[i].path);
}

static void leave_out(struct backup *backup, const char *target, const char *reason)
{
        strv_add(&backup->not_snapshotted, target);
        metadata_add_excluded(backup->job.metadata, target, reason);
        report_log(backup->job.report, "disk %s is left out: %s", target, reason);
}

static void warn_of_excluded_that_do_not_exist(struct backup *backup)
{
        for (size_t i = 0; backup->job.vm->exclude_disks && backup->job.vm->exclude_disks[i]; i++)
                if (!domain_xml_find_disk(backup->job.live, backup->job.vm->exclude_disks[i]))
                        report_warning(backup->job.report,
                                       "exclude_disks names %s, but the VM has no such disk",
                                       backup->job.vm->exclude_disks[i]);
}

static int read_domain(struct backup *backup, struct error **err)
{
        if (backup->job.host->ops->get_xml(backup->job.host, backup->job.uuid, !backup->job.running,
                                           false, &backup->job.live_xml, err) < 0)
                return -1;
        backup->job.live =
                domain_xml_parse(backup->job.live_xml, strlen(backup->job.live_xml), err);
        return backup->job.live ? 0 : -1;
}

int backup_plan_disks(struct backup *backup, struct error **err)
{
        if (read_domain(backup, err) < 0)
                return -1;
        xstrdup_replace(&backup->job.metadata->machine, backup->job.live->machine);
        xstrdup_replace(&backup->job.metadata->arch, backup->job.live->arch);
        backup->job.metadata->networks = strv_copy(backup->job.live->networks);
        backup->job.metadata->boot_order = strv_copy(backup->job.live->boot_order);
        for (size_t i = 0; backup->job.live->host_devices && backup->job.live->host_devices[i]; i++)
                report_warning(backup->job.report,
                               "%s is passed through to the VM: it is named in the XML but its "
                               "content is not backed up",
                               backup->job.live->host_devices[i]);
        warn_of_excluded_that_do_not_exist(backup);
        _cleanup_strbuf_ struct strbuf refused = { 0 };
        for (size_t i = 0; i < backup->job.live->n_disks; i++) {
                const struct domain_disk *disk = &backup->job.live->disks[i];
                const char *why_not = refused_because(disk);
                if (strv_contains(backup->job.vm->exclude_disks, disk->target))
                        leave_out(backup, disk->target, "named in exclude_disks");
                else if (left_out_because(disk))
                        leave_out(backup, disk->target, left_out_because(disk));
                else if (backup->job.vm->config_only)
                        leave_out(backup, disk->target, "config_only: no disks are backed up");
                else if (why_not)
                        strbuf_addf(&refused, "%sdisk %s is %s", refused.length ? "; " : "",
                                    disk->target, why_not);
                else
                        plan_add_disk(backup, disk);
        }
        if (!refused.length && !backup->job.n_disks && !backup->job.vm->config_only)
                strbuf_add(&refused, "the VM has no disk to back up (with config_only: true its "
                                     "configuration alone is saved)");
        if (refused.length) {
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_DISKS_PROTECTABLE,
                             CHECK_FAIL, "%s", refused.data);
                return error_set(
                        err, ERROR_REFUSED,
                        "%s: %s. Name such disks in exclude_disks to back up the VM without them",
                        backup->job.vm->name, refused.data);
        }
        report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_DISKS_PROTECTABLE, CHECK_PASS,
                     "%zu of %zu disks go into the point", backup->job.n_disks,
                     backup->job.live->n_disks);
        return 0;
}
