/* checksums.sha256: a list in the format that sha256sum writes and `sha256sum -c` reads. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"

#define CHECKSUMS_NAME "checksums.sha256"
enum { CHECKSUMS_MAX_BYTES = 16 * 1024 * 1024 };

struct checksum {
        char *name;   /* relative to the point */
        char *sha256; /* lower-case hex */
        /* stat data of the file when it was hashed; publication compares them. Zero in a list that
         * was read from a file. */
        ino_t inode;
        uint64_t bytes;
        struct timespec modified;
};

struct checksums {
        struct checksum *items; /* sorted by name */
        size_t count;
};
void checksums_done(struct checksums *list);
#define _cleanup_checksums_ _cleanup_(checksums_done)

/* Adds or replaces an entry. The texts and `*st` are copied; `st` may be NULL. */
void checksums_set(struct checksums *list, const char *name, const char *sha256,
                   const struct stat *st);
/* The entry of that name, or NULL. The list keeps ownership. */
const struct checksum *checksums_find(const struct checksums *list, const char *name);

/* Formats the list; the caller frees. A name with a backslash or a line break is escaped as
 * sha256sum does it. */
char *checksums_format(const struct checksums *list);
/* Parses such a text. ERROR_CORRUPT, naming the line, when it has another format or is empty.
 * checksums_done() frees. */
int checksums_parse(const char *text, size_t length, struct checksums *ret,
                    struct error **err) _must_check_;
/* Reads the list of a point, whose folder is open as point_fd; `path` is for messages.
 * ERROR_CORRUPT when it is missing or cannot be parsed. */
int checksums_read(int point_fd, const char *path, struct checksums *ret,
                   struct error **err) _must_check_;
