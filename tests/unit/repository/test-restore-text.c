/* RESTORE.txt: what it says, and that following it brings the files back. */
#include "repository/restore-text.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mount.h>

#include "base/child.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "share-fixture.h"

/* The lines indented by exactly four spaces, without them. */
static char *commands_of(const char *text)
{
        _cleanup_strbuf_ struct strbuf buf = { 0 };
        _cleanup_free_ char *copy = xstrdup(text);
        char *rest = copy;
        for (const char *line; (line = strsep(&rest, "\n"));)
                if (str_starts_with(line, "    ")) {
                        cr_expect_neq(line[4], ' ', "%s", line);
                        strbuf_addf(&buf, "%s\n", line + 4);
                }
        return strbuf_take(&buf);
}

Test(restore_text, has_the_real_names_of_the_point)
{
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata("2026-02-01-220015");
        _cleanup_free_ char *text = restore_text_make(metadata, "/mnt/backup");
        _cleanup_free_ char *commands = commands_of(text);
        cr_expect_str_eq(
                commands,
                "cd /mnt/backup/host-1/vm-1/2026-02-01-220015\n"
                "sha256sum -c checksums.sha256\n"
                "virsh list --all\n"
                "mkdir -p /var/lib/libvirt/images\n"
                "[ ! -e /var/lib/libvirt/images/vm-1.qcow2 ] || mv -vT --backup=numbered "
                "/var/lib/libvirt/images/vm-1.qcow2 "
                "/var/lib/libvirt/images/vm-1.qcow2.before-restore\n"
                "qemu-img convert -p -O qcow2 vm-1-vda.qcow2 /var/lib/libvirt/images/vm-1.qcow2\n"
                "virsh define vm-1.xml\n"
                "virsh start vm-1\n"
                "virsh domstate vm-1\n");
}

Test(restore_text, quotes_what_is_odd_and_says_what_to_edit)
{
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata("2026-02-01-220015");
        xstrdup_replace(&metadata->domain, "my vm");
        xstrdup_replace(&metadata->disks[0].source_path, "/srv/we ird'q $(touch x)&.img");
        xstrdup_replace(&metadata->disks[0].source_format, "raw");
        struct metadata_disk *block = metadata_add_disk(metadata);
        block->target = xstrdup("vdb");
        block->file = xstrdup("vm-1-vdb.qcow2");
        block->source_path = xstrdup("/dev/vg0/data");
        block->source_format = xstrdup("raw");
        block->source_type = xstrdup("block");
        block->virtual_bytes = 4096;
        metadata_add_excluded(metadata, "vdc", "excluded by the inventory");
        metadata->parent = xstrdup("2026-01-31-220015");
        xstrdup_replace(&metadata->level, "incremental");
        strv_add(&metadata->networks, "default");
        _cleanup_free_ char *text = restore_text_make(metadata, "/mnt/back up");
        cr_expect(strstr(text, "vdc is NOT in this backup (excluded by the inventory)"));
        cr_expect(strstr(text, "connected to: default."));
        cr_expect(strstr(text, "disk vda: /srv/we ird'q $(touch x)&.img becomes "
                               "/var/lib/libvirt/images/vm-1-restored-vda.qcow2"));
        cr_expect(strstr(
                text,
                "disk vda: <driver ... type='raw' ...> becomes <driver ... type='qcow2' ...>"));
        cr_expect(strstr(text, "disk vdb: <disk type='block' ...> becomes <disk type='file' ...>"));
        _cleanup_free_ char *commands = commands_of(text);
        cr_expect(strstr(commands, "cd '/mnt/back up/host-1/vm-1/2026-02-01-220015'\nsha256sum -c "
                                   "checksums.sha256\n"),
                  "%s", commands);
        cr_expect(strstr(commands, "qemu-img convert -p -n -O "), "%s", commands);
        cr_expect(strstr(commands, "virsh start 'my vm'\n"), "%s", commands);
        cr_expect(strstr(commands, "2026-01-31-220015"), "%s", commands);
        /* Whatever the names are, a shell takes it. */
        const char *const argv[] = { "sh", "-n", NULL };
        struct child_options options = { .timeout_ms = 10000, .input = commands };
        _cleanup_child_result_ struct child_result result = { 0 };
        cr_assert_eq(child_run(argv, &options, &result, NULL), 0);
        cr_expect_eq(result.status, 0, "%s\n%s", result.errors, commands);
}

