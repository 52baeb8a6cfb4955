/* The process with libguestfs: it boots the appliance, mounts, resolves the path, and lists or
 * archives.
 *
 * libguestfs' daemon resolves paths inside the guest's file systems (a symbolic link to /etc means
 * the guest's /etc). tar would not, so it gets only resolved paths. Holes survive because of
 * TAR_OPTIONS=--sparse on the appliance's kernel command line: the kernel does not know this word
 * and passes it to its programs as an environment variable. Without it an archive would be larger,
 * but correct. */
#include <errno.h>
#include <glob.h>
#include <guestfs.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"
#include "transports/guest-files/guest-files-internal.h"
#include "transports/guest-files/guest-files-mounts.h"

static void guestfs_closep(guestfs_h **g)
{
        if (*g)
                guestfs_close(*g);
}

static bool any_file(const char *pattern)
{
        glob_t found = { 0 };
        bool any = glob(pattern, 0, NULL, &found) == 0;
        globfree(&found);
        return any;
}

/* Without this check libguestfs would only report that supermin failed. */
int guest_files_check(struct error **err)
{
        if (getenv("LIBGUESTFS_PATH") || getenv("SUPERMIN_KERNEL") || any_file("/boot/vmlinuz-*") ||
            any_file("/lib/modules/*/vmlinuz"))
                return 0;
        return error_set(err, ERROR_CONFIG,
                         "libguestfs needs a kernel to read disk images, and there is none in "
                         "/boot: install one (Debian: linux-image-cloud-amd64; RHEL: kernel-core), "
                         "or set LIBGUESTFS_PATH to a folder with an appliance made by "
                         "`libguestfs-make-fixed-appliance`");
}

static guestfs_h *new_handle(const struct guest_files_request *request, bool emulated,
                             struct error **err)
{
        guestfs_h *g = guestfs_create();
        if (!g) {
                error_set_errno(err, ERROR_INTERNAL, errno, "cannot start libguestfs");
                return NULL;
        }
        guestfs_set_error_handler(g, NULL, NULL);
        /* "direct", not "libvirt": libvirt would chown and relabel the images. */
        bool ok = (getenv("LIBGUESTFS_BACKEND") || guestfs_set_backend(g, "direct") == 0) &&
                  guestfs_set_append(g, "TAR_OPTIONS=--sparse") == 0 &&
                  guestfs_set_autosync(g, 0) == 0 &&
                  (!emulated || guestfs_set_backend_setting(g, "force_tcg", "1") == 0);
        for (size_t i = 0; ok && i < request->n_images; i++)
                ok = guestfs_add_drive_opts(
                             g, request->images[i].path, GUESTFS_ADD_DRIVE_OPTS_READONLY, 1,
                             GUESTFS_ADD_DRIVE_OPTS_FORMAT, request->images[i].format, -1) == 0;
        if (ok)
                return g;
        guest_files_error(g, err, "cannot open the disk images");
        guestfs_close(g);
        return NULL;
}

/* Boots the appliance; without KVM if /dev/kvm does not work (in a nested VM, in a container). */
static guestfs_h *launch_appliance(const struct guest_files_request *request, struct error **err)
{
        if (guest_files_check(err) < 0)
                return NULL;
        bool may_be_emulated = access("/dev/kvm", R_OK | W_OK) == 0;
        for (int attempt = 0;; attempt++) {
                _cleanup_(guestfs_closep) guestfs_h *g = new_handle(request, attempt == 1, err);
                if (!g)
                        return NULL;
                if (guestfs_launch(g) == 0)
                        return TAKE_PTR(g);
                if (attempt == 1 || !may_be_emulated) {
                        guest_files_error(g, err,
                                          "libguestfs could not boot its appliance (run "
                                          "`libguestfs-test-tool` for details)");
                        return NULL;
                }
        }
}

struct place {
        char *folder; /* the file's folder, or the folder itself; without symbolic links */
        char *name;   /* the file's name; NULL: the folder itself */
        struct guestfs_statns *stat;
};

static void place_done(struct place *place)
{
        free(place->folder);
        free(place->name);
        if (place->stat)
                guestfs_free_statns(place->stat);
}

static int no_such_path(guestfs_h *g, const char *path, struct error **err)
{
        _cleanup_free_ char *shown = guest_files_escape(path);
        int errnum = guestfs_last_errno(g);
        if (errnum == ENOENT || errnum == ENOTDIR)
                return error_set(err, ERROR_CONFIG, "there is no %s in this point", shown);
        return guest_files_error(g, err, "cannot read %s", shown);
}

static int find_place(guestfs_h *g, const char *wanted, struct place *place, struct error **err)
{
        _cleanup_free_ char *path = xasprintf("%s%s", *wanted == '/' ? "" : "/", wanted);
        const char *name = strrchr(path, '/') + 1;
        bool as_folder = !*name || streq(name, ".") || streq(name, "..");
        _cleanup_free_ char *parent =
                as_folder ? xstrdup(path) : xstrndup(path, (size_t)(name - path));
        place->folder = guestfs_realpath(g, parent);
        if (!place->folder)
                return no_such_path(g, wanted, err);
        _cleanup_free_ char *whole =
                as_folder ? xstrdup(place->folder) : path_join(place->folder, name);
        place->stat = guestfs_lstatns(g, whole);
        if (!place->stat)
                return no_such_path(g, wanted, err);
        if (S_ISDIR(place->stat->st_mode)) {
                free(place->folder);
                place->folder = TAKE_PTR(whole);
        } else if (as_folder) {
                _cleanup_free_ char *shown = guest_files_escape(wanted);
                return error_set(err, ERROR_CONFIG, "%s is not a folder", shown);
        } else
                place->name = xstrdup(name);
        return 0;
}

