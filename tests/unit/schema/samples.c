/* Implements samples.h. */
#include "samples.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

#define REPOSITORY_UUID "0f0e0d0c-1111-2222-3333-444455556666"
#define VM_UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SATURDAY 1769983215 /* 2026-02-01T22:00:15Z */

static void add_disk(struct metadata *metadata, const char *target, const char *source,
                     const char *format, const char *type)
{
        struct metadata_disk *disk = metadata_add_disk(metadata);
        disk->target = xstrdup(target);
        disk->file = xasprintf("prod-db-01-%s.qcow2", target);
        disk->source_path = xstrdup(source);
        disk->source_format = xstrdup(format);
        disk->source_type = xstrdup(type);
        disk->bus = xstrdup("virtio");
        disk->sha256 = xstrdup(SHA256);
        disk->virtual_bytes = UINT64_C(64) << 30;
        disk->stored_bytes = UINT64_C(3) << 30;
        disk->allocated_bytes = UINT64_C(5) << 30;
}

static void fill_identity(struct metadata *metadata)
{
        metadata->orch_version = xstrdup("0.1.0");
        metadata->repository_uuid = xstrdup(REPOSITORY_UUID);
        metadata->vm = xstrdup("prod-db-01");
        metadata->job = xstrdup("20260201-3f9a");
        metadata->trigger = xstrdup("cycle");
        metadata->method = xstrdup("quiesce");
        metadata->started = SATURDAY;
}

struct metadata *sample_metadata(void)
{
        struct metadata *metadata = metadata_new();
        fill_identity(metadata);
        metadata->domain = xstrdup("prod db (01)");
        metadata->uuid = xstrdup(VM_UUID);
        metadata->hypervisor = xstrdup("hypervisor-01");
        metadata->ran_on = xstrdup("hypervisor-02");
        metadata->point = xstrdup("2026-02-01-230015");
        metadata->status = xstrdup("ok");
        struct metadata_config *config = metadata_add_config(metadata);
        *config = (struct metadata_config){ xstrdup("configs/running-config.txt"), 2097152,
                                            CONFIG_CHANGED, 3, 1 };
        metadata->configs_compared_with = xstrdup("2026-01-25-230014");
        metadata->configs_diff = xstrdup("configs/changes.diff");
        metadata->method_used = xstrdup("snapshot");
        metadata->level = xstrdup("incremental");
        metadata->parent = xstrdup("2026-01-25-230011");
        metadata->consistency = xstrdup("crash");
        metadata->snapshot_at = SATURDAY + 4;
        metadata->finished = SATURDAY + 90;
        metadata->freeze_milliseconds = 41;
        metadata->compression = xstrdup("none");
        metadata->machine = xstrdup("pc-q35-rhel10.0.0");
        metadata->arch = xstrdup("x86_64");
        metadata->libvirt_version = xstrdup("11.5.0");
        metadata->qemu_version = xstrdup("10.0.0");
        metadata->host_kernel = xstrdup("6.12.0-55.el10");
        strv_add(&metadata->networks, "br-prod");
        strv_add(&metadata->networks, "backup");
        strv_add(&metadata->boot_order, "vda");
        strv_add(&metadata->boot_order, "52:54:00:12:34:56");
        metadata->nvram_file = xstrdup("prod-db-01-nvram.fd");
        metadata->nvram_path = xstrdup("/var/lib/libvirt/qemu/nvram/prod_VARS.fd");
        metadata->tpm_folder = xstrdup("prod-db-01-tpm");
        add_disk(metadata, "vda", "/var/lib/libvirt/images/we ird'q $(touch x)&\"ü\".qcow2",
                 "qcow2", "file");
        metadata->disks[0].backing_file = xstrdup("../2026-01-25-230011/prod-db-01-vda.qcow2");
        add_disk(metadata, "vdb", "/dev/vg/db", "raw", "block");
        metadata_add_excluded(metadata, "sda", "a CD-ROM");
        metadata_add_check(metadata, CHECK_BEFORE, "hypervisor-space", CHECK_PASS,
                           "312.4 GiB free, 50.0 GiB needed");
        metadata_add_check(metadata, CHECK_BEFORE, "guest-agent", CHECK_WARN, "absent");
        metadata_add_check(metadata, CHECK_AFTER, "domain-running", CHECK_FAIL, "paused");
        metadata_add_check(metadata, CHECK_AFTER, "agent-answers", CHECK_SKIP, "");
        strv_add(&metadata->warnings, "no guest agent: a snapshot without a freeze was taken");
        return metadata;
}

struct metadata *sample_failed_metadata(void)
{
        struct metadata *metadata = metadata_new();
        fill_identity(metadata);
        metadata->status = xstrdup("failed");
        metadata->error = xstrdup("hypervisor-01: no connection within 10 s");
        metadata->finished = SATURDAY + 10;
        return metadata;
}

struct job_request *sample_request(void)
{
        struct job_request *request = xcalloc(1, sizeof *request);
        request->job = xstrdup("20260201-3f9a");
        request->action = JOB_BACKUP;
        request->vm = xstrdup("prod-db-01");
        request->trigger = xstrdup("cycle");
        request->started = SATURDAY;
        request->settings_path = xstrdup("/etc/orch/orch.yaml");
        request->settings_text = xstrdup("repository:\n  path: /mnt/backup # \"the\" share\n");
        request->inventory_path = xstrdup("/etc/orch/vm-list.yaml");
        request->inventory_text =
                xstrdup("vms:\n  - { name: prod-db-01, hypervisor: hypervisor-01 }\n");
        request->repository_uuid = xstrdup(REPOSITORY_UUID);
        request->pinned_uuid = xstrdup(VM_UUID);
        request->pinned_hypervisor = xstrdup("hypervisor-01");
        request->dry_run = true;
        request->level = xstrdup("full");
        strv_add(&request->live_jobs, "20260201-3f9b");
        request->options = json_pack("{s:s, s:b}", "point", "latest", "start", 1);
        return request;
}

