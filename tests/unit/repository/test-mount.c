/* /proc/self/mountinfo, by scripted ones. */
#include "repository/mount.h"

#include <criterion/criterion.h>
#include <string.h>

#define ROOT "21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"

static const struct {
        const char *mountinfo;
        const char *path;
        enum repository_fstype fstype;
        const char *type;  /* found, or NULL */
        const char *error; /* a part of the sentence */
} cases[] = {
        /* the share */
        { ROOT "40 21 0:50 / /mnt/backup rw,relatime shared:9 - nfs4 nas:/exp rw,vers=4.1,hard",
          "/mnt/backup", REPOSITORY_FSTYPE_NFS, "nfs4" },
        { ROOT "40 21 0:50 / /mnt/backup rw,relatime - nfs4 nas:/exp rw\n", "/mnt/backup",
          REPOSITORY_FSTYPE_NFS, "nfs4" },
        { ROOT
          "40 21 0:50 / /mnt/backup rw shared:9 master:2 propagate_from:3 - nfs4 nas:/exp rw\n",
          "/mnt/backup", REPOSITORY_FSTYPE_NFS, "nfs4" },
        { ROOT "40 21 0:50 / /mnt/backup rw - nfs nas:/exp rw,vers=4.2,hard\n", "/mnt/backup",
          REPOSITORY_FSTYPE_NFS, "nfs" },
        { ROOT "40 21 0:50 / /mnt/my\\040back\\134up rw - nfs4 nas:/e\\040p rw\n",
          "/mnt/my back\\up", REPOSITORY_FSTYPE_NFS, "nfs4" },
        { ROOT "40 21 7:0 / /mnt/backup rw - ext4 /dev/loop0 rw\n", "/mnt/backup",
          REPOSITORY_FSTYPE_ANY, "ext4" },
        { ROOT "40 21 0:50 / /mnt/backup rw - nfs4  rw\n", "/mnt/backup", REPOSITORY_FSTYPE_NFS,
          "nfs4" },
        /* nothing there */
        { ROOT, "/mnt/backup", REPOSITORY_FSTYPE_NFS, NULL,
          "/mnt/backup is not a mount point (the share is not mounted; mount it first)" },
        { ROOT, "/mnt/backup", REPOSITORY_FSTYPE_ANY, NULL,
          "/mnt/backup is not a mount point (the share is not mounted; mount it first)" },
        { "", "/mnt/backup", REPOSITORY_FSTYPE_ANY, NULL, "is not a mount point" },
        { ROOT "40 21 0:50 / /mnt/backup2 rw - nfs4 nas:/exp rw\n", "/mnt/backup",
          REPOSITORY_FSTYPE_NFS, NULL, "is not a mount point (" },
        { ROOT "40 21 0:50 / /mnt/backup/deep rw - nfs4 nas:/exp rw\n", "/mnt/backup",
          REPOSITORY_FSTYPE_NFS, NULL, "is not a mount point (" },
        { ROOT "40 21 0:50 / /mnt/backup rw - nfs4 nas:/exp rw\n", "/mnt/backup/orch",
          REPOSITORY_FSTYPE_NFS, NULL, "folder of the share mounted on /mnt/backup" },
        { ROOT, "/", REPOSITORY_FSTYPE_ANY, NULL, "root file system" },
        /* the wrong thing there */
        { ROOT "40 21 7:0 / /mnt/backup rw - ext4 /dev/sdb1 rw\n", "/mnt/backup",
          REPOSITORY_FSTYPE_NFS, NULL, "mount of type ext4 (from /dev/sdb1)" },
        { ROOT "40 21 0:50 / /mnt/backup rw - nfs nas:/exp rw,vers=3,proto=tcp\n", "/mnt/backup",
          REPOSITORY_FSTYPE_NFS, NULL, "version 3" },
        { ROOT "40 21 0:50 / /mnt/backup rw - nfs nas:/exp rw,mountvers=4,vers=3\n", "/mnt/backup",
          REPOSITORY_FSTYPE_NFS, NULL, "version 3" },
        { ROOT "40 21 0:50 / /mnt/backup rw - nfs nas:/exp rw,vers=42\n", "/mnt/backup",
          REPOSITORY_FSTYPE_NFS, NULL, "version 3" },
        /* several on one place: the last counts */
        { ROOT "40 21 0:50 / /mnt/backup rw - nfs4 nas:/exp rw\n41 40 0:51 / /mnt/backup rw - "
               "tmpfs tmpfs rw\n",
          "/mnt/backup", REPOSITORY_FSTYPE_NFS, NULL, "type tmpfs" },
        { ROOT "40 21 0:50 / /mnt/backup rw - autofs systemd-1 rw\n41 40 0:51 / /mnt/backup rw - "
               "nfs4 nas:/exp rw\n",
          "/mnt/backup", REPOSITORY_FSTYPE_NFS, "nfs4" },
        /* hidden by a mount over a folder above it, whichever is listed first */
        { ROOT
          "40 21 0:50 / /mnt/backup rw - nfs4 nas:/exp rw\n41 21 0:51 / /mnt rw - tmpfs tmpfs rw\n",
          "/mnt/backup", REPOSITORY_FSTYPE_NFS, NULL, "is hidden" },
        { ROOT
          "41 21 0:51 / /mnt rw - tmpfs tmpfs rw\n40 21 0:50 / /mnt/backup rw - nfs4 nas:/exp rw\n",
          "/mnt/backup", REPOSITORY_FSTYPE_NFS, NULL, "is hidden" },
        { ROOT "40 21 0:50 / /a rw - tmpfs t rw\n41 40 0:51 / /a/b/c rw - nfs4 n rw\n42 40 0:52 / "
               "/a/b rw - tmpfs u rw\n",
          "/a/b/c", REPOSITORY_FSTYPE_NFS, NULL, "is hidden" },
        /* a mount inside one that is itself mounted above is fine */
        { ROOT
          "41 21 0:51 / /mnt rw - tmpfs tmpfs rw\n40 41 0:50 / /mnt/backup rw - nfs4 nas:/exp rw\n",
          "/mnt/backup", REPOSITORY_FSTYPE_NFS, "nfs4" },
        { ROOT "40 21 0:50 / /mnt/backup rw - nfs4 nas:/exp rw\n41 40 0:51 / /mnt/backup/x rw - "
               "tmpfs t rw\n",
          "/mnt/backup", REPOSITORY_FSTYPE_NFS, "nfs4" },
        /* lines that are none */
        { "garbage\n40 21 0:50 / /mnt/backup\n - nfs4 x rw\nx 21 0:50 / /mnt/backup rw - nfs4 "
          "nas:/exp rw\n",
          "/mnt/backup", REPOSITORY_FSTYPE_NFS, NULL, "is not a mount point" },
        /* a circle of parents ends */
        { "40 41 0:50 / /mnt/backup rw - nfs4 n rw\n41 40 0:51 / /x rw - tmpfs t rw\n",
          "/mnt/backup", REPOSITORY_FSTYPE_NFS, "nfs4" },
};

