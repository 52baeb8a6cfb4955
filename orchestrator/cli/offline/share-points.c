/* Implements cli/offline/share-points.h. */
#include "cli/offline/share-points.h"

#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "catalog/catalog.h"
#include "cli/terminal/listing.h"
#include "cli/terminal/values.h"
#include "repository/image-check.h"
#include "repository/share-files.h"
#include "schema/json/json-fields.h"

int share_points_read(const struct settings *settings, struct share_points *ret, struct error **err)
{
        ret->repository =
                repository_open(settings->repository_path, settings->repository_fstype, err);
        return ret->repository ? points_scan_all(ret->repository, &ret->list, err) : -1;
}

void share_points_done(struct share_points *points)
{
        point_list_done(&points->list);
        points->repository = repository_free(points->repository);
}

json_t *share_points_to_json(const struct share_points *points)
{
        struct catalog_list list = { .items = xcalloc(points->list.count + 1, sizeof *list.items),
                                     .count = points->list.count };
        for (size_t i = 0; i < points->list.count; i++)
                catalog_entry_from_point(&points->list.items[i], &list.items[i]);
        _cleanup_free_ char *text = catalog_list_to_json(&list);
        catalog_list_done(&list);
        return json_loads(text, 0, NULL);
}

const struct point *share_points_find(const struct share_points *points, const char *vm,
                                      const char *word, struct error **err)
{
        _cleanup_json_ json_t *all = share_points_to_json(points);
        for (size_t i = json_array_size(all); i-- > 0;)
                if (!streq(value_text(json_array_get(all, i), "vm"), vm))
                        json_array_remove(all, i);
        const char *name = listing_resolve(all, vm, word, err);
        for (size_t i = 0; name && i < points->list.count; i++)
                if (streq(points->list.items[i].vm, vm) && streq(points->list.items[i].name, name))
                        return &points->list.items[i];
        return NULL;
}

/* The point called `name` of the same VM and hypervisor; NULL if there is none or its metadata
 * cannot be read. */
static const struct point *path_beside(const struct share_points *points, const struct point *point,
                                       const char *name)
{
        for (size_t i = 0; i < points->list.count; i++) {
                const struct point *other = &points->list.items[i];
                if (streq(other->hypervisor, point->hypervisor) && streq(other->vm, point->vm) &&
                    streq(other->name, name) && other->metadata)
                        return other;
        }
        return NULL;
}

char **share_points_chain(const struct share_points *points, const struct point *point)
{
        char **names = NULL;
        while (point && !strv_contains(names, point->name)) {
                strv_add(&names, point->name);
                const char *parent = point->metadata ? point->metadata->parent : NULL;
                point = parent ? path_beside(points, point, parent) : NULL;
        }
        return names;
}

/* The disk that a relative backing path "../POINT/FILE" names, and its point. */
static const struct metadata_disk *find_parent_point(const struct share_points *points,
                                                     const struct point *child, const char *backing,
                                                     const struct point **ret_point)
{
        const char *file = path_base(backing);
        _cleanup_free_ char *folder = path_directory(backing);
        const struct point *parent =
                str_starts_with(folder, "../") ? path_beside(points, child, folder + 3) : NULL;
        for (size_t i = 0; parent && i < parent->metadata->n_disks; i++) {
                const struct metadata_disk *disk = &parent->metadata->disks[i];
                if (!disk->file || !streq(disk->file, file) || !file_name_is_safe(disk->file))
                        continue;
                *ret_point = parent;
                return disk;
        }
        return NULL;
}

static char *image_path(const struct share_points *points, const struct point *point,
                        const struct metadata_disk *disk)
{
        return xasprintf("%s/%s/%s", repository_path(points->repository), point->path, disk->file);
}

char *share_points_image(const struct share_points *points, const struct point *point,
                         const struct metadata_disk *disk, struct error **err)
{
        if (!disk->file || !file_name_is_safe(disk->file)) {
                error_set(err, ERROR_CORRUPT,
                          "%s names a disk file with a name that orch never uses", point->path);
                return NULL;
        }
        const struct point *at = point;
        size_t length = 0;
        for (const struct metadata_disk *image = disk; image;) {
                _cleanup_free_ char *path = image_path(points, at, image);
                struct image_expectation expected = { .virtual_bytes = image->virtual_bytes,
                                                      .backing_file = image->backing_file };
                if (image_check_header(path, &expected, NULL, NULL, err) < 0)
                        return NULL;
                if (!image->backing_file)
                        return image_path(points, point, disk);
                const char *backing = image->backing_file;
                image = find_parent_point(points, at, backing, &at);
                if (!image || ++length > points->list.count) {
                        error_set(err, ERROR_CORRUPT,
                                  "%s is backed by %s, which is missing: an older point, or a full "
                                  "one, may be intact",
                                  path, backing);
                        return NULL;
                }
        }
        return NULL;
}
