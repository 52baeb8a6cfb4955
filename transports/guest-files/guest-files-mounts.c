/* Implements transports/guest-files/guest-files-mounts.h.
 * Messages use the VM's names of the disks ("vda", its second partition "vda:2"), never libguestfs'
 * ("/dev/sda2"). Images are added in the order of the request, and libguestfs names them in that
 * order. */
#include "transports/guest-files/guest-files-mounts.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "transports/guest-files/guest-files-internal.h"

/* libguestfs' "hash tables": key, value, key, value, …, NULL. */
struct filesystems {
        guestfs_h *g;
        const struct guest_files_request *request;
        char **devices; /* libguestfs' names of the images, in order */
        char **found;   /* device → type */
};

static void filesystems_done(struct filesystems *filesystems)
{
        strv_free(filesystems->devices);
        strv_free(filesystems->found);
}

int guest_files_error(guestfs_h *g, struct error **err, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *what = xvasprintf(format, ap);
        va_end(ap);
        const char *last = guestfs_last_error(g);
        _cleanup_free_ char *said = str_one_line(last ? last : "libguestfs gave no reason", 1000);
        return error_set(err, ERROR_INTERNAL, "%s: %s", what, said);
}

/* "vda" or "vda:2" for a device on an image of the request, otherwise libguestfs' name. The caller
 * frees. */
static char *shown_name(const struct filesystems *filesystems, const char *device)
{
        for (size_t i = 0; i < filesystems->request->n_images && filesystems->devices[i]; i++) {
                if (!str_starts_with(device, filesystems->devices[i]))
                        continue;
                const char *rest = device + strlen(filesystems->devices[i]);
                if (rest[strspn(rest, "0123456789")] == '\0')
                        return xasprintf("%s%s%s", filesystems->request->images[i].target,
                                         *rest ? ":" : "", rest);
        }
        return guest_files_escape(device);
}

static bool can_be_mounted(const char *type)
{
        return !streq(type, "unknown") && !streq(type, "swap") && !streq(type, "crypto_LUKS") &&
               !streq(type, "");
}

/* "vda (ext4), vdb:1 (xfs), /dev/vg0/data (ext4)"; the caller frees. */
static char *list_them(const struct filesystems *filesystems)
{
        struct strbuf out = { 0 };
        for (size_t i = 0; filesystems->found[i] && filesystems->found[i + 1]; i += 2) {
                if (!can_be_mounted(filesystems->found[i + 1]))
                        continue;
                _cleanup_free_ char *name = shown_name(filesystems, filesystems->found[i]);
                _cleanup_free_ char *type = guest_files_escape(filesystems->found[i + 1]);
                strbuf_addf(&out, "%s%s (%s)", out.length ? ", " : "", name, type);
        }
        return out.length ? strbuf_take(&out) : xstrdup("none");
}

static int find_filesystems(guestfs_h *g, const struct guest_files_request *request,
                            struct filesystems *ret, struct error **err)
{
        *ret = (struct filesystems){ .g = g, .request = request };
        ret->devices = guestfs_list_devices(g);
        ret->found = ret->devices ? guestfs_list_filesystems(g) : NULL;
        if (ret->found)
                return 0;
        guest_files_error(g, err, "cannot list the file systems of these disks");
        return -1;
}

static int mount_one(const struct filesystems *filesystems, const char *device, const char *where,
                     struct error **err)
{
        if (guestfs_mount_ro(filesystems->g, device, where) == 0)
                return 0;
        _cleanup_free_ char *name = shown_name(filesystems, device);
        _cleanup_free_ char *shown = guest_files_escape(where);
        return guest_files_error(filesystems->g, err, "%s cannot be mounted%s%s", name,
                                 streq(where, "/") ? "" : " at ", streq(where, "/") ? "" : shown);
}

/* The only mountable file system whose name is `prefix` followed by digits; NULL if there is none,
 * or several. */
static const char *only_one(const struct filesystems *filesystems, const char *prefix)
{
        const char *only = NULL;
        for (size_t i = 0; filesystems->found[i] && filesystems->found[i + 1]; i += 2) {
                const char *device = filesystems->found[i];
                if (!can_be_mounted(filesystems->found[i + 1]))
                        continue;
                if (prefix &&
                    (!str_starts_with(device, prefix) ||
                     device[strlen(prefix) + strspn(device + strlen(prefix), "0123456789")]))
                        continue;
                if (only)
                        return NULL;
                only = device;
        }
        return only;
}

