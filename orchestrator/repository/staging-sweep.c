/* Implements repository/staging-sweep.h and the hashing of a whole folder inside a staging
 * folder. */
#include "repository/staging-sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"
#include "repository/staging-internal.h"

static int sweep_open_vm_folder(struct repository *repository, const char *hypervisor,
                                const char *vm, struct error **err)
{
        _cleanup_free_ char *path = xasprintf("%s/%s", hypervisor, vm);
        return share_open_beneath(repository->root_fd, path, O_RDONLY | O_DIRECTORY, err);
}

/* Lists the names in that VM's folder; *ret_fd is -1 when the folder does not exist. */
static int list_vm_folder(struct repository *repository, const char *hypervisor, const char *vm,
                          int *ret_fd, char ***ret_names, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_close_ int fd = sweep_open_vm_folder(repository, hypervisor, vm, &error);
        if (fd < 0 && error->errnum != ENOENT)
                return error_propagate(err, TAKE_PTR(error));
        if (fd >= 0 && share_list(fd, vm, ret_names, err) < 0)
                return -1;
        *ret_fd = fd;
        fd = -1;
        return 0;
}

int staging_list(struct repository *repository, const char *hypervisor, const char *vm,
                 char ***ret_jobs, struct error **err)
{
        _cleanup_close_ int fd = -1;
        _cleanup_strv_ char **names = NULL;
        if (list_vm_folder(repository, hypervisor, vm, &fd, &names, err) < 0)
                return -1;
        char **jobs = NULL;
        for (size_t i = 0; names && names[i]; i++)
                if (str_starts_with(names[i], STAGING_PREFIX))
                        strv_add(&jobs, names[i] + strlen(STAGING_PREFIX));
        *ret_jobs = jobs;
        return 0;
}

int staging_sweep(struct repository *repository, const char *hypervisor, const char *vm,
                  size_t *ret_removed, struct error **err)
{
        size_t removed = 0;
        _cleanup_close_ int fd = -1;
        _cleanup_strv_ char **names = NULL;
        if (list_vm_folder(repository, hypervisor, vm, &fd, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++) {
                if (!str_starts_with(names[i], STAGING_PREFIX) &&
                    !str_starts_with(names[i], ".removing-"))
                        continue;
                if (fs_remove_tree_at(fd, names[i], err) < 0)
                        return error_prefix(err, "%s/%s", hypervisor, vm);
                removed++;
        }
        *ret_removed = removed;
        return 0;
}

int staging_hash_folder(struct staging *staging, const char *folder, struct error **err)
{
        _cleanup_close_ int fd =
                share_open_beneath(staging->dir_fd, folder, O_RDONLY | O_DIRECTORY, err);
        if (fd < 0)
                return -1;
        _cleanup_strv_ char **names = NULL;
        if (share_list(fd, folder, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++) {
                /* swtpm's lock file: it is empty and has no use in a copy. */
                if (streq(names[i], ".lock")) {
                        if (unlinkat(fd, names[i], 0) < 0)
                                return error_set_errno(err, ERROR_INTERNAL, errno,
                                                       "cannot remove %s/.lock", folder);
                        continue;
                }
                _cleanup_free_ char *path = path_join(folder, names[i]);
                struct stat st;
                if (fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot stat %s", path);
                if (S_ISDIR(st.st_mode)) {
                        if (staging_hash_folder(staging, path, err) < 0)
                                return -1;
                        continue;
                }
                uint64_t bytes = 0;
                _cleanup_free_ char *sha256 = staging_hash_file(staging, path, NULL, &bytes, err);
                if (!sha256)
                        return -1;
        }
        return 0;
}
