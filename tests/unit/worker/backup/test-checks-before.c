/* The checks before a backup: what each takes for a failure, and that all of them are made before
 * the first failure ends the backup. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "repository/repository-internal.h"
#include "scripted-host.h"
#include "worker/backup/backup-internal.h"

#define UUID "1a2b3c4d-1111-4222-8333-444455556666"
/* A host on which all is well: 100 GiB are free, the disk takes up 5. */
#define MOUNTED "mount\tnfs4\nuuid\t" UUID "\n"
#define ROOMY "share\t107374182400\nfolder\t107374182400\nfile\t5368709120\n"

static struct inventory_vm sample_vm(void)
{
        static char name[] = "vm-1", domain[] = "vm-1";
        return (struct inventory_vm){ .name = name,
                                      .domain = domain,
                                      .when_off = VM_WHEN_OFF_FAIL,
                                      .fallback = VM_FALLBACK_FAIL };
}

/* What one case changes of a VM that can be backed up. */
struct check_case {
        const char *name;
        enum domain_state state;
        bool saved; /* its memory, by libvirt */
        bool io_error;
        const char *job;
        const char *snapshot;
        enum block_job_type block_job;
        bool mirror;
        enum agent_state agent;
        bool agent_refuses;
        enum vm_when_off when_off;
        enum vm_fallback fallback;
        const char *probe;
        /* what has to come of it */
        enum check_name fails; /* NONE: nothing */
        enum error_kind kind;
        bool skipped;
        enum vm_method method;
};

#define FAILS(check, error_kind) .fails = CHECK_NAME_##check, .kind = ERROR_##error_kind
#define OFF .state = DOMAIN_STATE_SHUT_OFF

static const struct check_case cases[] = {
        { "all is well" },
        { "paused by its owner", .state = DOMAIN_STATE_PAUSED, FAILS(VM_RUNNING, REFUSED) },
        { "paused by an I/O error", .state = DOMAIN_STATE_PAUSED, .io_error = true,
          FAILS(VM_RUNNING, REFUSED) },
        { "off, and when_off is fail", OFF, FAILS(VM_RUNNING, REFUSED) },
        { "off, and when_off is skip", OFF, .when_off = VM_WHEN_OFF_SKIP, .skipped = true },
        { "off, when_off is backup: no overlay needs room", OFF, .when_off = VM_WHEN_OFF_BACKUP,
          .probe = MOUNTED "share\t107374182400\nfile\t5368709120\n" },
        { "off with a saved memory", OFF, .when_off = VM_WHEN_OFF_BACKUP, .saved = true,
          FAILS(VM_RUNNING, REFUSED) },
        { "crashed counts as off", .state = DOMAIN_STATE_CRASHED, .when_off = VM_WHEN_OFF_SKIP,
          .skipped = true },
        { "being migrated", .job = "migration", FAILS(NO_OTHER_JOB, BUSY) },
        { "somebody's block job", .block_job = BLOCK_JOB_COMMIT, FAILS(NO_OTHER_JOB, BUSY) },
        { "somebody's block copy", .mirror = true, FAILS(NO_BLOCK_COPY, BUSY) },
        { "somebody's snapshot", .snapshot = "before-update", FAILS(NO_SNAPSHOTS, REFUSED) },
        { "no agent, fallback fail", .agent = AGENT_ABSENT, .fallback = VM_FALLBACK_FAIL,
          FAILS(GUEST_AGENT, REFUSED) },
        { "a mute agent, fallback fail", .agent = AGENT_MUTE, .fallback = VM_FALLBACK_FAIL,
          FAILS(GUEST_AGENT, REFUSED) },
        { "an agent that forbids a freeze", .agent_refuses = true, .fallback = VM_FALLBACK_FAIL,
          FAILS(GUEST_AGENT, REFUSED) },
        { "no agent, fallback snapshot", .agent = AGENT_ABSENT, .fallback = VM_FALLBACK_SNAPSHOT,
          .method = VM_METHOD_SNAPSHOT },
        { "not mounted there", .probe = "mount\t\n" ROOMY, FAILS(SHARE_MOUNTED, REFUSED) },
        { "not an NFS mount", .probe = "mount\text4\nuuid\t" UUID "\n" ROOMY,
          FAILS(SHARE_MOUNTED, REFUSED) },
        { "another share",
          .probe = "mount\tnfs4\nuuid\t99999999-1111-4222-8333-444455556666\n" ROOMY,
          FAILS(SHARE_MARKER, REFUSED) },
        { "no marker", .probe = "mount\tnfs4\n" ROOMY, FAILS(SHARE_MARKER, REFUSED) },
        { "not writable", .probe = MOUNTED "write\tRead-only file system\n" ROOMY,
          FAILS(SHARE_WRITABLE, REFUSED) },
        { "tools are missing", .probe = MOUNTED "missing\tqemu-img\n" ROOMY,
          FAILS(HOST_TOOLS, CONFIG) },
        { "room for the disk and a half, exactly",
          .probe = MOUNTED "share\t8053063680\nfolder\t107374182400\nfile\t5368709120\n" },
        { "a byte less",
          .probe = MOUNTED "share\t8053063679\nfolder\t107374182400\nfile\t5368709120\n",
          FAILS(SHARE_SPACE, NOSPACE) },
        { "ten GiB for the overlays have to be exceeded",
          .probe = MOUNTED "share\t107374182400\nfolder\t10737418240\nfile\t5368709120\n",
          FAILS(HYPERVISOR_SPACE, NOSPACE) },
        { "and are, by a byte",
          .probe = MOUNTED "share\t107374182400\nfolder\t10737418241\nfile\t5368709120\n" },
        { "room that cannot be told",
          .probe = MOUNTED "share\t107374182400\nfolder\t\nfile\t5368709120\n",
          FAILS(HYPERVISOR_SPACE, INTERNAL) },
};

