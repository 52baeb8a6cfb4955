/* Implements most of repository/staging.h; publishing is in publish.c. All paths are relative to a
 * descriptor of the folder. */
#include "repository/staging.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/hash.h"
#include "repository/image-check.h"
#include "repository/share-files.h"
#include "repository/staging-internal.h"

enum { POINT_NAME_TRIES = 3600 };

static void staging_set_folder(struct staging *staging, const char *folder)
{
        free(staging->relative_path);
        free(staging->path);
        staging->relative_path = xasprintf("%s/%s/%s", staging->hypervisor, staging->vm, folder);
        staging->path = path_join(staging->repository->path, staging->relative_path);
}

void staging_became_point(struct staging *staging, const char *point)
{
        staging->published = true;
        staging_set_folder(staging, point);
}

static int staging_make_folder(int dir_fd, const char *name, struct error **err)
{
        if (fs_make_dir_at(dir_fd, name, 0755, err) < 0)
                return -1;
        return fs_open_dir_at(dir_fd, name, err);
}

/* A server that reports an error may have created the folder nevertheless. */
static void give_up_new_folder(const struct staging *staging)
{
        (void)unlinkat(staging->vm_fd, staging->folder, AT_REMOVEDIR);
}

struct staging *staging_create(struct repository *repository, const char *hypervisor,
                               const char *vm, const char *job, struct error **err)
{
        assert(name_is_safe(hypervisor) && name_is_safe(vm) && name_is_safe(job));
        _cleanup_(staging_freep) struct staging *staging = xcalloc(1, sizeof *staging);
        *staging = (struct staging){
                .repository = repository, .hypervisor_fd = -1, .vm_fd = -1, .dir_fd = -1
        };
        staging->hypervisor = xstrdup(hypervisor);
        staging->vm = xstrdup(vm);
        staging->folder = xasprintf(STAGING_PREFIX "%s", job);
        staging_set_folder(staging, staging->folder);
        staging->hypervisor_fd = staging_make_folder(repository->root_fd, hypervisor, err);
        if (staging->hypervisor_fd >= 0)
                staging->vm_fd = staging_make_folder(staging->hypervisor_fd, vm, err);
        if (staging->vm_fd < 0) {
                error_prefix(err, "%s", staging->path);
                return NULL;
        }
        if (mkdirat(staging->vm_fd, staging->folder, 0700) < 0) {
                bool is_older = errno == EEXIST;
                if (is_older)
                        error_set(err, ERROR_REFUSED,
                                  "%s already exists: an earlier attempt of this job left it; "
                                  "`orch recover %s` removes it",
                                  staging->path, vm);
                else
                        error_set_errno(err, ERROR_INTERNAL, errno, "cannot make the folder %s",
                                        staging->path);
                if (!is_older)
                        give_up_new_folder(staging);
                return NULL;
        }
        staging->dir_fd = fs_open_dir_at(staging->vm_fd, staging->folder, err);
        if (staging->dir_fd < 0)
                give_up_new_folder(staging);
        return staging->dir_fd < 0 ? NULL : TAKE_PTR(staging);
}

struct staging *staging_free(struct staging *staging)
{
        if (!staging)
                return NULL;
        closep(&staging->dir_fd);
        closep(&staging->vm_fd);
        closep(&staging->hypervisor_fd);
        checksums_done(&staging->checksums);
        strv_free(staging->own_files);
        free(staging->hypervisor);
        free(staging->vm);
        free(staging->folder);
        free(staging->path);
        free(staging->relative_path);
        free(staging);
        return NULL;
}

int staging_remove(struct staging *staging, struct error **err)
{
        if (staging->published)
                return error_set(err, ERROR_REFUSED,
                                 "%s was published as a restore point and is not removed as a "
                                 "staging folder",
                                 staging->path);
        if (fs_remove_tree_at(staging->vm_fd, staging->folder, err) < 0)
                return error_prefix(err, "%s/%s/%s", staging->repository->path, staging->hypervisor,
                                    staging->vm);
        return 0;
}

const char *staging_path(const struct staging *staging)
{
        return staging->path;
}

const char *staging_relative_path(const struct staging *staging)
{
        return staging->relative_path;
}

void staging_set_cancelled(struct staging *staging, bool (*cancelled)(void *data), void *data)
{
        staging->cancelled = cancelled;
        staging->cancelled_data = data;
}

/* Returns the descriptor of the folder that contains `name`: the staging folder's, or *folder_fd
 * for a subfolder, which is created when it is missing. */
static int open_folder_of(struct staging *staging, const char *name, int *folder_fd,
                          struct error **err)
{
        const char *slash = strchr(name, '/');
        if (!slash)
                return staging->dir_fd;
        _cleanup_free_ char *folder = xstrndup(name, (size_t)(slash - name));
        if (!file_name_is_safe(folder) || slash + 1 != path_base(name))
                return error_set(err, ERROR_REFUSED,
                                 "\"%s\" is not a safe name for a file of a restore point", name);
        if (fs_make_dir_at(staging->dir_fd, folder, 0700, err) < 0)
                return -1;
        *folder_fd = fs_open_dir_at(staging->dir_fd, folder, err);
        return *folder_fd;
}

