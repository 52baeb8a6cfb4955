/* An opened share: init, open, and its names. The object holds a descriptor of the root, so that
 * all later calls use the share that was probed, and not the empty folder of a mount point that was
 * unmounted meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/marker.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"

enum { OPEN_TIMEOUT_MS = 15000, POINT_NAME_LENGTH = 17 };

int repository_init(const char *path, enum repository_fstype fstype, char **ret_uuid,
                    struct error **err)
{
        _cleanup_repository_status_ struct repository_status status = { 0 };
        if (probe_share(path, fstype, PROBE_INIT, OPEN_TIMEOUT_MS, &status, err) < 0)
                return -1;
        if (status.uuid)
                return error_set(err, ERROR_REFUSED,
                                 "%s is an orch repository already (UUID %s); nothing was changed",
                                 status.path, status.uuid);
        _cleanup_close_ int root_fd = fs_open_dir_at(AT_FDCWD, status.path, err);
        if (root_fd < 0)
                return -1;
        char *uuid = marker_create(root_fd, status.path, clock_realtime_s(), err);
        if (!uuid)
                return -1;
        *ret_uuid = uuid;
        return 0;
}

struct repository *repository_open(const char *path, enum repository_fstype fstype,
                                   struct error **err)
{
        _cleanup_repository_status_ struct repository_status status = { 0 };
        /* The probe does not test writing: a full share must open for pruning, and a read-only one
         * for restores. */
        if (probe_share(path, fstype, PROBE_READ, OPEN_TIMEOUT_MS, &status, err) < 0)
                return NULL;
        _cleanup_(repository_freep) struct repository *repository = xcalloc(1, sizeof *repository);
        repository->lock_fd = -1;
        repository->root_fd = fs_open_dir_at(AT_FDCWD, status.path, err);
        if (repository->root_fd < 0)
                return NULL;
        repository->path = TAKE_PTR(status.path);
        repository->uuid = marker_read(repository->root_fd, repository->path, err);
        if (!repository->uuid)
                return NULL;
        memcpy(repository->short_uuid, repository->uuid, sizeof repository->short_uuid - 1);
        return TAKE_PTR(repository);
}

struct repository *repository_free(struct repository *repository)
{
        if (!repository)
                return NULL;
        repository_unlock(repository);
        closep(&repository->root_fd);
        free(repository->path);
        free(repository->uuid);
        free(repository);
        return NULL;
}

int repository_server_time(const struct repository *repository, int64_t *ret, struct error **err)
{
        struct stat touched;
        if (futimens(repository->root_fd, NULL) < 0 || fstat(repository->root_fd, &touched) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot read the time of the share %s", repository->path);
        *ret = touched.st_mtim.tv_sec;
        return 0;
}

const char *repository_uuid(const struct repository *repository)
{
        return repository->uuid;
}

const char *repository_path(const struct repository *repository)
{
        return repository->path;
}

const char *repository_short_uuid(const struct repository *repository)
{
        return repository->short_uuid;
}

bool point_name_parse(const char *name, int64_t *ret_time)
{
        static const char form[] = "dddd-dd-dd-dddddd";
        if (strlen(name) != POINT_NAME_LENGTH)
                return false;
        for (size_t i = 0; i < POINT_NAME_LENGTH; i++)
                if (form[i] == 'd' ? name[i] < '0' || name[i] > '9' : name[i] != form[i])
                        return false;
        struct tm tm = { .tm_isdst = -1 };
        const char *end = strptime(name, "%Y-%m-%d-%H%M%S", &tm);
        if (!end || *end || tm.tm_sec > 59)
                return false;
        /* timegm() turns 30 February into 2 March, which reveals a day that does not exist.
         * timegm() is used because the result must not depend on a time zone that may have changed
         * since. */
        struct tm calendar = tm;
        timegm(&calendar);
        if (calendar.tm_mday != tm.tm_mday)
                return false;
        if (ret_time)
                *ret_time = mktime(&tm);
        return true;
}

int repository_split_path(const char *path, char ***ret, struct error **err)
{
        const char *first = strchr(path, '/');
        const char *second = first ? strchr(first + 1, '/') : NULL;
        _cleanup_free_ char *hypervisor = first ? xstrndup(path, (size_t)(first - path)) : NULL;
        _cleanup_free_ char *vm = second ? xstrndup(first + 1, (size_t)(second - first - 1)) : NULL;
        if (!vm || !name_is_safe(hypervisor) || !name_is_safe(vm) ||
            !point_name_parse(second + 1, NULL))
                return error_set(err, ERROR_REFUSED,
                                 "\"%s\" is not the path of a restore point "
                                 "(<hypervisor>/<vm>/<YYYY-MM-DD-HHMMSS>)",
                                 path);
        strv_add(ret, hypervisor);
        strv_add(ret, vm);
        strv_add(ret, second + 1);
        return 0;
}

int repository_open_point(struct repository *repository, const char *path, struct error **err)
{
        _cleanup_strv_ char **words = NULL;
        if (repository_split_path(path, &words, err) < 0)
                return -1;
        return share_open_beneath(repository->root_fd, path, O_RDONLY | O_DIRECTORY, err);
}
