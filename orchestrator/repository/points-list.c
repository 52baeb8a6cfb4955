/* points_list_vms(): the VMs that have points, by the names of folders alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "repository/points.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"

static int has_points(int hypervisor_fd, const char *vm, bool *ret, struct error **err)
{
        _cleanup_close_ int fd =
                openat(hypervisor_fd, vm, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
                return 0;
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot open the folder of %s on the share", vm);
        _cleanup_strv_ char **names = NULL;
        if (share_list(fd, vm, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i] && !*ret; i++)
                *ret = point_name_parse(names[i], NULL);
        return 0;
}

static int list_hypervisor(struct repository *repository, const char *hypervisor, char ***vms,
                           struct error **err)
{
        _cleanup_close_ int fd = openat(repository->root_fd, hypervisor,
                                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
                return 0;
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open %s on the share",
                                       hypervisor);
        _cleanup_strv_ char **names = NULL;
        if (share_list(fd, hypervisor, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++) {
                bool any = false;
                if (!name_is_safe(names[i]) || strv_contains(*vms, names[i]))
                        continue;
                if (has_points(fd, names[i], &any, err) < 0)
                        return -1;
                if (any)
                        strv_add(vms, names[i]);
        }
        return 0;
}

static int point_compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int points_list_vms(struct repository *repository, char ***ret, struct error **err)
{
        _cleanup_strv_ char **hypervisors = NULL;
        _cleanup_strv_ char **vms = NULL;
        if (share_list(repository->root_fd, repository->path, &hypervisors, err) < 0)
                return -1;
        for (size_t i = 0; hypervisors && hypervisors[i]; i++)
                if (name_is_safe(hypervisors[i]) && !streq(hypervisors[i], "metadata") &&
                    list_hypervisor(repository, hypervisors[i], &vms, err) < 0)
                        return error_prefix(err, "%s", repository->path);
        if (vms)
                qsort(vms, strv_length(vms), sizeof *vms, point_compare_names);
        *ret = TAKE_PTR(vms);
        return 0;
}