static const char *type_name(int64_t mode)
{
        switch (mode & S_IFMT) {
        case S_IFREG:
                return "file";
        case S_IFDIR:
                return "folder";
        case S_IFLNK:
                return "symlink";
        case S_IFBLK:
                return "block";
        case S_IFCHR:
                return "character";
        case S_IFIFO:
                return "fifo";
        default:
                return "socket";
        }
}

static json_t *entry_to_json(const char *name, const struct guestfs_statns *stat, const char *link)
{
        _cleanup_free_ char *shown = guest_files_escape(name);
        _cleanup_free_ char *target =
                S_ISLNK(stat->st_mode) && link ? guest_files_escape(link) : NULL;
        _cleanup_free_ char *mode = xasprintf("%04llo", (unsigned long long)stat->st_mode & 07777U);
        _cleanup_free_ char *modified = clock_format_rfc3339(stat->st_mtime_sec);
        json_t *entry = json_pack(
                "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s*}", "name", shown, "type",
                type_name(stat->st_mode), "mode", mode, "uid", (json_int_t)stat->st_uid, "gid",
                (json_int_t)stat->st_gid, "links", (json_int_t)stat->st_nlink, "size",
                (json_int_t)stat->st_size, "modified", modified, "target", target);
        if (entry && (S_ISBLK(stat->st_mode) || S_ISCHR(stat->st_mode)))
                json_object_set_new(entry, "device",
                                    json_sprintf("%u:%u", major((dev_t)stat->st_rdev),
                                                 minor((dev_t)stat->st_rdev)));
        return entry;
}

static int write_list(json_t *list, int fd, struct error **err)
{
        _cleanup_free_ char *text = json_dumps(list, JSON_COMPACT);
        if (!text)
                return error_set(err, ERROR_INTERNAL, "cannot format the list");
        return fs_write_all(fd, text, strlen(text), err);
}

static int list_guest_folder(guestfs_h *g, const char *folder, json_t *list, struct error **err)
{
        _cleanup_strv_ char **names = guestfs_ls(g, folder);
        struct guestfs_statns_list *stats = names ? guestfs_lstatnslist(g, folder, names) : NULL;
        _cleanup_strv_ char **links = stats ? guestfs_readlinklist(g, folder, names) : NULL;
        size_t n_links = strv_length(links);
        /* For an entry that cannot be read, the inode number is -1. */
        for (uint32_t i = 0; links && i < stats->len && i < strv_length(names); i++)
                if (stats->val[i].st_ino != -1)
                        json_array_append_new(list, entry_to_json(names[i], &stats->val[i],
                                                                  i < n_links ? links[i] : NULL));
        if (stats)
                guestfs_free_statns_list(stats);
        return links ? 0 : guest_files_error(g, err, "cannot list the folder");
}

static int send_list(guestfs_h *g, const struct place *place, int fd, struct error **err)
{
        _cleanup_json_ json_t *list = json_array();
        if (!place->name) {
                if (list_guest_folder(g, place->folder, list, err) < 0)
                        return -1;
                return write_list(list, fd, err);
        }
        _cleanup_free_ char *path = path_join(place->folder, place->name);
        _cleanup_free_ char *link =
                S_ISLNK(place->stat->st_mode) ? guestfs_readlink(g, path) : NULL;
        json_array_append_new(list, entry_to_json(place->name, place->stat, link));
        return write_list(list, fd, err);
}

static int send_tar(guestfs_h *g, const struct place *place, int fd, struct error **err)
{
        _cleanup_free_ char *to = xasprintf("/dev/fd/%d", fd);
        _cleanup_strv_ char **excludes = place->name ? guest_files_all_but(place->name) : NULL;
        char *none[] = { NULL };
        if (guestfs_tar_out_opts(g, place->folder, to, GUESTFS_TAR_OUT_OPTS_NUMERICOWNER, 1,
                                 GUESTFS_TAR_OUT_OPTS_XATTRS, 1, GUESTFS_TAR_OUT_OPTS_ACLS, 1,
                                 GUESTFS_TAR_OUT_OPTS_EXCLUDES, excludes ? excludes : none,
                                 -1) == 0)
                return 0;
        return guest_files_error(g, err, "cannot read it from the disk images");
}

int guest_files_serve(const struct guest_files_serving *serving, struct error **err)
{
        _cleanup_(guestfs_closep) guestfs_h *g = launch_appliance(serving->request, err);
        _cleanup_strv_ char **warnings = NULL;
        if (!g || guest_files_mount(g, serving->request, &warnings, err) < 0)
                return -1;
        _cleanup_(place_done) struct place place = { 0 };
        if (find_place(g, serving->request->path, &place, err) < 0)
                return -1;
        serving->opened(!place.name, warnings, serving->data);
        return serving->request->action == GUEST_FILES_LIST
                       ? send_list(g, &place, serving->out_fd, err)
                       : send_tar(g, &place, serving->out_fd, err);
}