Test(restore_text, names_the_configuration_of_an_appliance)
{
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata("2026-02-01-220015");
        _cleanup_free_ char *without = restore_text_make(metadata, "/mnt/backup");
        cr_expect_null(strstr(without, "configs/"));
        metadata_add_config(metadata)->file = xstrdup("configs/running-config.txt");
        metadata->configs[0].stored_bytes = 2 << 20;
        metadata->configs_compared_with = xstrdup("2026-01-25-220015");
        metadata->configs_diff = xstrdup("configs/changes.diff");
        _cleanup_free_ char *text = restore_text_make(metadata, "/mnt/backup");
        _cleanup_free_ char *commands = commands_of(text);
        _cleanup_free_ char *commands_without = commands_of(without);
        cr_expect(strstr(text, "\n  configs/running-config.txt, 2.0 MiB\n"), "%s", text);
        cr_expect(strstr(text, "configs/changes.diff, what changed since 2026-01-25-220015"), "%s",
                  text);
        cr_expect_str_eq(commands, commands_without, "nothing more is to be run");
}

/* Followed literally, with a virsh that only notes what it was asked. */
Test(restore_text, brings_disks_and_nvram_back_when_followed, .fini = share_unmount)
{
        share_mount(64);
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata("2026-02-01-220015");
        xstrdup_replace(&metadata->disks[0].source_path,
                        "/mnt/images/we ird'q $(touch pwned)&.qcow2");
        struct metadata_disk *raw = metadata_add_disk(metadata);
        raw->target = xstrdup("vdb");
        raw->file = xstrdup("vm-1-vdb.qcow2");
        raw->source_path = xstrdup("/mnt/images/raw.img");
        raw->source_format = xstrdup("raw");
        raw->source_type = xstrdup("file");
        raw->virtual_bytes = 1024 * 1024;
        metadata->nvram_file = xstrdup("vm-1-nvram.fd");
        metadata->nvram_path = xstrdup("/mnt/nvram/vm_VARS.fd");
        metadata->tpm_folder = xstrdup("vm-1-tpm");
        _cleanup_free_ char *text = restore_text_make(metadata, SHARE);
        _cleanup_free_ char *commands = commands_of(text);
        cr_assert_eq(fs_write_file("/mnt/commands", 0700, commands, strlen(commands), NULL), 0);
        /* in a mount namespace of our own */
        cr_assert_eq(mount("tmpfs", "/var/lib", "tmpfs", 0, NULL), 0);
        cr_assert_eq(shell("mkdir -p /mnt/nvram /var/lib/libvirt/swtpm/%s "
                           "/var/lib/libvirt/swtpm/%s.before-restore && "
                           "echo old >/mnt/nvram/vm_VARS.fd && echo stale "
                           ">/var/lib/libvirt/swtpm/%s/volatile",
                           metadata->uuid, metadata->uuid, metadata->uuid),
                     0);
        cr_assert_eq(
                shell("mkdir -p " SHARE
                      "/host-1/vm-1/2026-02-01-220015/vm-1-tpm /mnt/bin /mnt/images && cd " SHARE
                      "/host-1/vm-1/2026-02-01-220015 && "
                      "qemu-img create -q -f qcow2 vm-1-vda.qcow2 1M && qemu-img create -q -f "
                      "qcow2 vm-1-vdb.qcow2 1M && "
                      "qemu-io -f qcow2 -c 'write -P 9 0 64k' vm-1-vdb.qcow2 >/dev/null && echo "
                      "vars >vm-1-nvram.fd && "
                      "echo permall >vm-1-tpm/state && "
                      "echo \"<domain><os><nvram "
                      "template='/t'>/mnt/nvram/vm_VARS.fd</nvram></os></domain>\" >vm-1.xml && "
                      "sha256sum *.* >checksums.sha256 && echo old >/mnt/images/raw.img && "
                      "printf '#!/bin/sh\\necho \"$@\" >>/mnt/virsh.log\\n' >/mnt/bin/virsh && "
                      "chmod +x /mnt/bin/virsh && "
                      "PATH=/mnt/bin:$PATH sh -eu /mnt/commands >/dev/null"),
                0, "%s", commands);
        cr_expect_eq(shell("cd " SHARE "/host-1/vm-1/2026-02-01-220015 && qemu-img compare -q "
                           "vm-1-vda.qcow2 \"/mnt/images/we ird'q "
                           "\\$(touch pwned)&.qcow2\" && "
                           "qemu-img compare -q -f qcow2 -F raw vm-1-vdb.qcow2 /mnt/images/raw.img "
                           "&& test ! -e pwned && "
                           "test \"$(cat /mnt/images/raw.img.before-restore)\" = old && test "
                           "\"$(cat /mnt/nvram/vm_VARS.fd)\" = vars && "
                           "printf 'list --all\\ndefine vm-1.xml\\nstart vm-1\\ndomstate vm-1\\n' "
                           "| cmp - /mnt/virsh.log"),
                     0);
        cr_expect_eq(
                shell("cd /var/lib/libvirt/swtpm && test \"$(cat "
                      "/mnt/nvram/vm_VARS.fd.before-restore)\" = old && "
                      "test \"$(ls %s)\" = state && test \"$(ls %s.before-restore)\" = volatile",
                      metadata->uuid, metadata->uuid),
                0,
                "what was there is set aside, and nothing of it is mixed with what is brought "
                "back");
}
