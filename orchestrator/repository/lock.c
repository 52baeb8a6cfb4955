/* The repository-wide lock (P5): an open-file-description write lock on `.orch-lock`, which NFSv4
 * carries to the server.
 *
 * The lock belongs to the inode, so the file is rewritten in place and never replaced while a
 * process may hold it. Only a forced break renames it; therefore a lock is valid only when the
 * locked file still has its name. The content names the holder for people, and is used only to
 * decide whether a break is refused. A holder that ended leaves its content behind; the kernel
 * releases the lock with the last descriptor. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"

#define LOCK_NAME ".orch-lock"
enum { LOCK_MAX_BYTES = 4096, LOCK_REOPEN_TRIES = 5 };

/* The holder and how to recognise it: a pid is only comparable within the same boot and pid
 * namespace. */
struct lock_record {
        struct lock_holder holder;
        char *boot;
        char *pid_namespace;
};

void lock_holder_done(struct lock_holder *holder)
{
        free(holder->host);
        *holder = (struct lock_holder){ 0 };
}

static void lock_record_done(struct lock_record *record)
{
        lock_holder_done(&record->holder);
        free(record->boot);
        free(record->pid_namespace);
        *record = (struct lock_record){ 0 };
}
#define _cleanup_lock_record_ _cleanup_(lock_record_done)

static char *own_boot_id(void)
{
        char *text = fs_read_file("/proc/sys/kernel/random/boot_id", 256, NULL, NULL);
        if (text)
                text[strcspn(text, "\n")] = '\0';
        return text;
}

static char *own_pid_namespace(void)
{
        struct stat st;
        return stat("/proc/self/ns/pid", &st) == 0 ? xasprintf("%ju", (uintmax_t)st.st_ino) : NULL;
}

static void record_of_ourselves(struct lock_record *ret)
{
        char host[256] = "";
        gethostname(host, sizeof host - 1);
        ret->holder.host = str_one_line(host, sizeof host);
        ret->holder.pid = getpid();
        ret->holder.since = clock_realtime_s();
        ret->boot = own_boot_id();
        ret->pid_namespace = own_pid_namespace();
}

static char *record_format(const struct lock_record *record)
{
        _cleanup_free_ char *since = clock_format_rfc3339(record->holder.since);
        return xasprintf("orch lock\nhost: %s\npid: %jd\nsince: %s\nboot: %s\npid-namespace: %s\n",
                         record->holder.host, (intmax_t)record->holder.pid, since,
                         record->boot ? record->boot : "",
                         record->pid_namespace ? record->pid_namespace : "");
}

static void record_parse(const char *text, struct lock_record *ret)
{
        _cleanup_free_ char *copy = xstrdup(text);
        char *rest = copy;
        for (const char *line; (line = strsep(&rest, "\n"));) {
                const char *value = strstr(line, ": ");
                if (!value || str_empty(value + 2))
                        continue;
                _cleanup_free_ char *clean = str_one_line(value + 2, 256);
                if (str_starts_with(line, "host: "))
                        xstrdup_replace(&ret->holder.host, clean);
                else if (str_starts_with(line, "pid: "))
                        ret->holder.pid = strtoll(clean, NULL, 10);
                else if (str_starts_with(line, "since: "))
                        (void)clock_parse_rfc3339(clean, &ret->holder.since);
                else if (str_starts_with(line, "boot: "))
                        xstrdup_replace(&ret->boot, clean);
                else if (str_starts_with(line, "pid-namespace: "))
                        xstrdup_replace(&ret->pid_namespace, clean);
        }
        if (ret->holder.pid < 0)
                ret->holder.pid = 0;
}

/* The file is opened anew, because NFS guarantees current content only at open. If it cannot be
 * read, the record stays empty. */
static void record_read(struct repository *repository, struct lock_record *ret)
{
        _cleanup_free_ char *text =
                share_read_file(repository->root_fd, LOCK_NAME, LOCK_MAX_BYTES, NULL, NULL);
        if (text)
                record_parse(text, ret);
}

/* Errors are ignored: the lock is valid without its record, and a full share must not keep orch
 * from starting and pruning it. After a failed write the file is truncated, so that a former
 * holder's name does not remain. */
