/* The interface between the two processes of guest-files: the one that supervises (guest-files.c)
 * and the one with libguestfs (guest-files-appliance.c, guest-files-mounts.c), which reports its
 * state over a pipe as lines of JSON. */
#pragma once

#include "transports/guest-files/guest-files.h"

/* What the process with libguestfs does: it boots the appliance, mounts, finds the path, calls
 * `opened` once, and then writes the answer to out_fd. */
struct guest_files_serving {
        const struct guest_files_request *request;
        int out_fd;
        void (*opened)(bool is_folder, char *const *warnings, void *data);
        void *data;
};
int guest_files_serve(const struct guest_files_serving *serving, struct error **err) _must_check_;

/* Patterns for tar's --exclude-from that together exclude everything in a folder except `name`:
 * names that begin differently, are shorter, or are longer. Names that differ only in bytes that no
 * pattern can distinguish remain. NULL-terminated; the caller frees. */
char **guest_files_all_but(const char *name);

/* A name for display and JSON: bytes that are not printable or not UTF-8 become \n, \t, \xHH, and a
 * backslash is doubled. The caller frees. */
char *guest_files_escape(const char *name);
