/* A world put aside and taken out again: what is in memory, and all files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "world.h"

enum { FILE_MAX = 256 * 1024 };

struct saved_file {
        char *path;
        mode_t mode;
        char *content; /* of a link: where it leads */
        size_t length;
};

struct saved_world {
        struct world world;
        struct saved_file *files; /* a folder before what is in it */
        size_t count;
};

static char *read_content(const char *path, mode_t mode, size_t *ret_length)
{
        char link[WORLD_PATH * 2];
        if (S_ISREG(mode)) {
                char *content = fs_read_file(path, FILE_MAX, ret_length, NULL);
                if (!content)
                        abort();
                return content;
        }
        ssize_t n = S_ISLNK(mode) ? readlink(path, link, sizeof link) : 0;
        *ret_length = n > 0 ? (size_t)n : 0;
        return xstrndup(link, *ret_length);
}

static bool is_of_model(const char *path)
{
        return streq(path, WORLD_SHARE) || streq(path, "/run/model-qemu");
}

static void save_folder(struct saved_world *saved, const char *folder)
{
        _cleanup_(closedirp) DIR *dir = opendir(folder);
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                struct stat st;
                _cleanup_free_ char *path = xasprintf("%s/%s", folder, entry->d_name);
                if (streq(entry->d_name, ".") || streq(entry->d_name, "..") || is_of_model(path) ||
                    lstat(path, &st) < 0)
                        continue;
                saved->files = xrealloc_array(saved->files, saved->count + 1, sizeof *saved->files);
                struct saved_file *file = &saved->files[saved->count++];
                *file = (struct saved_file){ .path = xstrdup(path), .mode = st.st_mode };
                file->content = read_content(path, st.st_mode, &file->length);
                if (S_ISDIR(st.st_mode))
                        save_folder(saved, path);
        }
}

struct saved_world *world_save(void)
{
        struct saved_world *saved = xcalloc(1, sizeof *saved);
        saved->world = *world;
        save_folder(saved, "/run");
        save_folder(saved, "/var/lib");
        save_folder(saved, WORLD_SHARE);
        return saved;
}

void world_load(const struct saved_world *saved)
{
        world_empty();
        for (size_t i = 0; i < saved->count; i++) {
                const struct saved_file *file = &saved->files[i];
                bool made = S_ISDIR(file->mode) ? mkdir(file->path, 0700) == 0
                            : S_ISLNK(file->mode)
                                    ? symlink(file->content, file->path) == 0
                                    : fs_write_file(file->path, file->mode & 07777, file->content,
                                                    file->length, NULL) == 0;
                if (!made && errno != EEXIST)
                        abort();
        }
        /* a folder may be read-only: once all is in it */
        for (size_t i = saved->count; i-- > 0;)
                if (S_ISDIR(saved->files[i].mode) &&
                    chmod(saved->files[i].path, saved->files[i].mode & 07777) < 0)
                        abort();
        *world = saved->world;
}

void world_drop(struct saved_world *saved)
{
        for (size_t i = 0; i < saved->count; i++) {
                free(saved->files[i].path);
                free(saved->files[i].content);
        }
        free(saved->files);
        free(saved);
}
