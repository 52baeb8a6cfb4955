/* Implements base/fs.h. */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/strings.h"

static char *read_descriptor(int fd, const char *path, size_t max_bytes, size_t *ret_length,
                             struct error **err)
{
        _cleanup_strbuf_ struct strbuf buf = { 0 };
        char chunk[65536];
        for (;;) {
                ssize_t n = read(fd, chunk, sizeof chunk);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        error_set_errno(err, ERROR_INTERNAL, errno, "cannot read %s", path);
                        return NULL;
                }
                if (n == 0)
                        break;
                if (buf.length + (size_t)n > max_bytes) {
                        error_set(err, ERROR_CORRUPT,
                                  "%s is larger than the %zu bytes expected at most", path,
                                  max_bytes);
                        return NULL;
                }
                strbuf_append(&buf, chunk, (size_t)n);
        }
        if (ret_length)
                *ret_length = buf.length;
        return strbuf_take(&buf);
}

char *fs_read_file_at(int dir_fd, const char *name, size_t max_bytes, size_t *ret_length,
                      struct error **err)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) {
                error_set_errno(err, ERROR_INTERNAL, errno, "cannot open %s", name);
                return NULL;
        }
        return read_descriptor(fd, name, max_bytes, ret_length, err);
}

char *fs_read_file(const char *path, size_t max_bytes, size_t *ret_length, struct error **err)
{
        return fs_read_file_at(AT_FDCWD, path, max_bytes, ret_length, err);
}

int fs_write_all(int fd, const void *data, size_t length, struct error **err)
{
        const char *p = data;
        while (length) {
                ssize_t n = write(fd, p, length);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot write");
                p += n;
                length -= (size_t)n;
        }
        return 0;
}

static int write_temporary(int dir_fd, const char *temporary, mode_t mode, const void *data,
                           size_t length, struct error **err)
{
        int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                        0600);
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot create %s", temporary);
        int r = fs_write_all(fd, data, length, err);
        if (r == 0 && fchmod(fd, mode) < 0)
                r = error_set_errno(err, ERROR_INTERNAL, errno, "cannot set the mode of %s",
                                    temporary);
        if (r == 0 && fsync(fd) < 0)
                r = error_set_errno(err, ERROR_INTERNAL, errno, "cannot fsync %s", temporary);
        if (close(fd) < 0 && r == 0)
                r = error_set_errno(err, ERROR_INTERNAL, errno, "cannot close %s", temporary);
        return r;
}

int fs_write_file_at(int dir_fd, const char *name, mode_t mode, const void *data, size_t length,
                     struct error **err)
{
        _cleanup_free_ char *temporary = xasprintf(".%s.%ld.tmp", name, (long)getpid());
        if (write_temporary(dir_fd, temporary, mode, data, length, err) < 0) {
                unlinkat(dir_fd, temporary, 0);
                return -1;
        }
        if (renameat(dir_fd, temporary, dir_fd, name) < 0) {
                int errnum = errno;
                unlinkat(dir_fd, temporary, 0);
                return error_set_errno(err, ERROR_INTERNAL, errnum, "cannot rename %s to %s",
                                       temporary, name);
        }
        return fs_sync_dir(dir_fd, name, err);
}

int fs_write_file(const char *path, mode_t mode, const void *data, size_t length,
                  struct error **err)
{
        _cleanup_free_ char *directory = path_directory(path);
        _cleanup_close_ int dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open the folder %s",
                                       directory);
        if (fs_write_file_at(dir_fd, path_base(path), mode, data, length, err) < 0)
                return error_prefix(err, "%s", directory);
        return 0;
}

int fs_sync_dir(int dir_fd, const char *path, struct error **err)
{
        if (fsync(dir_fd) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot fsync the folder of %s",
                                       path);
        return 0;
}

int fs_open_dir_at(int dir_fd, const char *name, struct error **err)
{
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot open the folder %s",
                                       name);
        return fd;
}

int fs_make_dir_at(int dir_fd, const char *name, mode_t mode, struct error **err)
{
        if (mkdirat(dir_fd, name, mode) == 0)
                return 0;
        struct stat st;
        if (errno == EEXIST && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(st.st_mode))
                return 0;
        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot make the folder %s", name);
}

int fs_make_dirs(const char *path, struct error **err)
{
        _cleanup_free_ char *partial = xstrdup(path);
        for (char *slash = strchr(partial + 1, '/');; slash = strchr(slash + 1, '/')) {
                if (slash)
                        *slash = '\0';
                if (mkdir(partial, 0755) < 0 && errno != EEXIST)
                        return error_set_errno(err, ERROR_INTERNAL, errno,
                                               "cannot make the folder %s", partial);
                if (!slash)
                        return 0;
                *slash = '/';
        }
}

static int remove_directory_contents(int dir_fd, const char *name, struct error **err)
{
        int fd = fs_open_dir_at(dir_fd, name, err);
        if (fd < 0)
                return -1;
        _cleanup_(closedirp) DIR *dir = fdopendir(fd);
        if (!dir) {
                close(fd);
                return error_set(err, ERROR_INTERNAL, "cannot list %s", name);
        }
        for (struct dirent *entry; (entry = readdir(dir));) {
                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                if (fs_remove_tree_at(dirfd(dir), entry->d_name, err) < 0)
                        return error_prefix(err, "%s", name);
        }
        return 0;
}

int fs_remove_tree_at(int dir_fd, const char *name, struct error **err)
{
        if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot remove %s", name);
        if (remove_directory_contents(dir_fd, name, err) < 0)
                return -1;
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot remove the folder %s",
                                       name);
        return 0;
}

char *path_join(const char *directory, const char *name)
{
        return xasprintf("%s%s%s", directory, str_ends_with(directory, "/") ? "" : "/", name);
}

char *path_directory(const char *path)
{
        const char *slash = strrchr(path, '/');
        if (!slash)
                return xstrdup(".");
        return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

const char *path_base(const char *path)
{
        const char *slash = strrchr(path, '/');
        return slash ? slash + 1 : path;
}
