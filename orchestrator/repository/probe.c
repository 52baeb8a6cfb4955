/* repository_probe(): it reads mountinfo first, which never contacts the server; then it runs
 * everything that does in a child process with a deadline.
 *
 * The child reports through shared memory, stage by stage, so that after a timeout the message can
 * name the stage that hung. It holds none of our descriptors: a child that hangs in the kernel must
 * not keep the repository's lock. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/marker.h"
#include "repository/mount.h"
#include "repository/repository-internal.h"

#define PROBE_PREFIX ".orch-probe-"

enum { MOUNTINFO_MAX_BYTES = 16 * 1024 * 1024, STALE_PROBE_FILE_SECONDS = 3600 };

enum stage { STAGE_OPEN, STAGE_STATFS, STAGE_MARKER, STAGE_WRITE, STAGE_DONE };

static const char *const stage_words[] = {
        [STAGE_OPEN] = "opening its folder",   [STAGE_STATFS] = "asking for its free space",
        [STAGE_MARKER] = "reading its marker", [STAGE_WRITE] = "the write test",
        [STAGE_DONE] = "finishing the probe",
};

struct report {
        enum stage stage;
        int errnum; /* of the stage that failed; 0: none */
        uint64_t free_bytes;
        uint64_t total_bytes;
        bool has_marker;
        size_t marker_length;
        char marker[MARKER_MAX_BYTES];
};

struct probe {
        const char *path;
        enum probe_aim aim;
        struct report *report; /* shared with the child */
};

