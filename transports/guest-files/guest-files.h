/* Files inside a VM's disk images, read-only, by libguestfs: a small machine (its "appliance") is
 * booted on the images and its kernel, not ours, reads what a guest wrote there. Images are opened
 * read-only with the format that is told, never guessed, below an overlay of libguestfs' own that
 * takes what a file system writes when it is mounted (its journal).
 *
 * All of it happens in a process of its own, because a call of libguestfs cannot be interrupted in
 * another way: a machine that does not boot, or an image on a share that hangs, ends at a deadline.
 * What comes back is hostile: names and contents are the guest's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct guest_image {
        const char *target; /* "vda" */
        const char *path;
        const char *format; /* "qcow2", "raw" */
};

enum guest_files_action {
        /* JSON: an array of what is in a folder, or of the one file that the path names (schema:
         * docs of `orch files`) */
        GUEST_FILES_LIST,
        /* a tar archive with "./NAME" for a file; "./" and all below it for a folder. Holes, hard
         * links, extended attributes and numeric owners are kept. For a file, other members may
         * come with it: to be left out */
        GUEST_FILES_TAR,
};

struct guest_files_request {
        enum guest_files_action action;
        const struct guest_image *images;
        size_t n_images;
        /* "vda", or "vda:2" for its second partition: the file system to look into. NULL: see
         * below */
        const char *disk;
        /* the same as libguestfs names it, for logical volumes: "/dev/vg0/data". NULL: see below */
        const char *device;
        const char *path;              /* any bytes; a final slash follows a symbolic link */
        int64_t open_timeout_ms;       /* for booting, mounting and finding the path */
        int64_t stall_timeout_ms;      /* without a byte, afterwards */
        bool (*cancelled)(void *data); /* asked at least every 200 ms. May be NULL */
        void *data;
};

struct guest_files;

/* Whether this orch was built with libguestfs, and libguestfs has a kernel to boot. ERROR_CONFIG
 * says what to install. */
int guest_files_check(struct error **err) _must_check_;

/* Starts it, and waits until the path was found. With neither `disk` nor `device` the path is as
 * the guest sees it: its operating system is found and mounted by its own fstab; images that hold
 * none, but one file system alone, show that one. ERROR_REFUSED where it is not clear which file
 * system is meant: the message lists them. ERROR_CONFIG: there is no such path, disk or device, or
 * no libguestfs or kernel on this machine. ERROR_TIMEOUT, ERROR_CANCELLED. The caller frees. */
struct guest_files *guest_files_open(const struct guest_files_request *request,
                                     struct error **err) _must_check_;

/* Ends the appliance, whatever it does; returns NULL. */
struct guest_files *guest_files_free(struct guest_files *files);
DEFINE_FREEP(struct guest_files, guest_files_free)

/* Whether the path is a folder. */
bool guest_files_is_folder(const struct guest_files *files);
/* What could not be mounted, and the like; NULL-terminated or NULL; owned by the object. */
char *const *guest_files_warnings(const struct guest_files *files);

/* The next bytes of the answer; 0 at its end, which is only told when the answer is whole. -1:
 * ERROR_TIMEOUT when nothing came for too long, ERROR_CANCELLED, or what went wrong in the
 * appliance. */
ssize_t guest_files_read(struct guest_files *files, void *buffer, size_t size,
                         struct error **err) _must_check_;
