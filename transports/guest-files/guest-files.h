/* Reads files inside a VM's disk images with libguestfs: a small virtual machine (its "appliance")
 * boots with the images, and its kernel, not ours, interprets what a guest wrote there. Images are
 * opened read-only, with the given format, which is never probed. An overlay of libguestfs takes
 * what a file system writes when it is mounted (its journal).
 *
 * All of this happens in a separate process, because a call of libguestfs cannot be interrupted
 * otherwise: an appliance that does not boot, or an image on a share that hangs, ends at a
 * deadline. What comes back is hostile: names and contents are the guest's. */
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
        /* a JSON array with the entries of a folder, or with the one file of the path (orch(1),
           `orch files`, describes it) */
        GUEST_FILES_LIST,
        /* a tar archive with "./NAME" for a file, or with "./" and all below it for a folder.
           Holes, hard links, extended attributes and numeric owners are kept. For a file the
           archive may have other members, which the caller skips */
        GUEST_FILES_TAR,
};

struct guest_files_request {
        enum guest_files_action action;
        const struct guest_image *images;
        size_t n_images;
        /* the file system to read: "vda", or "vda:2" for its second partition. NULL: see below */
        const char *disk;
        /* the same with libguestfs' name, for logical volumes: "/dev/vg0/data". NULL: see below */
        const char *device;
        const char *path;              /* any bytes; a final slash follows a symbolic link */
        int64_t open_timeout_ms;       /* limit for booting, mounting and finding the path */
        int64_t stall_timeout_ms;      /* after that: limit without a byte */
        bool (*cancelled)(void *data); /* called at least every 200 ms. May be NULL */
        void *data;
};

struct guest_files;

/* Checks that this orch was built with libguestfs, and that libguestfs has a kernel to boot.
 * ERROR_CONFIG if not; the message says what to install. */
int guest_files_check(struct error **err) _must_check_;

/* Starts the process and waits until the path is found. With neither `disk` nor `device` it is a
 * path in the guest: the guest's operating system is detected and mounted as its fstab says. If the
 * images hold no operating system but only one file system, that one is used. ERROR_REFUSED if it
 * is not clear which file system is meant: the message lists them. ERROR_CONFIG: there is no such
 * path, disk or device, or no libguestfs or kernel on this machine. ERROR_TIMEOUT, ERROR_CANCELLED.
 * The caller frees. */
struct guest_files *guest_files_open(const struct guest_files_request *request,
                                     struct error **err) _must_check_;

/* Ends the appliance in any state. Returns NULL. */
struct guest_files *guest_files_free(struct guest_files *files);
DEFINE_FREEP(struct guest_files, guest_files_free)

/* Whether the path is a folder. */
bool guest_files_is_folder(const struct guest_files *files);
/* Warnings, such as file systems that could not be mounted; NULL-terminated, or NULL; the object
 * owns them. */
char *const *guest_files_warnings(const struct guest_files *files);

/* Reads the next bytes of the answer. Returns 0 at its end, but only if the answer is complete. -1:
 * ERROR_TIMEOUT if nothing arrived for too long, ERROR_CANCELLED, or an error of the appliance. */
ssize_t guest_files_read(struct guest_files *files, void *buffer, size_t size,
                         struct error **err) _must_check_;
