/* Between the halves of guest-files: the process that watches (guest-files.c) and the one that
 * holds libguestfs (guest-files-appliance.c, guest-files-mounts.c), which tells over a pipe how it
 * stands, as lines of JSON. */
#pragma once

#include "transports/guest-files/guest-files.h"

/* In the process of its own: boots, mounts, finds; calls `opened` once, then writes the answer to
 * out_fd. */
struct guest_files_serving {
        const struct guest_files_request *request;
        int out_fd;
        void (*opened)(bool is_folder, char *const *warnings, void *data);
        void *data;
};
int guest_files_serve(const struct guest_files_serving *serving, struct error **err) _must_check_;

/* Patterns for tar's --exclude-from that, together, leave nothing in a folder but `name`: all that
 * begins otherwise, is shorter, or is longer. Names that differ from it only in bytes that no
 * pattern can tell are left in. NULL-terminated; the caller frees. */
char **guest_files_all_but(const char *name);

/* A name for people and JSON: what is not printable, or no UTF-8, as \n, \t, \xHH; a backslash
 * doubled. The caller frees. */
char *guest_files_escape(const char *name);
