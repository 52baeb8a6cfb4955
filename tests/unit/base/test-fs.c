/* Files and folders below a folder of the test's own. */
#include "base/fs.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

static char *scratch(void)
{
        char *path = xstrdup("/tmp/orch-unit-fs-XXXXXX");
        cr_assert_not_null(mkdtemp(path));
        return path;
}

static void remove_scratch(const char *path)
{
        cr_assert_eq(fs_remove_tree_at(AT_FDCWD, path, NULL), 0);
}

Test(fs, a_write_is_atomic_and_has_its_mode)
{
        _cleanup_free_ char *dir = scratch();
        _cleanup_free_ char *path = path_join(dir, "file");
        cr_assert_eq(fs_write_file(path, 0600, "one", 3, NULL), 0);
        cr_assert_eq(fs_write_file(path, 0640, "second", 6, NULL), 0);
        size_t length = 0;
        _cleanup_free_ char *text = fs_read_file(path, 100, &length, NULL);
        cr_assert_str_eq(text, "second");
        struct stat st;
        cr_assert_eq(stat(path, &st), 0);
        cr_assert_eq(st.st_mode & 07777, 0640);
        remove_scratch(dir);
}

Test(fs, a_file_above_its_cap_is_refused)
{
        _cleanup_free_ char *dir = scratch();
        _cleanup_free_ char *path = path_join(dir, "file");
        cr_assert_eq(fs_write_file(path, 0600, "0123456789", 10, NULL), 0);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_null(fs_read_file(path, 9, NULL, &error));
        cr_assert_eq(error->kind, ERROR_CORRUPT);
        remove_scratch(dir);
}

Test(fs, removal_takes_links_away_and_never_follows_them)
{
        _cleanup_free_ char *keep = scratch();
        _cleanup_free_ char *precious = path_join(keep, "precious");
        cr_assert_eq(fs_write_file(precious, 0600, "x", 1, NULL), 0);
        _cleanup_free_ char *dir = scratch();
        _cleanup_free_ char *deep = path_join(dir, "a/b/c");
        cr_assert_eq(fs_make_dirs(deep, NULL), 0);
        _cleanup_free_ char *link = path_join(deep, "link");
        cr_assert_eq(symlink(keep, link), 0);
        remove_scratch(dir);
        cr_assert_eq(access(dir, F_OK), -1);
        cr_assert_eq(access(precious, F_OK), 0);
        remove_scratch(keep);
}

Test(fs, paths_come_apart)
{
        _cleanup_free_ char *a = path_directory("/a/b");
        _cleanup_free_ char *b = path_directory("/b");
        _cleanup_free_ char *c = path_directory("b");
        cr_assert_str_eq(a, "/a");
        cr_assert_str_eq(b, "/");
        cr_assert_str_eq(c, ".");
        cr_assert_str_eq(path_base("/a/b"), "b");
        cr_assert_str_eq(path_base("b"), "b");
}
