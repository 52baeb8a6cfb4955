/* Reads published points. The folders are authoritative, and the files in them are accepted only
 * where they agree with their place: hypervisor, VM and name in the metadata must equal those of
 * the folder. One broken point never hides the others. A folder that cannot be listed fails the
 * scan, so that existing points never seem to have been removed. */
#include "repository/points.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"

enum { METADATA_MAX_BYTES = 16 * 1024 * 1024 };

static void point_done(struct point *point)
{
        free(point->hypervisor);
        free(point->vm);
        free(point->name);
        free(point->path);
        metadata_free(point->metadata);
        point_state_done(&point->state);
        free(point->problem);
        *point = (struct point){ 0 };
}

void point_list_done(struct point_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                point_done(&list->items[i]);
        free(list->items);
        *list = (struct point_list){ 0 };
}

/* Keeps the first problem; `problem` is taken over. */
static void point_set_problem(struct point *point, char *problem)
{
        point->state.damaged = true;
        if (!point->state.damage)
                point->state.damage = xstrdup(problem);
        if (point->problem)
                free(problem);
        else
                point->problem = problem;
}

static void point_read_state(struct point *point, int fd)
{
        char *problem = point_state_read(fd, &point->state);
        if (!problem)
                return;
        point->uncertain = true;
        point_set_problem(point, problem);
}

/* Whether the metadata belongs to this folder. */
static bool check_place(struct point *point, const struct metadata *metadata)
{
        if (!streq(metadata->status, "ok")) {
                point_set_problem(point,
                                  xstrdup(POINT_METADATA_NAME " is of a job that made no point"));
                return false;
        }
        if (streq(metadata->hypervisor, point->hypervisor) && streq(metadata->vm, point->vm) &&
            streq(metadata->point, point->name))
                return true;
        _cleanup_free_ char *said =
                xasprintf("%s/%s/%s", metadata->hypervisor, metadata->vm, metadata->point);
        _cleanup_free_ char *clean = str_one_line(said, 400);
        point_set_problem(
                point, xasprintf(POINT_METADATA_NAME " is that of %s, not of this folder", clean));
        return false;
}

/* A missing file is a finding. When the share cannot report whether it exists, that is uncertain
 * and no finding. */
static void set_missing(struct point *point, const char *file, int errnum)
{
        point->uncertain |= errnum != ENOENT;
        point_set_problem(point, xasprintf("%s cannot be found: %s", file, strerror(errnum)));
}

