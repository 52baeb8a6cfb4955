/* Implements repository/fingerprint.h. Files are opened relative to the point's folder, and no link
 * is followed. Names that start with a dot are temporary files and not part of a point. */
#include "repository/fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/strings.h"
#include "repository/checksums.h"
#include "repository/hash.h"
#include "repository/points.h"
#include "repository/repository-internal.h"
#include "repository/share-files.h"
#include "repository/staging.h"

enum { DEPTH_MAX = 8 };

/* The state while a fingerprint is taken. */
struct taking {
        struct fingerprint print;
        const char *path;
        struct checksums checksums;
        const struct staging_progress *progress;
        uint64_t done_bytes; /* of the files before the current one */
        uint64_t total_bytes;
};

void fingerprint_done(struct fingerprint *fingerprint)
{
        for (size_t i = 0; i < fingerprint->count; i++) {
                free(fingerprint->files[i].name);
                free(fingerprint->files[i].sha256);
        }
        free(fingerprint->files);
        *fingerprint = (struct fingerprint){ 0 };
}

static void fingerprint_add_file(struct taking *taking, const char *name, const struct stat *st)
{
        struct fingerprint *print = &taking->print;
        print->files = xrealloc_array(print->files, print->count + 1, sizeof *print->files);
        struct fingerprint_file *file = &print->files[print->count++];
        *file = (struct fingerprint_file){
                .name = xstrdup(name), .mode = st->st_mode, .owner = st->st_uid, .group = st->st_gid
        };
        if (!S_ISREG(st->st_mode))
                return;
        file->bytes = (uint64_t)st->st_size;
        file->modified = st->st_mtim;
        file->changed = st->st_ctim;
        taking->total_bytes += file->bytes;
}

static bool is_written_later(const char *name)
{
        return streq(name, POINT_STATE_NAME) || streq(name, POINT_PROOF_FOLDER);
}

/* Lists all names before any file is read, so that the total is known for the progress. `prefix` is
 * "" or a folder's name with a slash. */
static int taking_list_folder(struct taking *taking, int fd, const char *prefix, int depth,
                              struct error **err)
{
        _cleanup_strv_ char **names = NULL;
        if (share_list(fd, taking->path, &names, err) < 0)
                return -1;
        for (size_t i = 0; names && names[i]; i++) {
                struct stat st;
                if (names[i][0] == '.' || (!*prefix && is_written_later(names[i])))
                        continue;
                if (fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot stat %s/%s%s",
                                               taking->path, prefix, names[i]);
                _cleanup_free_ char *name = xasprintf("%s%s", prefix, names[i]);
                fingerprint_add_file(taking, name, &st);
                if (!S_ISDIR(st.st_mode))
                        continue;
                if (depth == DEPTH_MAX)
                        return error_set(err, ERROR_CORRUPT,
                                         "%s has folders nested more deeply than a point has",
                                         taking->path);
                _cleanup_close_ int folder_fd =
                        share_open_beneath(fd, names[i], O_RDONLY | O_DIRECTORY, err);
                _cleanup_free_ char *below = xasprintf("%s/", name);
                if (folder_fd < 0 ||
                    taking_list_folder(taking, folder_fd, below, depth + 1, err) < 0)
                        return -1;
        }
        return 0;
}

static void taking_on_bytes(uint64_t done, uint64_t total _unused_, void *data)
{
        const struct taking *taking = data;
        if (taking->progress->on_bytes)
                taking->progress->on_bytes(taking->done_bytes + done, taking->total_bytes,
                                           taking->progress->data);
}

static bool taking_is_cancelled(void *data)
{
        const struct taking *taking = data;
        return taking->progress->cancelled && taking->progress->cancelled(taking->progress->data);
}

static int read_file(struct taking *taking, int point_fd, struct fingerprint_file *file,
                     struct error **err)
{
        const struct staging_progress progress = { .on_bytes = taking_on_bytes,
                                                   .cancelled = taking_is_cancelled,
                                                   .data = taking };
        struct stat st;
        _cleanup_close_ int fd = share_open_file(point_fd, file->name, &st, err);
        if (fd < 0)
                return error_prefix(err, "%s", taking->path);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        uint64_t bytes = 0;
        file->sha256 = hash_file(fd, file->name, file->bytes, taking->progress ? &progress : NULL,
                                 &bytes, err);
        if (!file->sha256)
                return error_prefix(err, "%s", taking->path);
        taking->done_bytes += bytes;
        taking->print.bytes += bytes;
        return 0;
}

