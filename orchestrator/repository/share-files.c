/* Implements repository/share-files.h. */
#include "repository/share-files.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

bool file_name_is_safe(const char *name)
{
        size_t length = strlen(name);
        if (length == 0 || length > NAME_MAX || !isalnum((unsigned char)name[0]))
                return false;
        return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
               length;
}

static int open_component(int dir_fd, const char *name, int flags, const char *path,
                          struct error **err)
{
        if (!file_name_is_safe(name))
                return error_set(err, ERROR_CORRUPT,
                                 "%s is not a path that orch makes on the share", path);
        int fd = openat(dir_fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && errno == ELOOP)
                return error_set(err, ERROR_CORRUPT,
                                 "%s is a symbolic link; orch follows none on the share", path);
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open %s", path);
        return fd;
}

int share_open_beneath(int dir_fd, const char *path, int flags, struct error **err)
{
        _cleanup_free_ char *copy = xstrdup(path);
        _cleanup_close_ int folder_fd = -1;
        char *rest = copy;
        for (;;) {
                const char *name = strsep(&rest, "/");
                int at = folder_fd >= 0 ? folder_fd : dir_fd;
                if (!rest)
                        return open_component(at, name, flags, path, err);
                int next = open_component(at, name, O_RDONLY | O_DIRECTORY, path, err);
                if (next < 0)
                        return -1;
                closep(&folder_fd);
                folder_fd = next;
        }
}

static int check_regular(int fd, const char *path, struct stat *ret_stat, struct error **err)
{
        struct stat st;
        if (fstat(fd, &st) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot stat %s", path);
        if (!S_ISREG(st.st_mode))
                return error_set(err, ERROR_CORRUPT, "%s is not a regular file", path);
        if (ret_stat)
                *ret_stat = st;
        return 0;
}

int share_open_file(int dir_fd, const char *path, struct stat *ret_stat, struct error **err)
{
        _cleanup_close_ int fd = share_open_beneath(dir_fd, path, O_RDONLY, err);
        if (fd < 0 || check_regular(fd, path, ret_stat, err) < 0)
                return -1;
        return TAKE_FD(fd);
}

/* It reads by descriptor, so that the file that was checked is the file that is read. */
static char *read_opened(int fd, const char *name, size_t max_bytes, size_t *ret_length,
                         struct error **err)
{
        _cleanup_strbuf_ struct strbuf buf = { 0 };
        char chunk[16384];
        for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) != 0;) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        error_set_errno(err, ERROR_INTERNAL, errno, "cannot read %s", name);
                        return NULL;
                }
                if (buf.length + (size_t)n > max_bytes) {
                        error_set(err, ERROR_CORRUPT,
                                  "%s is larger than the %zu bytes expected at most", name,
                                  max_bytes);
                        return NULL;
                }
                strbuf_append(&buf, chunk, (size_t)n);
        }
        if (ret_length)
                *ret_length = buf.length;
        return strbuf_take(&buf);
}

char *share_read_file(int dir_fd, const char *name, size_t max_bytes, size_t *ret_length,
                      struct error **err)
{
        _cleanup_close_ int fd =
                openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) {
                error_set_errno(err, ERROR_INTERNAL, errno, "cannot open %s", name);
                return NULL;
        }
        return check_regular(fd, name, NULL, err) < 0
                       ? NULL
                       : read_opened(fd, name, max_bytes, ret_length, err);
}

char *share_read_beneath(int dir_fd, const char *path, size_t max_bytes, size_t *ret_length,
                         struct error **err)
{
        _cleanup_close_ int fd = share_open_file(dir_fd, path, NULL, err);
        return fd < 0 ? NULL : read_opened(fd, path, max_bytes, ret_length, err);
}

static int share_compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int share_list(int dir_fd, const char *what, char ***ret, struct error **err)
{
        /* This needs a new open file description: reading moves the position, which a dup would
         * share. */
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                error_set_errno(err, ERROR_INTERNAL, errno, "cannot list %s", what);
                closep(&fd);
                return -1;
        }
        _cleanup_strv_ char **names = NULL;
        for (;;) {
                errno = 0;
                struct dirent *entry = readdir(dir);
                if (!entry && errno)
                        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot list %s", what);
                if (!entry)
                        break;
                if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
                        strv_add(&names, entry->d_name);
        }
        if (names)
                qsort(names, strv_length(names), sizeof *names, share_compare_names);
        *ret = TAKE_PTR(names);
        return 0;
}

int share_rename_new(int dir_fd, const char *from, const char *to)
{
        if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -1;
        /* NFS has no RENAME_NOREPLACE. A plain rename fails when the target is a folder that is not
         * empty, so nothing can be lost in between. */
        struct stat st;
        if (fstatat(dir_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
                errno = EEXIST;
                return -1;
        }
        if (renameat(dir_fd, from, dir_fd, to) == 0)
                return 0;
        if (errno == ENOTEMPTY)
                errno = EEXIST;
        return -1;
}