static void record_write(int fd, const char *text)
{
        size_t length = strlen(text);
        if (pwrite(fd, text, length, 0) != (ssize_t)length)
                length = 0;
        if (ftruncate(fd, (off_t)length) == 0)
                (void)fsync(fd);
}

static int open_lock_file(struct repository *repository, struct error **err)
{
        int fd = openat(repository->root_fd, LOCK_NAME,
                        O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open %s/" LOCK_NAME,
                                       repository->path);
        return fd;
}

static bool still_has_its_name(struct repository *repository, int fd)
{
        struct stat opened;
        struct stat named;
        return fstat(fd, &opened) == 0 &&
               fstatat(repository->root_fd, LOCK_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
               opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

/* *ret_fd is the locked descriptor with LOCK_TAKEN, -1 otherwise. Returns a lock_result or -1. */
static int lock_take(struct repository *repository, int *ret_fd, struct error **err)
{
        for (int i = 0; i < LOCK_REOPEN_TRIES; i++) {
                _cleanup_close_ int fd = open_lock_file(repository, err);
                if (fd < 0)
                        return -1;
                struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
                if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
                        if (errno == EAGAIN || errno == EACCES)
                                return LOCK_HELD_ELSEWHERE;
                        return error_set_errno(err, ERROR_INTERNAL, errno,
                                               "cannot lock %s/" LOCK_NAME, repository->path);
                }
                if (still_has_its_name(repository, fd)) {
                        *ret_fd = TAKE_FD(fd);
                        return LOCK_TAKEN;
                }
        }
        return error_set(err, ERROR_BUSY,
                         "%s/" LOCK_NAME " is replaced repeatedly by another process",
                         repository->path);
}

int repository_lock(struct repository *repository, struct lock_holder *ret_holder,
                    struct error **err)
{
        if (repository->lock_fd >= 0)
                return LOCK_TAKEN;
        int result = lock_take(repository, &repository->lock_fd, err);
        if (result == LOCK_HELD_ELSEWHERE) {
                _cleanup_lock_record_ struct lock_record record = { 0 };
                record_read(repository, &record);
                *ret_holder = record.holder;
                record.holder = (struct lock_holder){ 0 };
        } else if (result == LOCK_TAKEN) {
                _cleanup_lock_record_ struct lock_record ours = { 0 };
                record_of_ourselves(&ours);
                _cleanup_free_ char *text = record_format(&ours);
                record_write(repository->lock_fd, text);
        }
        return result;
}

int repository_check_lock(struct repository *repository, struct error **err)
{
        assert(repository->lock_fd >= 0);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        if (fcntl(repository->lock_fd, F_OFD_SETLK, &lock) == 0 &&
            still_has_its_name(repository, repository->lock_fd))
                return 0;
        /* The file is not written: it may already name the new holder. */
        closep(&repository->lock_fd);
        return error_set(err, ERROR_REFUSED,
                         "the lock of %s was lost: this host was disconnected from the share's "
                         "server for too long, or the lock was broken by `orch repository unlock`",
                         repository->path);
}

void repository_unlock(struct repository *repository)
{
        if (repository->lock_fd < 0)
                return;
        record_write(repository->lock_fd, "");
        /* The lock is released explicitly, because a child may still share the descriptor. */
        struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
        (void)fcntl(repository->lock_fd, F_OFD_SETLK, &lock);
        closep(&repository->lock_fd);
}

/* A pid is only comparable within the same boot and pid namespace. */
static bool record_is_of_process(const struct lock_record *record, pid_t pid)
{
        _cleanup_lock_record_ struct lock_record ours = { 0 };
        record_of_ourselves(&ours);
        return record->holder.pid == pid && streq(record->boot, ours.boot) &&
               streq(record->pid_namespace, ours.pid_namespace);
}

int repository_check_holder(struct repository *repository, pid_t pid, struct error **err)
{
        _cleanup_close_ int fd = openat(repository->root_fd, LOCK_NAME,
                                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return 0;
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot query the holder of %s/" LOCK_NAME,
                                       repository->path);
        _cleanup_lock_record_ struct lock_record record = { 0 };
        if (lock.l_type != F_UNLCK)
                record_read(repository, &record);
        if (!record.holder.host || record_is_of_process(&record, pid))
                return 0;
        return error_set(err, ERROR_REFUSED,
                         "the repository %s is in use by another orch: process %jd on %s holds its "
                         "lock, which the daemon of this job has "
                         "lost",
                         repository->path, (intmax_t)record.holder.pid, record.holder.host);
}

enum holder_state { HOLDER_ALIVE_HERE, HOLDER_GONE_HERE, HOLDER_UNCERTAIN };

/* Decides whether a break is allowed, needs force, or is refused. The caller frees *ret_why, the
 * reason. */
static enum holder_state judge_holder(const struct lock_record *holder, char **ret_why)
{
        _cleanup_lock_record_ struct lock_record ours = { 0 };
        record_of_ourselves(&ours);
        bool same_host = streq(holder->holder.host, ours.holder.host);
        bool same_boot = holder->boot && streq(holder->boot, ours.boot);
        bool same_namespace =
                holder->pid_namespace && streq(holder->pid_namespace, ours.pid_namespace);
        _cleanup_free_ char *since = holder->holder.since
                                             ? clock_format_rfc3339(holder->holder.since)
                                             : xstrdup("an unknown time");
        _cleanup_free_ char *who =
                holder->holder.host ? xasprintf("host %s, pid %jd, since %s", holder->holder.host,
                                                (intmax_t)holder->holder.pid, since)
                                    : xstrdup("a holder that left no name");
        if (same_boot && same_namespace && holder->holder.pid > 0 &&
            (kill((pid_t)holder->holder.pid, 0) == 0 || errno == EPERM)) {
                *ret_why = xasprintf(
                        "it is held by a live process of this host (%s); stop that orch instead",
                        who);
                return HOLDER_ALIVE_HERE;
        }
        if (same_boot && same_namespace) {
                *ret_why = xasprintf(
                        "the process that took it has ended (%s), but its lock is still held, "
                        "perhaps by a child that hangs on the share; wait for it, or use --force",
                        who);
                return HOLDER_GONE_HERE;
        }
        if (same_boot)
                *ret_why = xasprintf(
                        "it is held by another container of this machine (%s), whose processes are "
                        "not visible here; make sure that no orch runs in it, then use --force",
                        who);
        else if (same_host)
                *ret_why = xasprintf("it is held by a host with this host's name (%s), which has "
                                     "restarted since or is another host; the server may keep the "
                                     "lock for a minute or two: try again then, or use --force",
                                     who);
        else
                *ret_why = xasprintf("it is held by another host (%s); make sure that no orch runs "
                                     "there, then use --force",
                                     who);
        return HOLDER_UNCERTAIN;
}

static int set_lock_file_aside(struct repository *repository, struct error **err)
{
        _cleanup_free_ char *now = clock_format_folder(clock_realtime_s());
        _cleanup_free_ char *aside = xasprintf(LOCK_NAME ".broken-%s", now);
        if (renameat(repository->root_fd, LOCK_NAME, repository->root_fd, aside) < 0 &&
            errno != ENOENT)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot rename %s/" LOCK_NAME " to %s", repository->path,
                                       aside);
        _cleanup_close_ int fd = open_lock_file(repository, err);
        if (fd < 0)
                return -1;
        return fs_sync_dir(repository->root_fd, LOCK_NAME, err);
}

int repository_break_lock(struct repository *repository, bool force, struct lock_holder *ret_holder,
                          struct error **err)
{
        if (repository->lock_fd >= 0)
                return error_set(err, ERROR_REFUSED, "the lock of %s is held by this very process",
                                 repository->path);
        _cleanup_lock_record_ struct lock_record record = { 0 };
        record_read(repository, &record);
        _cleanup_close_ int fd = -1;
        int result = lock_take(repository, &fd, err);
        if (result < 0)
                return -1;
        if (result == LOCK_TAKEN) {
                record_write(fd, "");
        } else {
                _cleanup_free_ char *why = NULL;
                enum holder_state state = judge_holder(&record, &why);
                if (state == HOLDER_ALIVE_HERE || !force)
                        return error_set(err, ERROR_REFUSED, "the lock of %s is not broken: %s",
                                         repository->path, why);
                if (set_lock_file_aside(repository, err) < 0)
                        return -1;
        }
        *ret_holder = record.holder;
        record.holder = (struct lock_holder){ 0 };
        return 0;
}
