/* An archive of a guest's files onto this machine, or on to standard output, by libarchive. The
 * archive is hostile input: what it names stays below the folder it is unpacked into, whatever
 * links it holds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct unpack {
        /* The next bytes of a tar archive; 0 at its end; -1 with an error. */
        ssize_t (*read)(void *data, void *buffer, size_t size, struct error **err);
        void *data;
        /* the archive is "./" and all below it; else "./MEMBER" alone is taken out of it */
        bool is_folder;
        const char *member; /* of a file; NULL for a folder */
        const char *name;   /* what the file or folder is called here: a single path component */
        /* also device nodes, set-user-ID and set-group-ID bits and file capabilities; for a tar
         * always */
        bool privileged;
};

struct unpack_result {
        uint64_t files; /* all that was written, folders and links too */
        uint64_t bytes; /* lengths of the regular files */
        char **warnings;
};
void unpack_result_done(struct unpack_result *result);
#define _cleanup_unpack_result_ _cleanup_(unpack_result_done)

/* Unpacks into `folder` under its name: in a folder of its own there first, moved into place when
 * it is whole, so that a failure leaves nothing. What has that name already is replaced as a whole
 * with `replace`, else ERROR_REFUSED. */
int unpack_to_folder(const struct unpack *unpack, const char *folder, bool replace,
                     struct unpack_result *ret, struct error **err) _must_check_;

/* Writes it to a descriptor as a pax archive, with holes. */
int unpack_to_tar(const struct unpack *unpack, int fd, struct unpack_result *ret,
                  struct error **err) _must_check_;
