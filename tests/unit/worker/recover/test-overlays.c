/* Overlay files that no disk uses: one that may hold the only copy of some writes is never
 * removed. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "scripted-host.h"
#include "worker/recover/recovery.h"

#define BASE "/images/a.qcow2"
#define OURS BASE ".orch-1a2b3c4d-20261120-3f9a"
#define THEIRS BASE ".orch-99999999-20261120-3f9a"
#define INFO(base) "{\"full-backing-filename\":\"" base "\",\"backing-filename-format\":\"qcow2\"}"
#define UNWRITTEN "[{\"start\":0,\"length\":1048576,\"present\":false}]"
#define WRITTEN "[{\"start\":0,\"length\":65536,\"present\":true}]"

struct orphan_case {
        const char *name;
        bool off, saved;
        const char *file;
        const char *info; /* of the file; NULL: it cannot be read */
        const char *facts;
        const char *map;
        int compared; /* the status: 0 the same, 1 differs, 2 cannot be */
        bool dry_run;
        bool removed;
        bool fails;
};

static const struct orphan_case cases[] = {
        { "committed, and its removal was cut short", .file = OURS, .info = INFO(BASE),
          .facts = "exists\ncommitted", .removed = true },
        { "only its marker is left", .file = OURS ".committed", .facts = "committed",
          .removed = true },
        { "only told in a dry run", .file = OURS, .info = INFO(BASE), .facts = "exists\ncommitted",
          .dry_run = true },
        { "pivoted by the QEMU that runs", .file = OURS, .info = INFO(BASE),
          .facts = "exists\npivoting\nsame", .map = WRITTEN, .removed = true },
        { "pivoted by one that is gone", .file = OURS, .info = INFO(BASE),
          .facts = "exists\npivoting", .map = WRITTEN },
        { "never written to", .file = OURS, .info = INFO(BASE), .facts = "exists", .map = UNWRITTEN,
          .removed = true },
        { "written to", .file = OURS, .info = INFO(BASE), .facts = "exists", .map = WRITTEN },
        { "what it holds cannot be told", .file = OURS, .info = INFO(BASE), .facts = "exists",
          .map = "unknown" },
        { "an empty map has told nothing", .file = OURS, .info = INFO(BASE), .facts = "exists",
          .map = "[]" },
        { "on another base than the disk", .file = OURS, .info = INFO("/images/b.qcow2"),
          .facts = "exists", .map = UNWRITTEN },
        { "it cannot be read", .file = OURS, .facts = "exists", .map = UNWRITTEN },
        { "of a VM that is off: the same data", .off = true, .file = OURS, .info = INFO(BASE),
          .facts = "exists", .compared = 0, .removed = true },
        { "of a VM that is off: other data", .off = true, .file = OURS, .info = INFO(BASE),
          .facts = "exists", .compared = 1 },
        { "of a VM that is off: not to be compared", .off = true, .file = OURS, .info = INFO(BASE),
          .facts = "exists", .compared = 2, .fails = true },
        { "of a VM whose saved memory may name it", .off = true, .saved = true, .file = OURS,
          .info = INFO(BASE), .facts = "exists", .compared = 0 },
        { "another orch's", .file = THEIRS, .info = INFO(BASE), .facts = "exists\ncommitted" },
};

static struct domain_xml *parse_disk(void)
{
        static const char text[] =
                "<domain type='kvm'><name>vm-1</name>"
                "<uuid>0b9a7d1c-1111-4222-8333-444455556666</uuid><os><type arch='x86_64' "
                "machine='q35'>hvm</type></os><devices><disk type='file' device='disk'><driver "
                "name='qemu' type='qcow2'/><source file='" BASE "'/><target dev='vda' "
                "bus='virtio'/></disk></devices></domain>";
        return domain_xml_parse(text, strlen(text), NULL);
}

static void judge_orphan(const struct orphan_case *c)
{
        static char vm_name[] = "vm-1", host_name[] = "host-1", scratch[] = "/scratch";
        static char uuid[] = "0b9a7d1c-1111-4222-8333-444455556666", tag[] = "orch-x";
        const struct scripted_answer answers[] = {
                { "orch-list", c->file, 0 },
                { "qemu-img info", c->info ? c->info : "", c->info ? 0 : 1 },
                { "orch-look", c->facts, 0 },
                { "orch-map", c->map ? c->map : "unknown", 0 },
                { "qemu-img compare", "", c->compared },
                { 0 },
        };
        struct settings settings = { .limits = { .copy_stall_seconds = 60 } };
        struct inventory_vm vm = { .name = vm_name, .domain = vm_name };
        struct inventory_hypervisor entry = { .name = host_name, .scratch = scratch };
        struct scripted_host host;
        struct report report;
        scripted_host_init(&host);
        host.answers = answers;
        report_init(&report, vm_name, NULL);
        report.daemon_gone = true;
        struct vm_job job = { .vm = &vm,
                              .settings = &settings,
                              .host = &host.base,
                              .host_entry = &entry,
                              .uuid = uuid,
                              .tag = tag,
                              .report = &report,
                              .running = !c->off,
                              .info = { .has_managed_save = c->saved } };
        struct recovery recovery = { .job = &job,
                                     .dry_run = c->dry_run,
                                     .short_uuid = xstrdup("1a2b3c4d"),
                                     .live = c->off ? NULL : parse_disk(),
                                     .inactive = parse_disk() };
        recover_orphans(&recovery);
        cr_expect_eq(strv_contains(host.ran, "orch-commit"), c->removed, "%s: removed", c->name);
        cr_expect_eq(recovery.problem != NULL, c->fails, "%s: %s", c->name,
                     error_message(recovery.problem));
        recovery_done(&recovery);
        report_done(&report);
        scripted_host_done(&host);
}

Test(recover_overlays, an_overlay_goes_only_when_nothing_can_be_lost)
{
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                judge_orphan(&cases[i]);
}