int staging_write_file(struct staging *staging, const char *name, mode_t mode, const void *data,
                       size_t length, struct error **err)
{
        if (!file_name_is_safe(path_base(name)))
                return error_set(err, ERROR_REFUSED,
                                 "\"%s\" is not a safe name for a file of a restore point", name);
        _cleanup_close_ int folder_fd = -1;
        int dir_fd = open_folder_of(staging, name, &folder_fd, err);
        if (dir_fd < 0 || fs_write_file_at(dir_fd, path_base(name), mode, data, length, err) < 0)
                return error_prefix(err, "%s", staging->path);
        if (!strv_contains(staging->own_files, name))
                strv_add(&staging->own_files, name);
        return 0;
}

static int corrupt_if_missing(const char *path, struct error *error, struct error **err)
{
        if (error->errnum != ENOENT)
                return error_propagate(err, error);
        error_free(error);
        return error_set(err, ERROR_CORRUPT, "%s is missing", path);
}

static char *hash_opened(struct staging *staging, int fd, const char *name, const char *path,
                         const struct staging_progress *progress, uint64_t *ret_bytes,
                         struct stat *ret_stat, struct error **err)
{
        /* A server may report only now that it could not store the data. */
        if (fsync(fd) < 0) {
                error_set_errno(err, ERROR_INTERNAL, errno, "cannot fsync %s", path);
                return NULL;
        }
        /* Data that this process wrote is read from the storage again, not from the page cache. */
        if (strv_contains(staging->own_files, name))
                (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        struct stat before;
        if (fstat(fd, &before) < 0) {
                error_set_errno(err, ERROR_INTERNAL, errno, "cannot stat %s", path);
                return NULL;
        }
        if (before.st_size == 0) {
                error_set(err, ERROR_CORRUPT, "%s is empty", path);
                return NULL;
        }
        _cleanup_free_ char *sha256 =
                hash_file(fd, path, (uint64_t)before.st_size, progress, ret_bytes, err);
        if (!sha256)
                return NULL;
        if (fstat(fd, ret_stat) < 0) {
                error_set_errno(err, ERROR_INTERNAL, errno, "cannot stat %s", path);
                return NULL;
        }
        if (!stat_is_same_content(&before, ret_stat) || *ret_bytes != (uint64_t)before.st_size) {
                error_set(err, ERROR_CORRUPT, "%s was changed while it was verified", path);
                return NULL;
        }
        return TAKE_PTR(sha256);
}

char *staging_hash_file(struct staging *staging, const char *name,
                        const struct staging_progress *progress, uint64_t *ret_bytes,
                        struct error **err)
{
        _cleanup_free_ char *path = path_join(staging->path, name);
        _cleanup_error_ struct error *error = NULL;
        _cleanup_close_ int fd = share_open_file(staging->dir_fd, name, NULL, &error);
        if (fd < 0) {
                corrupt_if_missing(path, TAKE_PTR(error), err);
                return NULL;
        }
        struct stat st;
        uint64_t bytes = 0;
        _cleanup_free_ char *sha256 =
                hash_opened(staging, fd, name, path, progress, &bytes, &st, err);
        if (!sha256)
                return NULL;
        checksums_set(&staging->checksums, name, sha256, &st);
        *ret_bytes = bytes;
        return TAKE_PTR(sha256);
}

int staging_check_image(struct staging *staging, const char *name, uint64_t virtual_bytes,
                        const char *backing_file, struct error **err)
{
        _cleanup_free_ char *path = path_join(staging->path, name);
        _cleanup_error_ struct error *error = NULL;
        _cleanup_close_ int fd = share_open_file(staging->dir_fd, name, NULL, &error);
        if (fd < 0)
                return corrupt_if_missing(path, TAKE_PTR(error), err);
        struct image_expectation expected = { .virtual_bytes = virtual_bytes,
                                              .backing_file = backing_file };
        return image_check(path, &expected, staging->cancelled, staging->cancelled_data, err);
}

int staging_write_checksums(struct staging *staging, struct error **err)
{
        _cleanup_free_ char *text = checksums_format(&staging->checksums);
        return staging_write_file(staging, CHECKSUMS_NAME, 0640, text, strlen(text), err);
}

char *staging_choose_point_name(struct staging *staging, int64_t started, struct error **err)
{
        for (int64_t second = started; second < started + POINT_NAME_TRIES; second++) {
                _cleanup_free_ char *name = clock_format_folder(second);
                struct stat st;
                if (fstatat(staging->vm_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                        continue;
                if (errno == ENOENT)
                        return TAKE_PTR(name);
                error_set_errno(err, ERROR_INTERNAL, errno,
                                "cannot check whether %s exists beside %s", name, staging->path);
                return NULL;
        }
        error_set(err, ERROR_REFUSED, "no free name for the restore point beside %s",
                  staging->path);
        return NULL;
}
