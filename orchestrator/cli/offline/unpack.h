/* Unpacks an archive of a guest's files on this machine, or copies it to standard output, with
 * libarchive. The archive is hostile input: nothing is written outside the target folder, whatever
 * names and links it contains. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct unpack {
        /* Reads the next bytes of a tar archive; 0 at its end; -1 with an error. */
        ssize_t (*read)(void *data, void *buffer, size_t size, struct error **err);
        void *data;
        /* true: the archive is "./" and all below it; false: only "./MEMBER" is taken from it */
        bool is_folder;
        const char *member; /* the file's name in the archive; NULL for a folder */
        const char *name;   /* its name on this machine: a single path component */
        /* keep device nodes, set-user-ID and set-group-ID bits and file capabilities;
         * unpack_to_tar() always keeps them */
        bool privileged;
};

struct unpack_result {
        uint64_t files; /* everything that was written, including folders and links */
        uint64_t bytes; /* total length of the regular files */
        char **warnings;
};
void unpack_result_done(struct unpack_result *result);
#define _cleanup_unpack_result_ _cleanup_(unpack_result_done)

/* Unpacks into `folder`, under unpack->name. It is unpacked into a temporary folder there and moved
 * into place when it is complete, so that a failure leaves nothing. An existing file or folder of
 * that name is replaced as a whole if `replace` is set; otherwise ERROR_REFUSED. */
int unpack_to_folder(const struct unpack *unpack, const char *folder, bool replace,
                     struct unpack_result *ret, struct error **err) _must_check_;

/* Writes the archive to a descriptor in pax format, with holes. The caller keeps the descriptor. */
int unpack_to_tar(const struct unpack *unpack, int fd, struct unpack_result *ret,
                  struct error **err) _must_check_;
