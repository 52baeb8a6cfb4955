/* Implements repository/leases.h. The file is written in place, because the lock belongs to its
 * inode. A lease that cannot be read counts as a lease of every point. */
#include "repository/leases.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/leases-internal.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"

#define LEASE_PREFIX ".reading-"
#define HEAD_OF_PROCESS "orch lease: until its process ends"
#define HEAD_UNTIL_DROPPED "orch lease: until it is dropped"
enum { LEASE_MAX_BYTES = 256 * 1024, SECONDS_A_DAY = 24 * 3600 };

struct lease {
        char *name;
        int vm_fd;
        int fd;
};

struct lease *lease_free(struct lease *lease)
{
        if (!lease)
                return NULL;
        closep(&lease->fd);
        closep(&lease->vm_fd);
        free(lease->name);
        free(lease);
        return NULL;
}

struct lease *lease_release(struct lease *lease)
{
        if (lease && lease->fd >= 0 && unlinkat(lease->vm_fd, lease->name, 0) < 0 &&
            errno != ENOENT)
                log_debug("%s stays on the share: %s", lease->name, strerror(errno));
        return lease_free(lease);
}

static int leases_open_vm_folder(struct repository *repository, const char *hypervisor,
                                 const char *vm, struct error **err)
{
        assert(name_is_safe(hypervisor) && name_is_safe(vm));
        _cleanup_free_ char *folder = xasprintf("%s/%s", hypervisor, vm);
        return share_open_beneath(repository->root_fd, folder, O_RDONLY | O_DIRECTORY, err);
}

static int write_lease(const struct lease *lease, char *const *points, enum lease_life life,
                       struct error **err)
{
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        if (life == LEASE_OF_PROCESS && fcntl(lease->fd, F_OFD_SETLK, &lock) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot lock %s on the share",
                                       lease->name);
        _cleanup_free_ char *names = strv_join(points, "\n");
        _cleanup_free_ char *text = xasprintf(
                "%s\n%s\n", life == LEASE_OF_PROCESS ? HEAD_OF_PROCESS : HEAD_UNTIL_DROPPED, names);
        if (fs_write_all(lease->fd, text, strlen(text), err) < 0)
                return -1;
        if (fsync(lease->fd) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot write %s on the share",
                                       lease->name);
        return fs_sync_dir(lease->vm_fd, lease->name, err);
}

