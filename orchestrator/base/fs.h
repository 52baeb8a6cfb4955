/* Files: whole-file reads, durable writes, and removal that follows no links.
 *
 * Durable means: written to a temporary name in the same directory, fsynced, closed with its result
 * checked (NFS reports a full server only there), renamed, and the directory fsynced. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* Reads a whole file of at most `max_bytes`; the result is NUL-terminated (which *ret_length does
 * not count; may be NULL). The caller frees. ERROR_CORRUPT when the file is larger. */
char *fs_read_file(const char *path, size_t max_bytes, size_t *ret_length,
                   struct error **err) _must_check_;
char *fs_read_file_at(int dir_fd, const char *name, size_t max_bytes, size_t *ret_length,
                      struct error **err) _must_check_;

/* Writes a file durably and atomically with exactly `mode` (umask does not apply). `name` is a
 * single component. */
int fs_write_file_at(int dir_fd, const char *name, mode_t mode, const void *data, size_t length,
                     struct error **err) _must_check_;
/* Like fs_write_file_at(), by path. The file's folder must exist. */
int fs_write_file(const char *path, mode_t mode, const void *data, size_t length,
                  struct error **err) _must_check_;

/* Writes all `length` bytes to a descriptor; it goes on after short writes and EINTR. */
int fs_write_all(int fd, const void *data, size_t length, struct error **err) _must_check_;

/* fsync of a directory given by descriptor; `path` is for the message. */
int fs_sync_dir(int dir_fd, const char *path, struct error **err) _must_check_;

/* Opens a directory O_DIRECTORY|O_CLOEXEC|O_NOFOLLOW. Returns the descriptor, or -1. dir_fd may be
 * AT_FDCWD. */
int fs_open_dir_at(int dir_fd, const char *name, struct error **err) _must_check_;

/* Makes the directory with `mode` where it is missing; `name` is one component below dir_fd. An
 * existing directory is no error. */
int fs_make_dir_at(int dir_fd, const char *name, mode_t mode, struct error **err) _must_check_;

/* Makes each missing directory of a path, mode 0755. */
int fs_make_dirs(const char *path, struct error **err) _must_check_;

/* Removes a file, or a directory with all that is in it; symbolic links are removed, never
 * followed. A missing file is no error. */
int fs_remove_tree_at(int dir_fd, const char *name, struct error **err) _must_check_;

/* "<directory>/<name>"; the caller frees. */
char *path_join(const char *directory, const char *name);
/* The directory part ("." when there is none; "/" for the root) and the last component; the caller
 * frees. */
char *path_directory(const char *path);
const char *path_base(const char *path);