static void point_check_disks(struct point *point, int fd, const struct metadata *metadata)
{
        for (size_t i = 0; i < metadata->n_disks; i++) {
                const struct metadata_disk *disk = &metadata->disks[i];
                struct stat st;
                if (!disk->file || !file_name_is_safe(disk->file))
                        point_set_problem(point, xasprintf(POINT_METADATA_NAME
                                                           " names no valid file for disk %zu",
                                                           i + 1));
                else if (fstatat(fd, disk->file, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        set_missing(point, disk->file, errno);
                else if (!S_ISREG(st.st_mode))
                        point_set_problem(point, xasprintf("%s is not a regular file", disk->file));
                else if ((uint64_t)st.st_size != disk->stored_bytes)
                        point_set_problem(point, xasprintf("%s has %ju bytes, expected %ju",
                                                           disk->file, (uintmax_t)st.st_size,
                                                           (uintmax_t)disk->stored_bytes));
        }
}

static void read_metadata(struct point *point, int fd)
{
        _cleanup_error_ struct error *error = NULL;
        size_t length = 0;
        _cleanup_free_ char *text =
                share_read_file(fd, POINT_METADATA_NAME, METADATA_MAX_BYTES, &length, &error);
        _cleanup_(metadata_freep) struct metadata *metadata =
                text ? metadata_parse(text, length, &error) : NULL;
        if (!metadata) {
                point->uncertain = error->kind != ERROR_CORRUPT && error->errnum != ENOENT &&
                                   error->errnum != ELOOP;
                if (text)
                        error_prefix(&error, POINT_METADATA_NAME);
                point_set_problem(point, xstrdup(error_message(error)));
                return;
        }
        if (!check_place(point, metadata)) {
                point->uncertain = false;
                return;
        }
        point_check_disks(point, fd, metadata);
        point->metadata = TAKE_PTR(metadata);
}

/* Adds the point when `name` is one. */
static void scan_point(int vm_fd, const char *hypervisor, const char *vm, const char *name,
                       struct point_list *list)
{
        int fd = openat(vm_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        /* A link, a file, or a folder that was removed since the listing is not a point. */
        if (fd < 0 && (errno == ENOTDIR || errno == ELOOP || errno == ENOENT))
                return;
        int errnum = errno;
        struct point point = {
                .hypervisor = xstrdup(hypervisor),
                .vm = xstrdup(vm),
                .name = xstrdup(name),
                .path = xasprintf("%s/%s/%s", hypervisor, vm, name),
        };
        if (fd < 0) {
                point.uncertain = true;
                point_set_problem(&point,
                                  xasprintf("the folder cannot be opened: %s", strerror(errnum)));
        } else {
                point_read_state(&point, fd);
                read_metadata(&point, fd);
                close(fd);
        }
        list->items = xrealloc_array(list->items, list->count + 1, sizeof *list->items);
        list->items[list->count++] = point;
}

static int scan_vm_folder(int hypervisor_fd, const char *hypervisor, const char *vm,
                          struct point_list *list, struct error **err)
{
        _cleanup_close_ int vm_fd =
                openat(hypervisor_fd, vm, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (vm_fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
                return 0;
        if (vm_fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open %s/%s on the share",
                                       hypervisor, vm);
        _cleanup_free_ char *what = xasprintf("%s/%s", hypervisor, vm);
        _cleanup_strv_ char **names = NULL;
        if (share_list(vm_fd, what, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++)
                if (point_name_parse(names[i], NULL))
                        scan_point(vm_fd, hypervisor, vm, names[i], list);
        return 0;
}

/* One VM's, or all with vm NULL. */
static int scan_hypervisor_folder(struct repository *repository, const char *hypervisor,
                                  const char *vm, struct point_list *list, struct error **err)
{
        _cleanup_close_ int fd = openat(repository->root_fd, hypervisor,
                                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
                return 0;
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open %s on the share",
                                       hypervisor);
        if (vm)
                return scan_vm_folder(fd, hypervisor, vm, list, err);
        _cleanup_strv_ char **names = NULL;
        if (share_list(fd, hypervisor, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++)
                if (name_is_safe(names[i]) &&
                    scan_vm_folder(fd, hypervisor, names[i], list, err) < 0)
                        return -1;
        return 0;
}

int64_t point_started(const struct point *point)
{
        int64_t time = 0;
        if (point->metadata)
                return point->metadata->started;
        (void)point_name_parse(point->name, &time);
        return time;
}

static int point_compare_newest_first(const void *a, const void *b)
{
        const struct point *first = a;
        const struct point *second = b;
        int64_t first_time = point_started(first);
        int64_t second_time = point_started(second);
        if (first_time != second_time)
                return first_time > second_time ? -1 : 1;
        int by_vm = strcmp(first->vm, second->vm);
        if (by_vm)
                return by_vm;
        /* Equal starts: the name, which is moved on by a second, shows the later one. */
        int by_name = strcmp(second->name, first->name);
        return by_name ? by_name : strcmp(first->hypervisor, second->hypervisor);
}

static void point_list_hand_over(struct point_list *list, struct point_list *ret)
{
        if (list->count)
                qsort(list->items, list->count, sizeof *list->items, point_compare_newest_first);
        *ret = *list;
        *list = (struct point_list){ 0 };
}

int points_scan_vm(struct repository *repository, const char *hypervisor, const char *vm,
                   struct point_list *ret, struct error **err)
{
        assert(name_is_safe(hypervisor) && name_is_safe(vm));
        _cleanup_point_list_ struct point_list list = { 0 };
        if (scan_hypervisor_folder(repository, hypervisor, vm, &list, err) < 0)
                return error_prefix(err, "%s", repository->path);
        point_list_hand_over(&list, ret);
        return 0;
}

/* One VM's, or all with vm NULL. */
static int scan_share(struct repository *repository, const char *vm, struct point_list *ret,
                      struct error **err)
{
        _cleanup_point_list_ struct point_list list = { 0 };
        _cleanup_strv_ char **names = NULL;
        if (share_list(repository->root_fd, repository->path, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++)
                if (name_is_safe(names[i]) && !streq(names[i], "metadata") &&
                    scan_hypervisor_folder(repository, names[i], vm, &list, err) < 0)
                        return error_prefix(err, "%s", repository->path);
        point_list_hand_over(&list, ret);
        return 0;
}

int points_scan_all(struct repository *repository, struct point_list *ret, struct error **err)
{
        return scan_share(repository, NULL, ret, err);
}

int points_scan_named(struct repository *repository, const char *vm, struct point_list *ret,
                      struct error **err)
{
        assert(name_is_safe(vm));
        return scan_share(repository, vm, ret, err);
}

int points_read(struct repository *repository, const char *path, struct point_list *ret,
                struct error **err)
{
        _cleanup_strv_ char **words = NULL;
        if (repository_split_path(path, &words, err) < 0)
                return -1;
        _cleanup_point_list_ struct point_list list = { 0 };
        _cleanup_free_ char *folder = xasprintf("%s/%s", words[0], words[1]);
        _cleanup_error_ struct error *error = NULL;
        _cleanup_close_ int vm_fd =
                share_open_beneath(repository->root_fd, folder, O_RDONLY | O_DIRECTORY, &error);
        if (vm_fd < 0 && error->errnum != ENOENT)
                return error_propagate(err, TAKE_PTR(error));
        if (vm_fd >= 0)
                scan_point(vm_fd, words[0], words[1], words[2], &list);
        point_list_hand_over(&list, ret);
        return 0;
}

char *points_read_file(struct repository *repository, const char *path, const char *name,
                       size_t max_bytes, size_t *ret_length, struct error **err)
{
        _cleanup_close_ int fd = repository_open_point(repository, path, err);
        char *text = fd < 0 ? NULL : share_read_beneath(fd, name, max_bytes, ret_length, err);
        if (!text)
                error_prefix(err, "%s", path);
        return text;
}
