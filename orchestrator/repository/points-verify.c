/* Verifies that a published point is unchanged: every file against its checksum, the metadata and
 * XML, the structure of the images, and the backing chain.
 *
 * A defect of the point is a finding. A check that could not be completed (the share does not
 * answer, a tool is missing, the job was cancelled) is an error. Only a finding may mark a point as
 * damaged. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/checksums.h"
#include "repository/hash.h"
#include "repository/image-check.h"
#include "repository/points.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"
#include "repository/staging.h"
#include "schema/libvirt/domain-xml.h"

enum {
        METADATA_MAX_BYTES = 16 * 1024 * 1024,
        XML_MAX_BYTES = 4 * 1024 * 1024,
        NAME_MAX_BYTES = 300
};

struct verification {
        struct repository *repository;
        const struct point *point;
        const struct point_list *list;
        enum points_depth depth;
        const struct staging_progress *progress; /* NULL: no progress is reported */
        int fd;
        uint64_t done_bytes; /* of the files before the current one */
        uint64_t total_bytes;
        char **damage;
};

static int verify_file(int fd, const char *point, const struct checksum *expected,
                       bool from_storage, const struct staging_progress *progress,
                       uint64_t *ret_bytes, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        struct stat st;
        _cleanup_close_ int file_fd = share_open_file(fd, expected->name, &st, &error);
        if (file_fd < 0 && error->errnum == ENOENT)
                return error_set(err, ERROR_CORRUPT, "%s/%s is missing", point, expected->name);
        if (file_fd < 0)
                return error_propagate(err, TAKE_PTR(error));
        if (from_storage)
                (void)posix_fadvise(file_fd, 0, 0, POSIX_FADV_DONTNEED);
        _cleanup_free_ char *sha256 =
                hash_file(file_fd, expected->name, (uint64_t)st.st_size, progress, ret_bytes, err);
        if (!sha256)
                return error_prefix(err, "%s", point);
        if (!streq(sha256, expected->sha256))
                return error_set(
                        err, ERROR_CORRUPT,
                        "%s/%s is damaged: its SHA-256 is %s, not %s as when it was published",
                        point, expected->name, sha256, expected->sha256);
        return 0;
}

static int check_listed(const struct checksums *list, const char *point, const char *name,
                        struct error **err)
{
        if (checksums_find(list, name))
                return 0;
        return error_set(err, ERROR_CORRUPT, "%s/" CHECKSUMS_NAME " does not list %s", point, name);
}

/* Detects a truncated list of checksums. */
static int check_list_covers(const struct checksums *list, const char *point,
                             const struct metadata *metadata, struct error **err)
{
        _cleanup_free_ char *xml = xasprintf("%s.xml", metadata->vm);
        for (size_t i = 0; i < metadata->n_disks; i++)
                if (check_listed(list, point,
                                 metadata->disks[i].file ? metadata->disks[i].file
                                                         : "a disk that has no file name",
                                 err) < 0)
                        return -1;
        for (size_t i = 0; i < metadata->n_configs; i++)
                if (check_listed(list, point, metadata->configs[i].file, err) < 0)
                        return -1;
        if (metadata->nvram_file && check_listed(list, point, metadata->nvram_file, err) < 0)
                return -1;
        return check_listed(list, point, POINT_METADATA_NAME, err) < 0 ||
                               check_listed(list, point, xml, err) < 0
                       ? -1
                       : 0;
}

int points_verify_checksums(struct repository *repository, const char *path, struct error **err)
{
        _cleanup_close_ int fd = repository_open_point(repository, path, err);
        if (fd < 0)
                return -1;
        _cleanup_checksums_ struct checksums list = { 0 };
        if (checksums_read(fd, path, &list, err) < 0)
                return -1;
        uint64_t bytes = 0;
        for (size_t i = 0; i < list.count; i++)
                if (verify_file(fd, path, &list.items[i], true, NULL, &bytes, err) < 0)
                        return -1;
        size_t length = 0;
        _cleanup_free_ char *text =
                share_read_file(fd, POINT_METADATA_NAME, METADATA_MAX_BYTES, &length, err);
        _cleanup_(metadata_freep) struct metadata *metadata =
                text ? metadata_parse(text, length, err) : NULL;
        return metadata ? check_list_covers(&list, path, metadata, err)
                        : error_prefix(err, "%s", path);
}

/* Adds ERROR_CORRUPT as a finding and returns 0; passes any other error on and returns -1. */
static int verification_add_finding(struct verification *verification, struct error *error,
                                    struct error **err)
{
        _cleanup_error_ struct error *owned = error;
        if (error->kind != ERROR_CORRUPT)
                return error_propagate(err, TAKE_PTR(owned));
        strv_addf(&verification->damage, "%s", error->message);
        return 0;
}

