/* points_remove(): one rename hides the point, then it is deleted, so that a crash in between
 * leaves nothing that looks like a point. Leases are read after the rename (repository/leases.h): a
 * reader that took its lease before it gets its point renamed back; a later reader does not find
 * the point. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/leases-internal.h"
#include "repository/points.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"

#define REMOVING_PREFIX ".removing-"

static int removed_sweep(int vm_fd, const char *folder, struct error **err)
{
        _cleanup_strv_ char **names = NULL;
        if (share_list(vm_fd, folder, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++)
                if (str_starts_with(names[i], REMOVING_PREFIX) &&
                    fs_remove_tree_at(vm_fd, names[i], err) < 0)
                        return error_prefix(err, "%s", folder);
        return 0;
}

static int refuse_while_read(int vm_fd, const char *folder, const char *name, struct error **err)
{
        _cleanup_free_ char *job = NULL;
        int found = leases_find_reader(vm_fd, folder, name, clock_realtime_s(), &job, err);
        if (found > 0)
                return error_set(err, ERROR_BUSY, "%s/%s is being read by job %s and stays", folder,
                                 name, job);
        return found;
}

/* Renames the point back when a reader has taken a lease of it. */
static int give_way_to_reader(int vm_fd, const char *folder, const char *name, const char *aside,
                              struct error **err)
{
        if (refuse_while_read(vm_fd, folder, name, err) == 0)
                return 0;
        if (share_rename_new(vm_fd, aside, name) < 0)
                log_error("cannot rename %s/%s back to %s: %s", folder, aside, name,
                          strerror(errno));
        return -1;
}

int points_remove(struct repository *repository, const char *hypervisor, const char *vm,
                  const char *name, struct error **err)
{
        assert(name_is_safe(hypervisor) && name_is_safe(vm));
        if (!point_name_parse(name, NULL))
                return error_set(err, ERROR_REFUSED,
                                 "\"%s\" is not the name of a restore point and is not removed",
                                 name);
        _cleanup_free_ char *folder = xasprintf("%s/%s", hypervisor, vm);
        _cleanup_error_ struct error *error = NULL;
        _cleanup_close_ int vm_fd =
                share_open_beneath(repository->root_fd, folder, O_RDONLY | O_DIRECTORY, &error);
        if (vm_fd < 0 && error->errnum == ENOENT)
                return 0;
        if (vm_fd < 0)
                return error_propagate(err, TAKE_PTR(error));
        /* This comes first, because an earlier attempt may have left a folder of this name. */
        if (removed_sweep(vm_fd, folder, err) < 0 ||
            refuse_while_read(vm_fd, folder, name, err) < 0)
                return -1;
        _cleanup_free_ char *aside = xasprintf(REMOVING_PREFIX "%s", name);
        if (share_rename_new(vm_fd, name, aside) < 0)
                return errno == ENOENT
                               ? 0
                               : error_set_errno(err, ERROR_INTERNAL, errno,
                                                 "cannot rename %s/%s to %s", folder, name, aside);
        if (give_way_to_reader(vm_fd, folder, name, aside, err) < 0 ||
            fs_sync_dir(vm_fd, folder, err) < 0)
                return -1;
        return removed_sweep(vm_fd, folder, err);
}
