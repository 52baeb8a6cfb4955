/* Implements share-fixture.h: a share that is a real mount, in a mount namespace of the test's
 * own. */
#include "share-fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/memory.h"

int shell(const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *command = xvasprintf(format, ap);
        va_end(ap);
        const char *const argv[] = { "sh", "-c", command, NULL };
        struct child_options options = { .timeout_ms = 60000 };
        _cleanup_child_result_ struct child_result result = { 0 };
        if (child_run(argv, &options, &result, NULL) < 0)
                return -1;
        if (result.status)
                fprintf(stderr, "%s: status %d: %s%s\n", command, result.status, result.output,
                        result.errors);
        return result.status;
}

void share_mount(unsigned size_mib)
{
        if (geteuid() != 0)
                cr_skip_test("SKIPPED: a share of its own needs root to mount a loop device");
        cr_assert_eq(clock_set_timezone("UTC", NULL), 0);
        cr_assert_eq(unshare(CLONE_NEWNS), 0, "unshare: %s", strerror(errno));
        cr_assert_eq(mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL), 0);
        cr_assert_eq(mount("tmpfs", "/mnt", "tmpfs", 0, NULL), 0);
        cr_assert_eq(shell("mkdir " SHARE " && truncate -s %uM /mnt/image && mkfs.ext4 -q -F -m 0 "
                           "/mnt/image && mount -o loop /mnt/image " SHARE,
                           size_mib),
                     0);
}

void share_unmount(void)
{
        umount2(SHARE, MNT_DETACH);
        umount2("/mnt", MNT_DETACH);
}

void share_refuse(int call, unsigned argument, unsigned value, int errnum)
{
        struct sock_filter program[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                         (unsigned)offsetof(struct seccomp_data, args) + argument * 8),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errnum),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog filter = { .len = ARRAY_LENGTH(program), .filter = program };
        cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0, "seccomp: %s",
                     strerror(errno));
}

static int frozen_fd = -1;
static int guard_pipe = -1;
static pid_t guard;