static void remove_when_stale(int root_fd, const char *name)
{
        struct stat st;
        if (str_starts_with(name, PROBE_PREFIX) &&
            fstatat(root_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            clock_realtime_s() - st.st_mtime > STALE_PROBE_FILE_SECONDS)
                unlinkat(root_fd, name, 0);
}

/* Removes test files of probes that were killed. It does not use opendir(), which allocates memory.
 */
static void remove_stale_probe_files(int root_fd)
{
        alignas(struct dirent64) char buffer[8192];
        _cleanup_close_ int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (ssize_t n; fd >= 0 && (n = getdents64(fd, buffer, sizeof buffer)) > 0;)
                for (ssize_t at = 0; at < n;) {
                        const struct dirent64 *entry = (const void *)&buffer[at];
                        remove_when_stale(root_fd, entry->d_name);
                        at += entry->d_reclen;
                }
}

static int write_and_read_back(int fd)
{
        static const char text[] = "orch was here\n";
        char back[sizeof text];
        ssize_t n = write(fd, text, sizeof text);
        if (n != (ssize_t)sizeof text)
                return n < 0 ? errno : ENOSPC;
        if (fsync(fd) < 0)
                return errno;
        n = pread(fd, back, sizeof back, 0);
        if (n < 0)
                return errno;
        return n == (ssize_t)sizeof text && memcmp(text, back, sizeof text) == 0 ? 0 : EIO;
}

static int write_test(int root_fd)
{
        uint32_t random = 0;
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
                return errno;
        /* A pid alone is not unique among the containers that may share the repository. */
        char name[48];
        snprintf(name, sizeof name, PROBE_PREFIX "%ld-%08x", (long)getpid(), random);
        int fd = openat(root_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return errno;
        int errnum = write_and_read_back(fd);
        if (close(fd) < 0 && errnum == 0)
                errnum = errno;
        if (unlinkat(root_fd, name, 0) < 0 && errnum == 0)
                errnum = errno;
        remove_stale_probe_files(root_fd);
        return errnum;
}

static int read_marker(int root_fd, struct report *report)
{
        _cleanup_close_ int fd =
                openat(root_fd, MARKER_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : errno;
        ssize_t n = read(fd, report->marker, sizeof report->marker);
        if (n < 0)
                return errno;
        report->marker_length = (size_t)n;
        report->has_marker = true;
        return 0;
}

/* Runs in the child. Each of these calls blocks while the server does not answer. Nothing here
 * allocates memory: in a child of a process with threads, a thread that no longer exists may hold
 * the allocator's lock. */
static int touch_share(void *argument)
{
        const struct probe *probe = argument;
        struct report *report = probe->report;
        close_range(3, UINT_MAX, 0);
        report->stage = STAGE_OPEN;
        int root_fd = open(probe->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (root_fd < 0) {
                report->errnum = errno;
                return 1;
        }
        report->stage = STAGE_STATFS;
        struct statvfs fs;
        if (fstatvfs(root_fd, &fs) < 0) {
                report->errnum = errno;
                return 1;
        }
        report->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
        report->total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
        report->stage = STAGE_MARKER;
        report->errnum = read_marker(root_fd, report);
        if (report->errnum)
                return 1;
        /* Nothing is written to a share without a valid marker: it may belong to another system. */
        if (probe->aim == PROBE_READ || report->has_marker != (probe->aim == PROBE_WRITE))
                return 0;
        report->stage = STAGE_WRITE;
        report->errnum = write_test(root_fd);
        if (report->errnum)
                return 1;
        report->stage = STAGE_DONE;
        return 0;
}

static int stage_failed(const char *path, const struct report *report, struct error **err)
{
        int errnum = report->errnum;
        if (errnum == ESTALE)
                return error_set_errno(err, ERROR_REFUSED, errnum,
                                       "the share %s was replaced on its server (stale handle); "
                                       "unmount and mount it again",
                                       path);
        if (report->stage == STAGE_WRITE && errnum == EROFS)
                return error_set_errno(err, ERROR_REFUSED, errnum,
                                       "the share %s is mounted read-only", path);
        if (report->stage == STAGE_WRITE && (errnum == EACCES || errnum == EPERM))
                return error_set_errno(
                        err, ERROR_REFUSED, errnum,
                        "the share %s is not writable for uid %ld; does its export squash root? "
                        "(It must not, or it must map all users to one uid.)",
                        path, (long)geteuid());
        return error_set_errno(err, ERROR_INTERNAL, errnum, "the share %s: %s failed", path,
                               stage_words[report->stage]);
}

static int run_probe(const struct probe *probe, int64_t timeout_ms, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_child_result_ struct child_result result = { 0 };
        struct child_options options = { .timeout_ms = timeout_ms };
        const struct report *report = probe->report;
        if (child_run_function(touch_share, (void *)(uintptr_t)probe, &options, &result, &error) <
            0) {
                if (error->kind != ERROR_TIMEOUT)
                        return error_propagate(err, TAKE_PTR(error));
                return error_set(err, ERROR_TIMEOUT,
                                 "the share %s does not answer: %s took longer than %.1f s; check "
                                 "its server, and whether the mount hangs (`stat -f` on it)",
                                 probe->path, stage_words[report->stage],
                                 (double)timeout_ms / 1000.0);
        }
        if (report->errnum)
                return stage_failed(probe->path, report, err);
        if (result.status != 0)
                return error_set(err, ERROR_INTERNAL,
                                 "the probe of the share %s ended with status %d during %s",
                                 probe->path, result.status, stage_words[report->stage]);
        return 0;
}

static int judge_report(const struct probe *probe, struct repository_status *ret,
                        struct error **err)
{
        const struct report *report = probe->report;
        if (!report->has_marker && probe->aim != PROBE_INIT)
                return error_set(
                        err, ERROR_REFUSED,
                        "%s has no marker (" MARKER_NAME
                        "): it is not an orch repository; if it is the right share, run `orch "
                        "repository init` once",
                        probe->path);
        if (report->has_marker) {
                ret->uuid = marker_parse(report->marker, report->marker_length, probe->path, err);
                if (!ret->uuid)
                        return -1;
        }
        ret->free_bytes = report->free_bytes;
        ret->total_bytes = report->total_bytes;
        ret->writable = report->stage == STAGE_DONE;
        return 0;
}

static int touch_in_child(const char *path, enum probe_aim aim, int64_t timeout_ms,
                          struct repository_status *ret, struct error **err)
{
        struct report *report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (report == MAP_FAILED)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot get memory for the probe of %s", path);
        struct probe probe = { .path = path, .aim = aim, .report = report };
        int r = run_probe(&probe, timeout_ms, err);
        if (r == 0)
                r = judge_report(&probe, ret, err);
        munmap(report, sizeof *report);
        return r;
}

static int open_folder(void *argument)
{
        close_range(3, UINT_MAX, 0);
        return open(argument, O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0;
}

static int check_mounted(const char *path, enum repository_fstype fstype, char **ret_type,
                         struct error **err)
{
        _cleanup_free_ char *mountinfo =
                fs_read_file("/proc/self/mountinfo", MOUNTINFO_MAX_BYTES, NULL, err);
        return mountinfo ? mount_check(mountinfo, path, fstype, ret_type, err) : -1;
}

/* An idle automount point becomes the real mount when it is opened. */
static int check_mounted_for_real(const char *path, enum repository_fstype fstype,
                                  int64_t timeout_ms, char **ret_type, struct error **err)
{
        _cleanup_free_ char *first = NULL;
        if (check_mounted(path, fstype, &first, err) < 0)
                return -1;
        if (!streq(first, "autofs")) {
                *ret_type = TAKE_PTR(first);
                return 0;
        }
        _cleanup_child_result_ struct child_result result = { 0 };
        struct child_options options = { .timeout_ms = timeout_ms };
        _cleanup_free_ char *argument = xstrdup(path);
        if (child_run_function(open_folder, argument, &options, &result, err) < 0)
                return error_prefix(err, "the automount of %s", path);
        _cleanup_free_ char *second = NULL;
        if (check_mounted(path, fstype, &second, err) < 0)
                return -1;
        if (streq(second, "autofs"))
                return error_set(err, ERROR_REFUSED,
                                 "%s is an automount point, and opening it did not mount the share",
                                 path);
        *ret_type = TAKE_PTR(second);
        return 0;
}

int probe_share(const char *path, enum repository_fstype fstype, enum probe_aim aim,
                int64_t timeout_ms, struct repository_status *ret, struct error **err)
{
        _cleanup_repository_status_ struct repository_status status = { .path = mount_normalise(
                                                                                path) };
        if (!status.path)
                return error_set(err, ERROR_CONFIG,
                                 "the repository's path must be absolute, not \"%s\"", path);
        struct deadline deadline = deadline_in_ms(timeout_ms);
        if (check_mounted_for_real(status.path, fstype, timeout_ms, &status.mount_type, err) < 0)
                return -1;
        int left = deadline_left_ms(deadline);
        if (touch_in_child(status.path, aim, left ? left : 1, &status, err) < 0)
                return -1;
        *ret = status;
        status = (struct repository_status){ 0 };
        return 0;
}

int repository_probe(const char *path, enum repository_fstype fstype, int64_t timeout_ms,
                     struct repository_status *ret, struct error **err)
{
        return probe_share(path, fstype, PROBE_WRITE, timeout_ms, ret, err);
}

int repository_probe_read(const char *path, enum repository_fstype fstype, int64_t timeout_ms,
                          struct repository_status *ret, struct error **err)
{
        return probe_share(path, fstype, PROBE_READ, timeout_ms, ret, err);
}

void repository_status_done(struct repository_status *status)
{
        free(status->path);
        free(status->mount_type);
        free(status->uuid);
        *status = (struct repository_status){ 0 };
}
