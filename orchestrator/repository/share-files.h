/* Opens and lists files on the share without trusting it: no symbolic link is followed, only
 * regular files are read, sizes are limited. The files of this folder use it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/error.h"

/* Whether `name` is a safe name for a file in a point: as name_is_safe(), but as long as a file
 * system allows (a VM's name plus a disk's). */
bool file_name_is_safe(const char *name);

/* Opens a file or folder by a relative path below dir_fd, every component safe and none a link.
 * `flags` as for open(). Returns the descriptor or -1; the error's errnum is ENOENT when the file
 * does not exist. */
int share_open_beneath(int dir_fd, const char *path, int flags, struct error **err) _must_check_;

/* Opens a regular file for reading in the same way; ERROR_CORRUPT for anything else. */
int share_open_file(int dir_fd, const char *path, struct stat *ret_stat,
                    struct error **err) _must_check_;

/* Reads a regular file directly in dir_fd (its name may start with a dot); NUL-terminated, the
 * caller frees. */
char *share_read_file(int dir_fd, const char *name, size_t max_bytes, size_t *ret_length,
                      struct error **err) _must_check_;

/* share_read_file() for a path relative to dir_fd, under the rules of share_open_beneath(). */
char *share_read_beneath(int dir_fd, const char *path, size_t max_bytes, size_t *ret_length,
                         struct error **err) _must_check_;

/* The names in a folder except "." and "..", sorted. `what` is for messages. *ret is the caller's
 * (strv_free). */
int share_list(int dir_fd, const char *what, char ***ret, struct error **err) _must_check_;

/* Renames within a folder to a name that must not exist: 0, or -1 with errno (EEXIST). */
int share_rename_new(int dir_fd, const char *from, const char *to) _must_check_;
