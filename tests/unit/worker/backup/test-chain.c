/* Full or increment: what a point says of its disks is compared with the disks of now, and an
 * increment that would miss anything is not made. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "scripted-host.h"
#include "worker/backup/backup-internal.h"
#include "worker/backup/chain.h"
#include "worker/job/names.h"

#include "../../repository/share-fixture.h"

enum { DAY_S = 24 * 3600 };
#define POINT "2026-02-02-024000"
#define SOURCE "/var/lib/libvirt/images/vm-1.qcow2"

struct chain_case {
        const char *name;
        enum vm_level wanted;
        const char *asked; /* in the request, over the inventory's */
        bool off, shutdown;
        const char *format, *path; /* of the disk now; NULL: as in the point */
        uint64_t virtual_bytes;    /* 0: as in the point */
        const char *uuid;          /* of the VM; NULL: as in the point */
        bool no_checkpoint;        /* of the point, on the VM */
        bool broken_bitmap;
        unsigned full_every_weeks;
        int64_t days_later;
        enum vm_level level; /* that is made */
        bool keeps_chain;    /* a checkpoint is made for the next one */
        unsigned warnings;
};

#define INCREMENTAL .wanted = VM_LEVEL_INCREMENTAL
#define INCREMENT .level = VM_LEVEL_INCREMENTAL, .keeps_chain = true
#define FULL_WITH_CHAIN .level = VM_LEVEL_FULL, .keeps_chain = true

static const struct chain_case cases[] = {
        { "a full is asked for", .wanted = VM_LEVEL_FULL, .level = VM_LEVEL_FULL },
        { "an increment on the newest point", INCREMENTAL, INCREMENT },
        { "a full for once", INCREMENTAL, .asked = "full", .level = VM_LEVEL_FULL },
        { "an increment for once", .asked = "incremental", INCREMENT },
        { "a differential leaves the full's checkpoint", .wanted = VM_LEVEL_DIFFERENTIAL,
          .level = VM_LEVEL_DIFFERENTIAL },
        { "of a VM that is off", INCREMENTAL, .off = true, .level = VM_LEVEL_FULL, .warnings = 1 },
        { "of one that is shut down for it", INCREMENTAL, .shutdown = true, .level = VM_LEVEL_FULL,
          .warnings = 1 },
        { "without a qcow2 disk", INCREMENTAL, .format = "raw", .level = VM_LEVEL_FULL,
          .warnings = 1 },
        { "the checkpoint is gone", INCREMENTAL, .no_checkpoint = true, FULL_WITH_CHAIN,
          .warnings = 1 },
        { "the point is another machine's", INCREMENTAL,
          .uuid = "99999999-1111-4222-8333-444455556666", FULL_WITH_CHAIN },
        { "the disk is in another file", INCREMENTAL, .path = "/ssd/vm-1.qcow2", FULL_WITH_CHAIN,
          .warnings = 2 },
        { "the disk has grown", INCREMENTAL, .virtual_bytes = 2 * 1024 * 1024, FULL_WITH_CHAIN,
          .warnings = 2 },
        { "its bitmap is broken", INCREMENTAL, .broken_bitmap = true, FULL_WITH_CHAIN,
          .warnings = 1 },
        { "the full is not old enough", INCREMENTAL, .full_every_weeks = 2, .days_later = 12,
          INCREMENT },
        { "the full is due, as was to be expected", INCREMENTAL, .full_every_weeks = 2,
          .days_later = 13, FULL_WITH_CHAIN },
};

static void judge_choice(const struct chain_case *c, const struct backup *backup)
{
        const struct vm_disk *disk = &backup->job.disks[0];
        bool increment = c->level != VM_LEVEL_FULL;
        cr_expect_eq(backup->level, c->level, "%s: %s", c->name, vm_level_name(backup->level));
        cr_expect_str_eq(backup->job.metadata->level, vm_level_name(c->level), "%s", c->name);
        cr_expect_eq(backup->keeps_chain, c->keeps_chain, "%s", c->name);
        cr_expect_eq(strv_length(backup->job.metadata->warnings), c->warnings, "%s: %zu warnings",
                     c->name, strv_length(backup->job.metadata->warnings));
        cr_expect(streq(backup->parent, increment ? POINT : NULL), "%s: it builds on %s", c->name,
                  backup->parent ? backup->parent : "nothing");
        cr_expect(streq(disk->parent_file, increment ? "vm-1-vda.qcow2" : NULL), "%s", c->name);
        cr_expect_eq(disk->scratch != NULL, increment, "%s", c->name);
        cr_expect_eq(backup->since != NULL, increment, "%s", c->name);
        cr_expect_eq(backup->estimated_bytes, increment ? 4096 : 0, "%s", c->name);
}

static void judge_chain(const struct chain_case *c, struct repository *repository,
                        const char *checkpoint, int64_t started)
{
        static char vm_name[] = "vm-1", home[] = "host-1", scratch[] = "/scratch";
        static char uuid[] = "0b9a7d1c-1111-4222-8333-444455556666", tag[] = "orch-x";
        const char *const checkpoints[] = { c->no_checkpoint ? NULL : checkpoint, NULL };
        struct inventory_vm vm = { .name = vm_name,
                                   .level = c->wanted,
                                   .full_every_weeks = c->full_every_weeks };
        struct inventory_hypervisor entry = { .name = home, .scratch = scratch };
        struct job_request request = { .level = (char *)(uintptr_t)c->asked,
                                       .started = started + DAY_S * (c->days_later + 1) };
        struct vm_disk disk = { .target = xstrdup("vda"),
                                .base = xstrdup(c->path ? c->path : SOURCE),
                                .format = xstrdup(c->format ? c->format : "qcow2") };
        struct scripted_host host;
        struct report report;
        _cleanup_error_ struct error *error = NULL;
        scripted_host_init(&host);
        host.checkpoints = checkpoints;
        host.capacity_bytes = c->virtual_bytes ? c->virtual_bytes : 1024 * 1024;
        if (!c->broken_bitmap)
                host.checkpoint_xml =
                        "<domaincheckpoint><disks><disk name='vda' "
                        "checkpoint='bitmap' size='4096'/></disks></domaincheckpoint>";
        struct backup backup = {
                .job = { .request = &request,
                         .vm = &vm,
                         .repository = repository,
                         .host = &host.base,
                         .host_entry = &entry,
                         .home = home,
                         .uuid = c->uuid ? (char *)(uintptr_t)c->uuid : uuid,
                         .tag = tag,
                         .report = &report,
                         .running = !c->off,
                         .method = c->shutdown ? VM_METHOD_SHUTDOWN : VM_METHOD_QUIESCE,
                         .disks = &disk,
                         .n_disks = 1,
                         .metadata = metadata_new() },
        };
        report_init(&report, "vm-1", backup.job.metadata);
        report.daemon_gone = true;
        cr_assert_eq(chain_choose(&backup, &error), 0, "%s: %s", c->name, error_message(error));
        judge_choice(c, &backup);
        free(backup.parent);
        free(backup.since);
        vm_disk_done(&disk);
        report_done(&report);
        metadata_free(backup.job.metadata);
        scripted_host_done(&host);
}

Test(chain, full_or_increment, .fini = share_unmount)
{
        struct repository *repository = share_repository(64);
        struct metadata *point = sample_metadata(POINT);
        publish_metadata(repository, point);
        _cleanup_free_ char *checkpoint = names_tag(repository_short_uuid(repository), point->job);
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                judge_chain(&cases[i], repository, checkpoint, point->started);
        metadata_free(point);
        repository_free(repository);
}
