/* metadata/failed/<job>/: the record of a job that made no point, kept for 90 days. The folders are
 * private, because commands and logs may contain sensitive text. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/points.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"

enum { KEEP_SECONDS = 90 * 24 * 3600, METADATA_MAX_BYTES = 16 * 1024 * 1024 };

static int failures_make_folder(int dir_fd, const char *name, mode_t mode, struct error **err)
{
        if (fs_make_dir_at(dir_fd, name, mode, err) < 0)
                return -1;
        return fs_open_dir_at(dir_fd, name, err);
}

static int open_failed_folder(struct repository *repository, struct error **err)
{
        _cleanup_close_ int metadata_fd =
                failures_make_folder(repository->root_fd, "metadata", 0755, err);
        if (metadata_fd < 0)
                return -1;
        _cleanup_close_ int failed_fd = failures_make_folder(metadata_fd, "failed", 0700, err);
        if (failed_fd < 0 || fs_sync_dir(metadata_fd, "failed", err) < 0)
                return -1;
        return TAKE_FD(failed_fd);
}

static int write_record(int failed_fd, const char *job, const struct metadata *metadata,
                        const char *log, struct error **err)
{
        _cleanup_close_ int fd = failures_make_folder(failed_fd, job, 0700, err);
        if (fd < 0)
                return -1;
        _cleanup_free_ char *text = metadata_format(metadata);
        if (fs_write_file_at(fd, POINT_METADATA_NAME, 0600, text, strlen(text), err) < 0)
                return -1;
        if (log && fs_write_file_at(fd, "backup.log", 0600, log, strlen(log), err) < 0)
                return -1;
        return fs_sync_dir(failed_fd, job, err);
}

/* Uses the mtime of each folder, which is set when its last file is written. */
static int failures_prune(int failed_fd, int64_t now, struct error **err)
{
        _cleanup_strv_ char **names = NULL;
        if (share_list(failed_fd, "metadata/failed", &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++) {
                struct stat st;
                if (!name_is_safe(names[i]) ||
                    fstatat(failed_fd, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    !S_ISDIR(st.st_mode))
                        continue;
                if (now - st.st_mtim.tv_sec > KEEP_SECONDS &&
                    fs_remove_tree_at(failed_fd, names[i], err) < 0)
                        return -1;
        }
        return 0;
}

int points_record_failure(struct repository *repository, const char *job,
                          const struct metadata *metadata, const char *log, int64_t now,
                          struct error **err)
{
        if (!name_is_safe(job))
                return error_set(err, ERROR_REFUSED, "\"%s\" is not a valid job id", job);
        _cleanup_close_ int failed_fd = open_failed_folder(repository, err);
        if (failed_fd < 0 || write_record(failed_fd, job, metadata, log, err) < 0 ||
            failures_prune(failed_fd, now, err) < 0)
                return error_prefix(err, "%s/metadata/failed", repository->path);
        return 0;
}

void failure_list_done(struct failure_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                metadata_free(list->items[i]);
        free(list->items);
        *list = (struct failure_list){ 0 };
}

/* Returns NULL when the folder holds no readable record of this job. */
static struct metadata *read_record(int failed_fd, const char *job)
{
        _cleanup_close_ int fd =
                openat(failed_fd, job, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        size_t length = 0;
        _cleanup_free_ char *text = fd >= 0 ? share_read_file(fd, POINT_METADATA_NAME,
                                                              METADATA_MAX_BYTES, &length, NULL)
                                            : NULL;
        _cleanup_(metadata_freep) struct metadata *metadata =
                text ? metadata_parse(text, length, NULL) : NULL;
        if (!metadata || !streq(metadata->job, job) || streq(metadata->status, "ok") ||
            !name_is_safe(metadata->vm))
                return NULL;
        return TAKE_PTR(metadata);
}

int points_scan_failures(struct repository *repository, struct failure_list *ret,
                         struct error **err)
{
        _cleanup_failure_list_ struct failure_list list = { 0 };
        _cleanup_close_ int failed_fd = openat(repository->root_fd, "metadata/failed",
                                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_strv_ char **names = NULL;
        if (failed_fd < 0 && errno != ENOENT)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open %s/metadata/failed",
                                       repository->path);
        if (failed_fd >= 0 && share_list(failed_fd, "metadata/failed", &names, err) < 0)
                return error_prefix(err, "%s", repository->path);
        for (size_t i = 0; names && names[i]; i++) {
                struct metadata *metadata =
                        name_is_safe(names[i]) ? read_record(failed_fd, names[i]) : NULL;
                if (!metadata)
                        continue;
                list.items = xrealloc_array(list.items, list.count + 1, sizeof *list.items);
                list.items[list.count++] = metadata;
        }
        *ret = list;
        list = (struct failure_list){ 0 };
        return 0;
}