Test(mount, is_found_in_mountinfo)
{
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_error_ struct error *error = NULL;
                _cleanup_free_ char *type = NULL;
                int r = mount_check(cases[i].mountinfo, cases[i].path, cases[i].fstype, &type,
                                    &error);
                if (cases[i].type) {
                        cr_expect_eq(r, 0, "case %zu: %s", i, error_message(error));
                        cr_expect_str_eq(type ? type : "", cases[i].type, "case %zu", i);
                        continue;
                }
                cr_expect_eq(r, -1, "case %zu", i);
                cr_expect(error && error->kind == ERROR_REFUSED, "case %zu", i);
                cr_expect(strstr(error_message(error), cases[i].error), "case %zu: %s", i,
                          error_message(error));
        }
}

Test(mount, paths_are_normalised_by_text)
{
        static const struct {
                const char *path;
                const char *expected;
        } paths[] = {
                { "/mnt/backup", "/mnt/backup" },
                { "/mnt/backup/", "/mnt/backup" },
                { "//mnt///backup//", "/mnt/backup" },
                { "/mnt/./backup/.", "/mnt/backup" },
                { "/mnt/x/../backup", "/mnt/backup" },
                { "/mnt/x/y/../../backup", "/mnt/backup" },
                { "/../../mnt", "/mnt" },
                { "/", "/" },
                { "/..", "/" },
                { "/mnt/..", "/" },
                { "/mnt/..x/...", "/mnt/..x/..." },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
                _cleanup_free_ char *normal = mount_normalise(paths[i].path);
                cr_expect_str_eq(normal, paths[i].expected, "%s", paths[i].path);
        }
        cr_expect_null(mount_normalise("mnt/backup"));
        cr_expect_null(mount_normalise(""));
}