static void fill_result(struct event *event)
{
        event->status = xstrdup("ok");
        event->path = xstrdup("hypervisor-01/prod-db-01/2026-02-01-230015");
        event->duration_ms = 12345;
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata();
        _cleanup_free_ char *text = metadata_format(metadata);
        event->metadata = json_loads(text, 0, NULL);
}

static json_t *sample_state_json(void)
{
        _cleanup_point_state_ struct point_state state = sample_state();
        return point_state_to_json(&state);
}

struct event *sample_event(enum event_type type)
{
        struct event *event = event_new(type);
        event->time_ms = SATURDAY * INT64_C(1000) + 7;
        switch (type) {
        case EVENT_STEP:
                event->step = xstrdup("freeze");
                event->state = STEP_DONE;
                event->text = xstrdup("2 file systems");
                event->duration_ms = 41;
                break;
        case EVENT_PROGRESS:
                event->disk = xstrdup("vda");
                event->done_bytes = 1 << 20;
                event->total_bytes = UINT64_C(64) << 30;
                event->bytes_per_second = 1000000;
                event->remaining_seconds = 68719;
                break;
        case EVENT_CHECK:
                event->check = (struct metadata_check){ CHECK_BEFORE, xstrdup("repository-space"),
                                                        CHECK_FAIL,
                                                        xstrdup("1.2 GiB free, 5.0 GiB needed") };
                break;
        case EVENT_WARNING:
                event->text = xstrdup("no guest agent");
                event->alert = true;
                break;
        case EVENT_LOG:
                event->text = xstrdup("no guest agent");
                break;
        case EVENT_REMOVED:
                event->text = xstrdup("2025-12-07-230007");
                break;
        case EVENT_STATE:
                event->path = xstrdup("hypervisor-01/prod-db-01/2026-02-01-230015");
                event->point_state = sample_state_json();
                break;
        case EVENT_DOMAIN:
                event->domain.name = xstrdup("prod db (01)");
                event->domain.uuid = xstrdup(VM_UUID);
                event->domain.state = xstrdup("running");
                event->domain.vm = xstrdup("prod-db-01");
                break;
        case EVENT_RESULT:
                fill_result(event);
                break;
        }
        return event;
}

struct summary *sample_summary(void)
{
        struct summary *summary = summary_new();
        summary->repository_uuid = xstrdup(REPOSITORY_UUID);
        summary->started = SATURDAY;
        static const char *const states[] = { "ok", "failed", "cancelled", "skipped", "ok" };
        for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
                struct summary_vm *vm = summary_add_vm(summary);
                vm->vm = xasprintf("vm-%zu", i);
                vm->status = xstrdup(states[i]);
                if (streq(states[i], "ok")) {
                        vm->hypervisor = xstrdup("hypervisor-01");
                        vm->job = xasprintf("20260201-000%zu", i);
                        vm->point = xstrdup("2026-02-01-230015");
                        vm->stored_bytes = 1000;
                        vm->duration_seconds = 30;
                        strv_add(&vm->warnings, "no guest agent");
                } else {
                        vm->error = xstrdup("it did not work");
                        vm->error_kind = xstrdup("timeout");
                }
        }
        summary_finish(summary, SATURDAY + 3600);
        return summary;
}

static char **sample_evidence(void)
{
        char **evidence = NULL;
        strv_add(&evidence, "agent: answered after 9.1s");
        strv_add(&evidence, "screenshot: proof/screenshot.png");
        return evidence;
}

struct point_state sample_state(void)
{
        return (struct point_state){
                .held = true,
                .held_reason = xstrdup("before the upgrade"),
                .verified = SATURDAY + 100,
                .damaged = true,
                .damage = xstrdup("prod-db-01-vda.qcow2: checksum differs"),
                .proven = SATURDAY + 200,
                .proof_at = SATURDAY + 200,
                .proof = xstrdup("booted"),
                .proof_reason = xstrdup("the guest agent answers"),
                .proof_job = xstrdup("20260201-3f9b"),
                .boot_milliseconds = 9123,
                .proof_evidence = sample_evidence(),
        };
}

struct restore_journal *sample_journal(void)
{
        struct restore_journal *journal = xcalloc(1, sizeof *journal);
        *journal = (struct restore_journal){
                .job = xstrdup("20260201-3f9a"),
                .tag = xstrdup("orch-0f0e0d0c-20260201-3f9a"),
                .vm = xstrdup("prod-db-01"),
                .point = xstrdup("hypervisor-01/prod-db-01/2026-02-01-230015"),
                .hypervisor = xstrdup("hypervisor-02"),
                .uuid = xstrdup("c7a5fdbd-edaf-9455-926a-d65c16db1809"),
                .name = xstrdup("prod db (01)"),
                .phase = RESTORE_DONE,
                .original_hypervisor = xstrdup("hypervisor-01"),
                .original_uuid = xstrdup("c7a5fdbd-edaf-9455-926a-d65c16db1809"),
                .original_file = xstrdup("20260201-3f9a-original.xml"),
                .original_ran = true,
                .original_autostart = true,
                .keep_until = 1770588015,
        };
        restore_journal_add_item(journal, "/images/.vda.orch-0f0e0d0c-20260201-3f9a.restoring",
                                 "/images/we ird'q $(touch x)&\"ü\".qcow2");
        journal->items[0].inode = 4711;
        restore_journal_add_aside(
                journal, "/images/a.qcow2",
                "/images/a.qcow2.replaced-2026-02-01-orch-0f0e0d0c-20260201-3f9a");
        return journal;
}