static void verification_on_bytes(uint64_t done_bytes, uint64_t total_bytes, void *data)
{
        (void)total_bytes;
        const struct verification *verification = data;
        if (verification->progress && verification->progress->on_bytes)
                verification->progress->on_bytes(verification->done_bytes + done_bytes,
                                                 verification->total_bytes,
                                                 verification->progress->data);
}

static bool verification_is_cancelled(void *data)
{
        const struct verification *verification = data;
        const struct staging_progress *progress = verification->progress;
        return progress && progress->cancelled && progress->cancelled(progress->data);
}

static bool is_disk(const struct metadata *metadata, const char *name)
{
        for (size_t i = 0; metadata && i < metadata->n_disks; i++)
                if (streq(metadata->disks[i].file, name))
                        return true;
        return false;
}

/* Whether the content of a file is read at this depth. */
static bool is_read(const struct verification *verification, const char *name)
{
        return verification->depth == POINTS_WHOLE ||
               is_disk(verification->point->metadata, name) ==
                       (verification->depth == POINTS_DISKS_ONLY);
}

static uint64_t sum_sizes(const struct verification *verification, const struct checksums *list)
{
        uint64_t sum = 0;
        struct stat st;
        for (size_t i = 0; i < list->count; i++)
                if (is_read(verification, list->items[i].name) &&
                    fstatat(verification->fd, list->items[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                        sum += (uint64_t)st.st_size;
        return sum;
}

/* Every file is checked, also after a bad one, so that all damage is reported at once. The page
 * cache is bypassed because it does not show the state of the storage; only disks that are copied
 * at the same time are read once for both. */
static int verify_checksums(struct verification *verification, struct error **err)
{
        bool from_storage = verification->depth == POINTS_WHOLE;
        _cleanup_error_ struct error *error = NULL;
        _cleanup_checksums_ struct checksums list = { 0 };
        const char *name = verification->point->name;
        if (checksums_read(verification->fd, name, &list, &error) < 0)
                return verification_add_finding(verification, TAKE_PTR(error), err);
        verification->total_bytes = sum_sizes(verification, &list);
        const struct staging_progress progress = { .on_bytes = verification_on_bytes,
                                                   .cancelled = verification_is_cancelled,
                                                   .data = verification };
        for (size_t i = 0; i < list.count; i++) {
                uint64_t bytes = 0;
                if (!is_read(verification, list.items[i].name))
                        continue;
                if (verify_file(verification->fd, name, &list.items[i], from_storage, &progress,
                                &bytes, &error) < 0 &&
                    verification_add_finding(verification, TAKE_PTR(error), err) < 0)
                        return -1;
                verification->done_bytes += bytes;
        }
        if (verification->point->metadata &&
            check_list_covers(&list, name, verification->point->metadata, &error) < 0)
                return verification_add_finding(verification, TAKE_PTR(error), err);
        return 0;
}

static int verify_xml(struct verification *verification, struct error **err)
{
        const struct metadata *metadata = verification->point->metadata;
        _cleanup_error_ struct error *error = NULL;
        _cleanup_free_ char *name = xasprintf("%s.xml", metadata->vm);
        size_t length = 0;
        _cleanup_free_ char *text =
                share_read_file(verification->fd, name, XML_MAX_BYTES, &length, &error);
        if (!text && error->errnum == ENOENT)
                return 0; /* already reported by its checksum, or as missing in the list */
        _cleanup_(domain_xml_freep) struct domain_xml *xml =
                text ? domain_xml_parse(text, length, &error) : NULL;
        if (!xml) {
                error_prefix(&error, "%s/%s", verification->point->name, name);
                return verification_add_finding(verification, TAKE_PTR(error), err);
        }
        if (metadata->uuid && !streq(xml->uuid, metadata->uuid))
                strv_addf(&verification->damage, "%s/%s describes the VM %s, not %s",
                          verification->point->name, name, xml->uuid, metadata->uuid);
        for (size_t i = 0; i < metadata->n_disks; i++)
                if (!domain_xml_find_disk(xml, metadata->disks[i].target))
                        strv_addf(&verification->damage,
                                  "%s/%s lacks the disk %s, which the point has",
                                  verification->point->name, name, metadata->disks[i].target);
        return 0;
}

/* Checks one disk of an increment against its parent's disk. */
static void check_link(struct verification *verification, const struct point *parent,
                       const struct metadata_disk *disk)
{
        const char *name = verification->point->name;
        const struct metadata_disk *base = NULL;
        for (size_t i = 0; i < parent->metadata->n_disks && !base; i++)
                if (streq(parent->metadata->disks[i].target, disk->target))
                        base = &parent->metadata->disks[i];
        if (!base) {
                strv_addf(&verification->damage,
                          "%s/%s builds on disk %s of %s, which has no such disk", name, disk->file,
                          disk->target, parent->name);
                return;
        }
        _cleanup_free_ char *expected = xasprintf("../%s/%s", parent->name, base->file);
        if (!streq(disk->backing_file, expected))
                strv_addf(&verification->damage, "%s/%s builds on %s, expected %s", name,
                          disk->file, disk->backing_file, expected);
        if (base->virtual_bytes != disk->virtual_bytes)
                strv_addf(&verification->damage, "%s/%s has %ju bytes but builds on one of %ju",
                          name, disk->file, (uintmax_t)disk->virtual_bytes,
                          (uintmax_t)base->virtual_bytes);
}

/* Whether the parents of the images exist: otherwise qemu-img could not open them. */
static bool verify_chain(struct verification *verification)
{
        const struct metadata *metadata = verification->point->metadata;
        const char *name = verification->point->name;
        if (!metadata->parent) {
                for (size_t i = 0; i < metadata->n_disks; i++)
                        if (metadata->disks[i].backing_file)
                                strv_addf(&verification->damage,
                                          "%s/%s builds on %s, but the point names no parent", name,
                                          metadata->disks[i].file, metadata->disks[i].backing_file);
                return true;
        }
        const struct point *parent =
                points_find_beside(verification->list, verification->point, metadata->parent);
        if (!parent) {
                strv_addf(&verification->damage, "%s builds on %s, which is missing", name,
                          metadata->parent);
                return false;
        }
        if (!parent->metadata || parent->state.damaged) {
                strv_addf(&verification->damage, "%s builds on %s, which is damaged: %s", name,
                          parent->name,
                          parent->state.damage ? parent->state.damage
                                               : "its metadata cannot be read");
                return parent->metadata != NULL;
        }
        /* Two short backups may begin within one second. */
        if (parent->metadata->started > metadata->started)
                strv_addf(&verification->damage,
                          "%s builds on %s, which is newer: the chain is in the wrong order", name,
                          parent->name);
        for (size_t i = 0; i < metadata->n_disks; i++)
                if (metadata->disks[i].backing_file)
                        check_link(verification, parent, &metadata->disks[i]);
        return true;
}

static int verify_images(struct verification *verification, struct error **err)
{
        const struct point *point = verification->point;
        for (size_t i = 0; i < point->metadata->n_disks; i++) {
                const struct metadata_disk *disk = &point->metadata->disks[i];
                struct stat st;
                if (!disk->file || !file_name_is_safe(disk->file) ||
                    fstatat(verification->fd, disk->file, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    !S_ISREG(st.st_mode))
                        continue; /* already reported by its checksum */
                const struct image_expectation expected = { .virtual_bytes = disk->virtual_bytes,
                                                            .backing_file = disk->backing_file };
                _cleanup_free_ char *path = xasprintf("%s/%s/%s", verification->repository->path,
                                                      point->path, disk->file);
                _cleanup_error_ struct error *error = NULL;
                if (image_check(path, &expected, verification_is_cancelled, verification, &error) <
                            0 &&
                    verification_add_finding(verification, TAKE_PTR(error), err) < 0)
                        return -1;
        }
        return 0;
}

static int verify_all(struct verification *verification, struct error **err)
{
        const struct point *point = verification->point;
        if (!point->metadata)
                strv_addf(&verification->damage, "%s: %s", point->name, point->problem);
        if (verify_checksums(verification, err) < 0)
                return -1;
        if (!point->metadata || verification->depth == POINTS_DISKS_ONLY)
                return 0;
        if (verify_xml(verification, err) < 0)
                return -1;
        return verify_chain(verification) ? verify_images(verification, err) : 0;
}

int points_verify(struct repository *repository, const struct point *point,
                  const struct point_list *list, enum points_depth depth,
                  const struct staging_progress *progress, uint64_t *ret_bytes, char ***ret_damage,
                  struct error **err)
{
        struct verification verification = { .repository = repository,
                                             .point = point,
                                             .list = list,
                                             .depth = depth,
                                             .progress = progress };
        verification.fd = repository_open_point(repository, point->path, err);
        int r = verification.fd < 0 ? -1 : verify_all(&verification, err);
        closep(&verification.fd);
        *ret_bytes = verification.done_bytes;
        if (r < 0)
                strv_free(verification.damage);
        else
                *ret_damage = verification.damage;
        return r;
}