/* Mounts what `--disk vda:2` or `--disk vda` names. */
static int mount_disk(const struct filesystems *filesystems, const char *disk, struct error **err)
{
        size_t length = strcspn(disk, ":");
        const char *device = NULL;
        for (size_t i = 0; i < filesystems->request->n_images && filesystems->devices[i]; i++)
                if (strlen(filesystems->request->images[i].target) == length &&
                    strncmp(filesystems->request->images[i].target, disk, length) == 0)
                        device = filesystems->devices[i];
        _cleanup_free_ char *there_are = list_them(filesystems);
        if (!device)
                return error_set(err, ERROR_CONFIG,
                                 "there is no disk '%.*s' in this point; its file systems: %s",
                                 (int)length, disk, there_are);
        if (disk[length]) {
                _cleanup_free_ char *partition = xasprintf("%s%s", device, disk + length + 1);
                for (size_t i = 0; filesystems->found[i]; i += 2)
                        if (streq(filesystems->found[i], partition))
                                return mount_one(filesystems, partition, "/", err);
                return error_set(err, ERROR_CONFIG,
                                 "there is no '%s' in this point; its file systems: %s", disk,
                                 there_are);
        }
        const char *only = only_one(filesystems, device);
        if (!only)
                return error_set(err, ERROR_REFUSED,
                                 "disk %s has no file system, or more than one; name one of: %s",
                                 disk, there_are);
        return mount_one(filesystems, only, "/", err);
}

static int mount_device(const struct filesystems *filesystems, const char *device,
                        struct error **err)
{
        for (size_t i = 0; filesystems->found[i]; i += 2)
                if (streq(filesystems->found[i], device))
                        return mount_one(filesystems, device, "/", err);
        _cleanup_free_ char *there_are = list_them(filesystems);
        return error_set(err, ERROR_CONFIG, "there is no '%s' in this point; its file systems: %s",
                         device, there_are);
}

/* The shortest mount point that is not mounted yet, so "/" comes first. NULL at the end. */
static const char **next_mount(char **mounts)
{
        char **next = NULL;
        for (char **p = mounts; p[0] && p[1]; p += 2)
                if (p[0][0] && (!next || strlen(p[0]) < strlen(next[0])))
                        next = p;
        return (const char **)next;
}

static int mount_system(const struct filesystems *filesystems, const char *root, char ***warnings,
                        struct error **err)
{
        _cleanup_strv_ char **mounts = guestfs_inspect_get_mountpoints(filesystems->g, root);
        if (!mounts)
                return guest_files_error(filesystems->g, err,
                                         "cannot read the guest's mount points");
        for (const char **mount; (mount = next_mount(mounts));) {
                _cleanup_error_ struct error *error = NULL;
                bool is_root = streq(mount[0], "/");
                if (mount_one(filesystems, mount[1], mount[0], &error) < 0) {
                        if (is_root)
                                return error_propagate(err, TAKE_PTR(error));
                        strv_add(warnings, error->message);
                }
                ((char *)mount[0])[0] = '\0';
        }
        return 0;
}

int guest_files_mount(guestfs_h *g, const struct guest_files_request *request, char ***warnings,
                      struct error **err)
{
        _cleanup_(filesystems_done) struct filesystems filesystems = { 0 };
        if (find_filesystems(g, request, &filesystems, err) < 0)
                return -1;
        if (request->device)
                return mount_device(&filesystems, request->device, err);
        if (request->disk)
                return mount_disk(&filesystems, request->disk, err);
        _cleanup_strv_ char **roots = guestfs_inspect_os(g);
        if (!roots)
                return guest_files_error(g, err,
                                         "cannot look for an operating system in these disks");
        if (strv_length(roots) == 1)
                return mount_system(&filesystems, roots[0], warnings, err);
        const char *only = roots[0] ? NULL : only_one(&filesystems, NULL);
        if (only)
                return mount_one(&filesystems, only, "/", err);
        _cleanup_free_ char *there_are = list_them(&filesystems);
        return error_set(
                err, ERROR_REFUSED,
                "%s in these disks: name a file system with --disk or --device. There are: %s",
                roots[0] ? "there is more than one operating system"
                         : "no operating system was found",
                there_are);
}
