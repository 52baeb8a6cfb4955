/* Implements repository/stat-digest.h. Each file is opened before fstat(), because an NFS client
 * revalidates attributes at open. */
#include "repository/stat-digest.h"

#include "base/memory.h"
#include "base/strings.h"
#include "repository/hash.h"
#include "repository/points.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"

static int stat_digest_add_file(struct strbuf *buf, int point_fd, const char *name,
                                struct error **err)
{
        struct stat st;
        _cleanup_close_ int fd = share_open_file(point_fd, name, &st, err);
        if (fd < 0)
                return -1;
        strbuf_addf(buf, "%s %ju %ju %jd.%09ld %jd.%09ld\n", name, (uintmax_t)st.st_ino,
                    (uintmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                    (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
        return 0;
}

char *stat_digest_make(int point_fd, const char *path, const struct checksums *list,
                       struct error **err)
{
        _cleanup_strbuf_ struct strbuf buf = { 0 };
        int r = stat_digest_add_file(&buf, point_fd, CHECKSUMS_NAME, err);
        for (size_t i = 0; r == 0 && i < list->count; i++)
                r = stat_digest_add_file(&buf, point_fd, list->items[i].name, err);
        if (r < 0) {
                error_prefix(err, "%s", path);
                return NULL;
        }
        return hash_bytes(buf.data, buf.length, err);
}

char *points_stat_digest(struct repository *repository, const char *path, struct error **err)
{
        _cleanup_checksums_ struct checksums list = { 0 };
        _cleanup_close_ int fd = repository_open_point(repository, path, err);
        if (fd < 0 || checksums_read(fd, path, &list, err) < 0)
                return NULL;
        return stat_digest_make(fd, path, &list, err);
}
