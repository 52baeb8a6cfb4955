/* points_verify_checksums(): is what was published still what it was? */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "repository/checksums.h"
#include "repository/hash.h"
#include "repository/points.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"

enum { METADATA_MAX_BYTES = 16 * 1024 * 1024 };

static int verify_file(int fd, const char *point, const struct checksum *expected, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        struct stat st;
        _cleanup_close_ int file_fd = share_open_file(fd, expected->name, &st, &error);
        if (file_fd < 0 && error->errnum == ENOENT)
                return error_set(err, ERROR_CORRUPT, "%s/%s is missing", point, expected->name);
        if (file_fd < 0)
                return error_propagate(err, TAKE_PTR(error));
        uint64_t bytes = 0;
        _cleanup_free_ char *sha256 = hash_file(file_fd, expected->name, (uint64_t)st.st_size, NULL, &bytes, err);
        if (!sha256)
                return error_prefix(err, "%s", point);
        if (!streq(sha256, expected->sha256))
                return error_set(err, ERROR_CORRUPT, "%s/%s is damaged: its SHA-256 is %s, not %s as when it was published", point,
                                 expected->name, sha256, expected->sha256);
        return 0;
}

/* A list that was shortened must not pass for a whole one. */
static int check_list_covers_disks(int fd, const char *point, const struct checksums *list, struct error **err)
{
        size_t length = 0;
        _cleanup_free_ char *text = share_read_file(fd, POINT_METADATA_NAME, METADATA_MAX_BYTES, &length, err);
        _cleanup_(metadata_freep) struct metadata *metadata = text ? metadata_parse(text, length, err) : NULL;
        if (!metadata)
                return error_prefix(err, "%s", point);
        for (size_t i = 0; i < metadata->n_disks; i++)
                if (!metadata->disks[i].file || !checksums_find(list, metadata->disks[i].file))
                        return error_set(err, ERROR_CORRUPT, "%s/" CHECKSUMS_NAME " does not list %s", point,
                                         metadata->disks[i].file ? metadata->disks[i].file : "a disk that has no file name");
        if (!checksums_find(list, POINT_METADATA_NAME))
                return error_set(err, ERROR_CORRUPT, "%s/" CHECKSUMS_NAME " does not list " POINT_METADATA_NAME, point);
        return 0;
}

int points_verify_checksums(struct repository *repository, const char *path, struct error **err)
{
        _cleanup_close_ int fd = repository_open_point(repository, path, err);
        if (fd < 0)
                return -1;
        _cleanup_error_ struct error *error = NULL;
        size_t length = 0;
        _cleanup_free_ char *text = share_read_file(fd, CHECKSUMS_NAME, CHECKSUMS_MAX_BYTES, &length, &error);
        if (!text && error->errnum == ENOENT)
                return error_set(err, ERROR_CORRUPT, "%s/" CHECKSUMS_NAME " is missing", path);
        if (!text)
                return error_propagate(err, TAKE_PTR(error));
        _cleanup_checksums_ struct checksums list = { 0 };
        if (checksums_parse(text, length, &list, err) < 0)
                return error_prefix(err, "%s", path);
        for (size_t i = 0; i < list.count; i++)
                if (verify_file(fd, path, &list.items[i], err) < 0)
                        return -1;
        return check_list_covers_disks(fd, path, &list, err);
}
