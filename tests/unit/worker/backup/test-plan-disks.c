/* Which disks of a domain are backed up, and which refuse it. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "scripted-host.h"
#include "worker/backup/backup-internal.h"

struct plan {
        struct scripted_host host;
        struct inventory_vm vm;
        struct inventory_hypervisor entry;
        struct report report;
        struct backup backup;
        char *xml;
};

static void plan_setup(struct plan *plan, const char *disks)
{
        static char vm_name[] = "vm-1", host_name[] = "host-1", scratch[] = "/scratch";
        *plan = (struct plan){ .vm = { .name = vm_name },
                               .entry = { .name = host_name, .scratch = scratch } };
        scripted_host_init(&plan->host);
        plan->xml = xasprintf(
                "<domain "
                "type='kvm'><name>vm-1</name><uuid>0b9a7d1c-1111-4222-8333-444455556666</uuid>"
                "<os><type arch='x86_64' "
                "machine='q35'>hvm</type></os><devices>%s</devices></domain>",
                disks);
        plan->host.xml = plan->xml;
        report_init(&plan->report, "vm-1", NULL);
        plan->report.daemon_gone = true;
        plan->backup.job = (struct vm_job){
                .vm = &plan->vm,
                .report = &plan->report,
                .host = &plan->host.base,
                .host_entry = &plan->entry,
                .running = true,
                .tag = xstrdup("orch-1a2b3c4d-20261120-3f9a"),
                .metadata = metadata_new(),
        };
}

static void plan_done(struct plan *plan)
{
        struct backup *backup = &plan->backup;
        for (size_t i = 0; i < backup->job.n_disks; i++)
                vm_disk_done(&backup->job.disks[i]);
        free(backup->job.disks);
        strv_free(backup->not_snapshotted);
        domain_xml_free(backup->job.live);
        free(backup->job.live_xml);
        free(backup->job.tag);
        metadata_free(backup->job.metadata);
        report_done(&plan->report);
        scripted_host_done(&plan->host);
        free(plan->xml);
}

#define FILE_DISK(target, path, more)                                                           \
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='" path \
        "'/><target dev='" target "' bus='virtio'/>" more "</disk>"
#define CDROM                                                                       \
        "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source " \
        "file='/iso/a.iso'/><target dev='sda' "                                     \
        "bus='sata'/><readonly/></disk>"

Test(plan_disks, files_and_block_devices_are_planned_with_their_chain_and_the_rest_is_named)
{
        _cleanup_(plan_done) struct plan plan;
        plan_setup(
                &plan,
                FILE_DISK("vda", "/i/a.qcow2",
                          "<backingStore type='file'><format type='qcow2'/><source "
                          "file='/i/gold.qcow2'/><backingStore/></backingStore>") "<disk "
                                                                                  "type='block' "
                                                                                  "device='disk'><"
                                                                                  "driver "
                                                                                  "name='qemu' "
                                                                                  "type='raw'/"
                                                                                  "><source "
                                                                                  "dev='/dev/vg/b'/"
                                                                                  "><target "
                                                                                  "dev='vdb' "
                                                                                  "bus='virtio'/></"
                                                                                  "disk>" CDROM);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(backup_plan_disks(&plan.backup, &error), 0, "%s", error_message(error));
        const struct vm_disk *disks = plan.backup.job.disks;
        cr_assert_eq(plan.backup.job.n_disks, 2);
        cr_assert_str_eq(disks[0].base, "/i/a.qcow2");
        cr_assert_str_eq(disks[0].format, "qcow2");
        cr_assert_str_eq(disks[0].overlay, "/i/a.qcow2.orch-1a2b3c4d-20261120-3f9a");
        cr_assert_str_eq(disks[0].file, "vm-1-vda.qcow2");
        cr_assert_eq(strv_length(disks[0].chain), 2);
        cr_assert_str_eq(disks[0].chain[1], "/i/gold.qcow2");
        cr_assert(disks[1].is_block);
        cr_assert_str_eq(disks[1].overlay, "/scratch/vm-1-vdb.orch-1a2b3c4d-20261120-3f9a");
        cr_assert_eq(strv_length(plan.backup.not_snapshotted), 1);
        cr_assert_str_eq(plan.backup.not_snapshotted[0], "sda");
}

Test(plan_disks, an_excluded_disk_may_be_one_that_could_not_be_protected)
{
        _cleanup_(plan_done) struct plan plan;
        plan_setup(&plan,
                   FILE_DISK("vda", "/i/a.qcow2", "") FILE_DISK("vdb", "/i/b.raw", "<shareable/>"));
        char *excluded[] = { (char[]){ "vdb" }, (char[]){ "vdz" }, NULL };
        plan.vm.exclude_disks = excluded;
        cr_assert_eq(backup_plan_disks(&plan.backup, NULL), 0);
        cr_assert_eq(plan.backup.job.n_disks, 1);
        cr_assert(strv_contains(plan.backup.not_snapshotted, "vdb"));
        cr_assert(strstr(plan.report.log.data, "vdz"), "a name that no disk has is warned of");
}

/* One of these beside a good disk: the whole VM is refused, because half of a VM is no backup. */
Test(plan_disks, a_disk_that_cannot_be_protected_refuses_the_vm_and_is_named)
{
        static const char *const bad[] = {
                FILE_DISK("vdx", "/i/b.raw", "<shareable/>"),
                FILE_DISK("vdx", "/i/b.qcow2", "<transient/>"),
                FILE_DISK("vdx", "/i/b.qcow2.orch-ffffffff-20261120-3f9a", ""),
                "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source "
                "protocol='rbd' name='p/i'/><target "
                "dev='vdx' bus='virtio'/></disk>",
                "<disk type='block' device='lun'><driver name='qemu' type='raw'/><source "
                "dev='/dev/sdb'/><target dev='vdx' "
                "bus='scsi'/></disk>",
        };
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
                _cleanup_free_ char *disks =
                        xasprintf("%s%s", FILE_DISK("vda", "/i/a.qcow2", ""), bad[i]);
                _cleanup_(plan_done) struct plan plan;
                _cleanup_error_ struct error *error = NULL;
                plan_setup(&plan, disks);
                cr_assert_eq(backup_plan_disks(&plan.backup, &error), -1, "%s", bad[i]);
                cr_assert_eq(error->kind, ERROR_REFUSED);
                cr_assert(strstr(error->message, "disk vdx is "), "%s", error->message);
        }
}

Test(plan_disks, a_vm_without_a_disk_is_refused_unless_its_configuration_alone_is_asked_for)
{
        _cleanup_(plan_done) struct plan plan;
        plan_setup(&plan, CDROM);
        cr_assert_eq(backup_plan_disks(&plan.backup, NULL), -1);
        _cleanup_(plan_done) struct plan config_only;
        plan_setup(&config_only,
                   FILE_DISK("vda", "/i/a.qcow2", "") FILE_DISK("vdb", "/i/b.raw", "<shareable/>"));
        config_only.vm.config_only = true;
        cr_assert_eq(backup_plan_disks(&config_only.backup, NULL), 0);
        cr_assert_eq(config_only.backup.job.n_disks, 0);
        cr_assert_eq(strv_length(config_only.backup.not_snapshotted), 2);
}