void share_freeze(void)
{
        int pair[2];
        frozen_fd = open(SHARE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cr_assert_eq(pipe2(pair, O_CLOEXEC), 0);
        guard = fork();
        if (guard == 0) {
                char byte;
                close(pair[1]);
                setsid();
                (void)!read(pair[0], &byte, 1);
                ioctl(frozen_fd, FITHAW, 0);
                _exit(0);
        }
        close(pair[0]);
        guard_pipe = pair[1];
        cr_assert_eq(ioctl(frozen_fd, FIFREEZE, 0), 0, "%s", strerror(errno));
}

void share_thaw(void)
{
        ioctl(frozen_fd, FITHAW, 0);
        closep(&frozen_fd);
        closep(&guard_pipe);
        waitpid(guard, NULL, 0);
}

struct repository *share_repository(unsigned size_mib)
{
        share_mount(size_mib);
        _cleanup_free_ char *uuid = NULL;
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(repository_init(SHARE, REPOSITORY_FSTYPE_ANY, &uuid, &error), 0, "%s",
                     error_message(error));
        struct repository *repository = repository_open(SHARE, REPOSITORY_FSTYPE_ANY, &error);
        cr_assert(repository, "%s", error_message(error));
        return repository;
}

struct metadata *sample_metadata(const char *point)
{
        struct metadata *metadata = metadata_new();
        metadata->orch_version = xstrdup("0.1.0");
        metadata->repository_uuid = xstrdup("6f1c1f0e-0d5c-4f0a-9d3e-1a2b3c4d5e6f");
        metadata->vm = xstrdup("vm-1");
        metadata->domain = xstrdup("vm-1");
        metadata->uuid = xstrdup("0b9a7d1c-1111-4222-8333-444455556666");
        metadata->hypervisor = xstrdup("host-1");
        metadata->ran_on = xstrdup("host-1");
        metadata->point = xstrdup(point);
        metadata->job = xstrdup("20260201-0001");
        metadata->trigger = xstrdup("adhoc");
        metadata->method = xstrdup("quiesce");
        metadata->method_used = xstrdup("quiesce");
        metadata->level = xstrdup("full");
        metadata->consistency = xstrdup("filesystem");
        metadata->started = 1770000000;
        metadata->finished = 1770000060;
        metadata->snapshot_at = 1770000005;
        metadata->freeze_milliseconds = 41;
        metadata->compression = xstrdup("none");
        metadata->machine = xstrdup("pc-q35-7.2");
        metadata->arch = xstrdup("x86_64");
        metadata->libvirt_version = xstrdup("9.0.0");
        metadata->qemu_version = xstrdup("7.2.22");
        metadata->status = xstrdup("ok");
        struct metadata_disk *disk = metadata_add_disk(metadata);
        disk->target = xstrdup("vda");
        disk->file = xstrdup("vm-1-vda.qcow2");
        disk->source_path = xstrdup("/var/lib/libvirt/images/vm-1.qcow2");
        disk->source_format = xstrdup("qcow2");
        disk->source_type = xstrdup("file");
        disk->bus = xstrdup("virtio");
        disk->virtual_bytes = 1024 * 1024;
        return metadata;
}

static char *hash(struct staging *staging, const char *name, uint64_t *ret_bytes)
{
        _cleanup_error_ struct error *error = NULL;
        char *sha256 = staging_hash_file(staging, name, NULL, ret_bytes, &error);
        cr_assert(sha256, "%s", error_message(error));
        return sha256;
}

static void write_and_hash(struct staging *staging, const char *name, mode_t mode, const char *text)
{
        _cleanup_error_ struct error *error = NULL;
        uint64_t bytes = 0;
        cr_assert_eq(staging_write_file(staging, name, mode, text, strlen(text), &error), 0, "%s",
                     error_message(error));
        _cleanup_free_ char *sha256 = hash(staging, name, &bytes);
        cr_assert_eq(bytes, strlen(text));
}

static struct staging *stage(struct repository *repository, const char *job,
                             struct metadata *metadata)
{
        _cleanup_error_ struct error *error = NULL;
        struct staging *staging = staging_create(repository, "host-1", "vm-1", job, &error);
        cr_assert(staging, "%s", error_message(error));
        const char *backing = metadata->disks[0].backing_file;
        cr_assert_eq(shell("umask 022; qemu-img create -q -f qcow2 %s%s %s/vm-1-vda.qcow2 1M",
                           backing ? "-F qcow2 -b " : "", backing ? backing : "",
                           staging_path(staging)),
                     0);
        metadata->disks[0].sha256 =
                hash(staging, "vm-1-vda.qcow2", &metadata->disks[0].stored_bytes);
        _cleanup_free_ char *text = metadata_format(metadata);
        write_and_hash(staging, POINT_METADATA_NAME, 0640, text);
        write_and_hash(
                staging, "vm-1.xml", 0600,
                "<domain "
                "type='kvm'><name>vm-1</name><uuid>0b9a7d1c-1111-4222-8333-444455556666</uuid>"
                "<devices><disk type='file' device='disk'><source "
                "file='/var/lib/libvirt/images/vm-1.qcow2'/>"
                "<target dev='vda' bus='virtio'/></disk></devices></domain>\n");
        write_and_hash(staging, "backup.log", 0640, "all went well\n");
        write_and_hash(staging, "configs/version.txt", 0600, "9.16(4)\n");
        return staging;
}

struct staging *stage_sample(struct repository *repository, const char *job, const char *point)
{
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata(point);
        return stage(repository, job, metadata);
}

void publish_metadata(struct repository *repository, struct metadata *metadata)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_(staging_freep) struct staging *staging =
                stage(repository, metadata->point, metadata);
        cr_assert_eq(staging_write_checksums(staging, &error), 0, "%s", error_message(error));
        cr_assert_eq(staging_publish(staging, metadata->point, &error), 0, "%s",
                     error_message(error));
}

char *publish_sample(struct repository *repository, int64_t started)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_free_ char *job = xasprintf("job-%jd", (intmax_t)started);
        _cleanup_free_ char *point = clock_format_folder(started);
        _cleanup_(staging_freep) struct staging *staging = stage_sample(repository, job, point);
        cr_assert_eq(staging_write_checksums(staging, &error), 0, "%s", error_message(error));
        cr_assert_eq(staging_publish(staging, point, &error), 0, "%s", error_message(error));
        return TAKE_PTR(point);
}