static char *sample_xml(bool mirror)
{
        return xasprintf(
                "<domain type='kvm'><name>vm-1</name><uuid>" UUID "</uuid><os><type arch='x86_64' "
                "machine='q35'>hvm</type></os><devices><disk type='file' device='disk'><driver "
                "name='qemu' type='qcow2'/><source file='/images/a.qcow2'/>%s<target dev='vda' "
                "bus='virtio'/></disk></devices></domain>",
                mirror ? "<mirror type='file' job='copy'><source file='/images/b.qcow2'/></mirror>"
                       : "");
}

static void run_backup_checks(const struct check_case *c, struct backup *backup, struct error **err)
{
        const struct scripted_answer answers[] = {
                { "orch-probe", c->probe ? c->probe : MOUNTED ROOMY, 0 }, { 0 }
        };
        const char *const snapshots[] = { c->snapshot, NULL };
        struct scripted_host *host = (struct scripted_host *)backup->job.host;
        host->answers = answers;
        host->snapshots = snapshots;
        host->agent = c->agent;
        host->agent_refuses = c->agent_refuses;
        host->block_job.type = c->block_job;
        host->capacity_bytes = UINT64_C(20) << 30;
        int r = backup_check_before(backup, err);
        cr_assert_eq(r, c->fails ? -1 : 0, "%s: %s", c->name, error_message(err ? *err : NULL));
        host->answers = NULL;
        host->snapshots = NULL;
}

/* Which check has failed; NONE: none. */
static enum check_name failed_backup_check(const struct metadata *metadata)
{
        for (size_t i = 0; i < metadata->n_checks; i++)
                if (metadata->checks[i].verdict == CHECK_FAIL)
                        return check_name_parse(metadata->checks[i].name);
        return CHECK_NAME_NONE;
}

static void judge_backup_checks(const struct check_case *c)
{
        static char uuid[] = UUID, path[] = "/mnt/backup", host_name[] = "host-1";
        char target[] = "vda", base[] = "/images/a.qcow2", overlay[] = "/images/a.qcow2.orch-x";
        char format[] = "qcow2", *chain[] = { base, NULL };
        struct vm_disk disk = {
                .target = target, .base = base, .format = format, .chain = chain, .overlay = overlay
        };
        struct repository repository = { .uuid = uuid, .path = path, .root_fd = -1 };
        struct settings settings = { .repository_fstype = REPOSITORY_FSTYPE_NFS,
                                     .checks = { .repository_free_factor = 1.5,
                                                 .hypervisor_free_gib = 10 } };
        struct inventory_hypervisor entry = { .name = host_name };
        struct inventory_vm vm = sample_vm();
        struct scripted_host host;
        struct report report;
        _cleanup_error_ struct error *error = NULL;
        _cleanup_free_ char *xml = sample_xml(c->mirror);
        vm.when_off = c->when_off;
        vm.fallback = c->fallback;
        scripted_host_init(&host);
        struct backup backup = { .level = VM_LEVEL_FULL,
                                 .job = { .vm = &vm,
                                          .settings = &settings,
                                          .repository = &repository,
                                          .host = &host.base,
                                          .host_entry = &entry,
                                          .host_repository = path,
                                          .uuid = uuid,
                                          .tag = overlay,
                                          .report = &report,
                                          .disks = &disk,
                                          .n_disks = 1,
                                          .running = !domain_state_is_off(c->state),
                                          .info = { .state = c->state,
                                                    .has_managed_save = c->saved,
                                                    .paused_by_io_error = c->io_error,
                                                    .job = (char *)(uintptr_t)c->job },
                                          .metadata = metadata_new(),
                                          .live = domain_xml_parse(xml, strlen(xml), NULL) } };
        report_init(&report, "vm-1", backup.job.metadata);
        report.daemon_gone = true;
        run_backup_checks(c, &backup, &error);
        cr_expect_eq(failed_backup_check(backup.job.metadata), c->fails, "%s: failed is %s",
                     c->name, check_name_text(failed_backup_check(backup.job.metadata)));
        cr_expect(!c->fails || error->kind == c->kind, "%s: %s", c->name, error_message(error));
        cr_expect_eq(backup.skipped, c->skipped, "%s", c->name);
        cr_expect_eq(backup.job.method, c->method, "%s", c->name);
        report_done(&report);
        domain_xml_free(backup.job.live);
        metadata_free(backup.job.metadata);
        scripted_host_done(&host);
}

Test(checks_before, each_case_fails_its_own_check_or_none)
{
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                judge_backup_checks(&cases[i]);
}