static int see_points(const struct lease *lease, char *const *points, struct error **err)
{
        for (size_t i = 0; points[i]; i++) {
                assert(name_is_safe(points[i]));
                struct stat st;
                if (fstatat(lease->vm_fd, points[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    !S_ISDIR(st.st_mode))
                        return error_set(err, ERROR_REFUSED,
                                         "the point %s does not exist on the share", points[i]);
        }
        return 0;
}

struct lease *lease_take(struct repository *repository, const char *hypervisor, const char *vm,
                         char *const *points, const char *job, enum lease_life life,
                         struct error **err)
{
        assert(name_is_safe(job));
        struct lease *lease = xcalloc(1, sizeof *lease);
        *lease = (struct lease){ .name = xasprintf(LEASE_PREFIX "%s", job), .vm_fd = -1, .fd = -1 };
        lease->vm_fd = leases_open_vm_folder(repository, hypervisor, vm, err);
        if (lease->vm_fd < 0) {
                lease_free(lease);
                return NULL;
        }
        lease->fd = openat(lease->vm_fd, lease->name,
                           O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
        if (lease->fd < 0)
                error_set_errno(err, ERROR_INTERNAL, errno, "cannot make %s/%s/%s", hypervisor, vm,
                                lease->name);
        else if (write_lease(lease, points, life, err) == 0 && see_points(lease, points, err) == 0)
                return lease;
        lease_release(lease);
        return NULL;
}

bool lease_cannot_be_written(const struct error *error)
{
        static const int causes[] = { EROFS, EACCES, EPERM, ENOSPC, EDQUOT };
        for (size_t i = 0; i < ARRAY_LENGTH(causes); i++)
                if (error->errnum == causes[i])
                        return true;
        return false;
}

int lease_renew(struct lease *lease, struct error **err)
{
        return futimens(lease->fd, NULL) == 0
                       ? 0
                       : error_set_errno(err, ERROR_INTERNAL, errno, "cannot renew %s on the share",
                                         lease->name);
}

struct found_lease {
        bool locked;
        bool of_process;
        bool unreadable;
        int64_t renewed;
        char *text;
};

/* Whether the lease's process is still running. A share that does not answer is no proof that it
 * ended. A name that is not a regular file was never locked. */
static bool is_locked(int fd, int open_errno)
{
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        if (fd < 0)
                return open_errno != ELOOP && open_errno != EISDIR;
        return fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

/* Returns false when the file was removed meanwhile. */
static bool lease_read(int vm_fd, const char *name, struct found_lease *ret)
{
        _cleanup_close_ int fd = openat(vm_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        int open_errno = errno;
        struct stat st = { 0 };
        bool seen = fstatat(vm_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
        if ((fd < 0 && open_errno == ENOENT) || (!seen && errno == ENOENT))
                return false;
        ret->locked = !seen || is_locked(fd, open_errno);
        ret->renewed = st.st_mtim.tv_sec;
        ret->text = share_read_file(vm_fd, name, LEASE_MAX_BYTES, NULL, NULL);
        ret->of_process = str_starts_with(ret->text ? ret->text : "", HEAD_OF_PROCESS "\n");
        ret->unreadable = !ret->of_process &&
                          !str_starts_with(ret->text ? ret->text : "", HEAD_UNTIL_DROPPED "\n");
        return true;
}

static bool is_old(const struct found_lease *found, int64_t now)
{
        return !found->locked && now - found->renewed > (int64_t)LEASE_DAYS * SECONDS_A_DAY;
}

static bool names_point(const struct found_lease *found, const char *point)
{
        _cleanup_free_ char *line = xasprintf("\n%s\n", point);
        return found->unreadable || strstr(found->text, line);
}

int leases_find_reader(int vm_fd, const char *folder, const char *point, int64_t now,
                       char **ret_job, struct error **err)
{
        _cleanup_strv_ char **names = NULL;
        if (share_list(vm_fd, folder, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++) {
                struct found_lease found = { 0 };
                if (!str_starts_with(names[i], LEASE_PREFIX) ||
                    !lease_read(vm_fd, names[i], &found))
                        continue;
                bool reads = !is_old(&found, now) && names_point(&found, point);
                free(found.text);
                if (!reads)
                        continue;
                *ret_job = str_one_line(names[i] + strlen(LEASE_PREFIX), 60);
                return 1;
        }
        return 0;
}

int leases_drop(struct repository *repository, const char *hypervisor, const char *vm,
                const char *job, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_close_ int vm_fd = leases_open_vm_folder(repository, hypervisor, vm, &error);
        if (vm_fd < 0)
                return error->errnum == ENOENT ? 0 : error_propagate(err, TAKE_PTR(error));
        _cleanup_free_ char *name = xasprintf(LEASE_PREFIX "%s", job);
        if (unlinkat(vm_fd, name, 0) < 0 && errno != ENOENT)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot remove %s/%s/%s",
                                       hypervisor, vm, name);
        return 0;
}

int leases_renew(struct repository *repository, const char *hypervisor, const char *vm,
                 const char *job, struct error **err)
{
        _cleanup_close_ int vm_fd = leases_open_vm_folder(repository, hypervisor, vm, err);
        if (vm_fd < 0)
                return -1;
        _cleanup_free_ char *name = xasprintf(LEASE_PREFIX "%s", job);
        if (utimensat(vm_fd, name, NULL, AT_SYMLINK_NOFOLLOW) == 0)
                return 0;
        return errno == ENOENT ? error_set(err, ERROR_REFUSED,
                                           "%s/%s/%s no longer exists: its points are not "
                                           "protected from pruning",
                                           hypervisor, vm, name)
                               : error_set_errno(err, ERROR_INTERNAL, errno,
                                                 "cannot renew %s/%s/%s", hypervisor, vm, name);
}

static int sweep_one(int vm_fd, const char *name, int64_t now, bool dry_run, size_t *removed,
                     struct error **err)
{
        struct found_lease found = { 0 };
        if (!lease_read(vm_fd, name, &found))
                return 0;
        bool stale = is_old(&found, now) || (found.of_process && !found.locked);
        free(found.text);
        if (!stale)
                return 0;
        if (!dry_run && unlinkat(vm_fd, name, 0) < 0 && errno != ENOENT)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot remove %s", name);
        (*removed)++;
        return 0;
}

int leases_sweep(struct repository *repository, const char *hypervisor, const char *vm, int64_t now,
                 bool dry_run, size_t *ret_removed, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_close_ int vm_fd = leases_open_vm_folder(repository, hypervisor, vm, &error);
        *ret_removed = 0;
        if (vm_fd < 0)
                return error->errnum == ENOENT ? 0 : error_propagate(err, TAKE_PTR(error));
        _cleanup_strv_ char **names = NULL;
        if (share_list(vm_fd, vm, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++)
                if (str_starts_with(names[i], LEASE_PREFIX) &&
                    sweep_one(vm_fd, names[i], now, dry_run, ret_removed, err) < 0)
                        return error_prefix(err, "%s/%s", hypervisor, vm);
        return 0;
}
