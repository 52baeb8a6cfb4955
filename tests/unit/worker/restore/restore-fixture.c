/* Implements restore-fixture.h. */
#include "restore-fixture.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "repository/repository-internal.h"

static char *machine_xml(const char *vda_path)
{
        return xasprintf(
                "<domain type='kvm'><name>vm-1</name><uuid>" FIXTURE_UUID "</uuid>"
                "<os><type arch='x86_64' machine='q35'>hvm</type>"
                "<nvram>/nvram/vm-1_VARS.fd</nvram></os><devices>"
                "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source "
                "file='%s'/><target dev='vda' bus='virtio'/></disk>"
                "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source "
                "file='/data/b.img'/><target dev='vdb' bus='virtio'/></disk>"
                "<interface type='network'><mac address='52:54:00:00:00:01'/><source "
                "network='office'/></interface></devices></domain>",
                vda_path);
}

static void add_disk(struct metadata *metadata, const char *target, const char *path,
                     const char *format)
{
        struct metadata_disk *disk = metadata_add_disk(metadata);
        disk->target = xstrdup(target);
        disk->file = xasprintf("vm-1-%s.qcow2", target);
        disk->source_path = xstrdup(path);
        disk->source_format = xstrdup(format);
        disk->source_type = xstrdup("file");
        disk->virtual_bytes = UINT64_C(20) << 30;
        disk->allocated_bytes = UINT64_C(5) << 30;
        disk->stored_bytes = UINT64_C(3) << 30;
}

static struct metadata *sample_point(void)
{
        struct metadata *metadata = metadata_new();
        metadata->vm = xstrdup("vm-1");
        metadata->hypervisor = xstrdup("host-1");
        metadata->nvram_file = xstrdup("vm-1-nvram.fd");
        metadata->nvram_path = xstrdup("/nvram/vm-1_VARS.fd");
        add_disk(metadata, "vda", "/images/a.qcow2", "qcow2");
        add_disk(metadata, "vdb", "/data/b.img", "raw");
        return metadata;
}

void restore_fixture_init(struct restore_fixture *fixture)
{
        static char vm_name[] = "vm-1", host_name[] = "host-1", scratch[] = "/scratch";
        static char point_name[] = "2026-11-20-120000", path[] = "host-1/vm-1/2026-11-20-120000";
        static char share[] = "/mnt/backup", share_uuid[] = FIXTURE_SHARE_UUID;
        *fixture = (struct restore_fixture){
                .request = { .vm = vm_name },
                .entry = { .name = host_name, .address = host_name, .scratch = scratch },
                .point = { .name = point_name, .path = path },
                .metadata = sample_point(),
                .repository = xcalloc(1, sizeof *fixture->repository),
        };
        *fixture->repository =
                (struct repository){ .path = share, .uuid = share_uuid, .root_fd = -1 };
        fixture->inventory.hypervisors = &fixture->entry;
        fixture->inventory.n_hypervisors = 1;
        scripted_host_init(&fixture->host);
        fixture->host.output = "dd";
        report_init(&fixture->report, "vm-1", fixture->metadata);
        fixture->report.daemon_gone = true;
        struct restore *restore = &fixture->restore;
        restore->job = (struct vm_job){ .request = &fixture->request,
                                        .settings = &fixture->settings,
                                        .inventory = &fixture->inventory,
                                        .report = &fixture->report,
                                        .repository = fixture->repository,
                                        .host = &fixture->host.base,
                                        .host_entry = &fixture->entry,
                                        .host_repository = share,
                                        .tag = xstrdup("orch-1a2b3c4d-20261120-3f9a") };
        restore->point = &fixture->point;
        restore->metadata = fixture->metadata;
        restore->journal_fd = -1;
        restore->original = ORIGINAL_GONE;
        restore->name = xstrdup("vm-1");
        restore->xml_text = machine_xml("/images/a.qcow2");
        restore->xml = domain_xml_parse(restore->xml_text, strlen(restore->xml_text), NULL);
        cr_assert(restore->xml);
}

void restore_fixture_beside(struct restore_fixture *fixture, const char *name)
{
        xstrdup_replace(&fixture->restore.name, name);
        xstrdup_replace(&fixture->restore.options.name, name);
        fixture->restore.new_machine = true;
        fixture->restore.original = ORIGINAL_PRESENT;
}

void restore_fixture_replace(struct restore_fixture *fixture, const char *vda_path)
{
        struct restore *restore = &fixture->restore;
        restore->original = ORIGINAL_PRESENT;
        restore->original_entry = &fixture->entry;
        restore->original_xml_text = machine_xml(vda_path);
        restore->original_xml = domain_xml_parse(restore->original_xml_text,
                                                 strlen(restore->original_xml_text), NULL);
        cr_assert(restore->original_xml);
}

void restore_fixture_done(struct restore_fixture *fixture)
{
        /* The host and the share are this test's. */
        fixture->restore.job.host = NULL;
        fixture->restore.job.repository = NULL;
        restore_done(&fixture->restore);
        report_done(&fixture->report);
        metadata_free(fixture->metadata);
        free(fixture->repository);
        scripted_host_done(&fixture->host);
}