static int fingerprint_compare_names(const void *a, const void *b)
{
        return strcmp(((const struct fingerprint_file *)a)->name,
                      ((const struct fingerprint_file *)b)->name);
}

static const struct fingerprint_file *fingerprint_find_file(const struct fingerprint *print,
                                                            const char *name)
{
        const struct fingerprint_file wanted = { .name = (char *)name };
        return print->count ? bsearch(&wanted, print->files, print->count, sizeof wanted,
                                      fingerprint_compare_names)
                            : NULL;
}

static int check_sums(const struct taking *taking, struct error **err)
{
        for (size_t i = 0; i < taking->checksums.count; i++) {
                const struct checksum *expected = &taking->checksums.items[i];
                const struct fingerprint_file *file =
                        fingerprint_find_file(&taking->print, expected->name);
                if (!file || !file->sha256)
                        return error_set(err, ERROR_CORRUPT, "%s/%s is missing", taking->path,
                                         expected->name);
                if (!streq(file->sha256, expected->sha256))
                        return error_set(err, ERROR_CORRUPT,
                                         "%s/%s is damaged: its SHA-256 is %s, not %s as when it "
                                         "was published",
                                         taking->path, expected->name, file->sha256,
                                         expected->sha256);
        }
        return 0;
}

static int taking_run(struct taking *taking, int fd, struct error **err)
{
        struct stat st;
        if (fstat(fd, &st) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot stat %s", taking->path);
        fingerprint_add_file(taking, ".", &st);
        if (checksums_read(fd, taking->path, &taking->checksums, err) < 0 ||
            taking_list_folder(taking, fd, "", 0, err) < 0)
                return -1;
        for (size_t i = 0; i < taking->print.count; i++)
                if (S_ISREG(taking->print.files[i].mode) &&
                    read_file(taking, fd, &taking->print.files[i], err) < 0)
                        return -1;
        qsort(taking->print.files, taking->print.count, sizeof *taking->print.files,
              fingerprint_compare_names);
        return check_sums(taking, err);
}

int fingerprint_take(struct repository *repository, const char *path,
                     const struct staging_progress *progress, struct fingerprint *ret,
                     struct error **err)
{
        _cleanup_close_ int fd = repository_open_point(repository, path, err);
        if (fd < 0)
                return -1;
        struct taking taking = { .path = path, .progress = progress };
        int r = taking_run(&taking, fd, err);
        checksums_done(&taking.checksums);
        if (r < 0)
                fingerprint_done(&taking.print);
        else
                *ret = taking.print;
        return r;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static char *fingerprint_compare_file(const struct fingerprint_file *a,
                                      const struct fingerprint_file *b)
{
        if (a->owner != b->owner || a->group != b->group)
                return xasprintf("the owner of %s was %u:%u and is %u:%u", a->name, a->owner,
                                 a->group, b->owner, b->group);
        if (a->mode != b->mode)
                return xasprintf("the mode of %s was %04o and is %04o", a->name, a->mode & 07777,
                                 b->mode & 07777);
        if (a->bytes != b->bytes || !streq(a->sha256, b->sha256))
                return xasprintf("the content of %s has changed", a->name);
        if (!same_time(&a->modified, &b->modified))
                return xasprintf("%s was written to", a->name);
        if (!same_time(&a->changed, &b->changed))
                return xasprintf(
                        "the ctime of %s has changed: its owner, mode, label or name was set",
                        a->name);
        return NULL;
}

char *fingerprint_compare(const struct fingerprint *before, const struct fingerprint *after)
{
        for (size_t i = 0; i < before->count; i++) {
                const struct fingerprint_file *file =
                        fingerprint_find_file(after, before->files[i].name);
                if (!file)
                        return xasprintf("%s no longer exists", before->files[i].name);
                char *difference = fingerprint_compare_file(&before->files[i], file);
                if (difference)
                        return difference;
        }
        for (size_t i = 0; i < after->count; i++)
                if (!fingerprint_find_file(before, after->files[i].name))
                        return xasprintf("%s was not there before", after->files[i].name);
        return NULL;
}
