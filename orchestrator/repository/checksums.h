/* checksums.sha256: a list as sha256sum writes it and `sha256sum -c` reads it. */
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
        /* The file as it was hashed: it must still be that when it is published. Zero in a list
         * that was read. */
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

/* Adds or replaces an entry; `st` may be NULL. */
void checksums_set(struct checksums *list, const char *name, const char *sha256,
                   const struct stat *st);
/* NULL when there is none. */
const struct checksum *checksums_find(const struct checksums *list, const char *name);

/* The text; the caller frees. A name with a backslash or a line break is escaped as sha256sum
 * does. */
char *checksums_format(const struct checksums *list);
/* Reads it back. ERROR_CORRUPT, naming the line, when it is anything else; an empty list is. */
int checksums_parse(const char *text, size_t length, struct checksums *ret,
                    struct error **err) _must_check_;
/* Reads that of a point, open as point_fd; `path` is for messages. ERROR_CORRUPT when it is missing
 * or no such list. */
int checksums_read(int point_fd, const char *path, struct checksums *ret,
                   struct error **err) _must_check_;
