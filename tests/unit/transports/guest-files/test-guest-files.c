/* Names of files as guests make them: shown without harm, and told apart by tar's own patterns. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/child.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "transports/guest-files/guest-files-internal.h"

Test(guest_files, names_are_shown_without_harm)
{
        static const struct {
                const char *name;
                const char *shown;
        } cases[] = {
                { "plain name.txt", "plain name.txt" },
                { "gr\xc3\xbcn", "gr\xc3\xbcn" },
                { "new\nline\ttab", "new\\nline\\ttab" },
                { "\x1b[31m\x7f", "\\x1b[31m\\x7f" },
                { "back\\slash", "back\\\\slash" },
                { "\xff\xfe", "\\xff\\xfe" },
                { "cut\xe2\x82", "cut\\xe2\\x82" },
                { "\xc0\xaf", "\\xc0\\xaf" },              /* an overlong '/' */
                { "\xed\xa0\x80", "\\xed\\xa0\\x80" },     /* a surrogate */
                { "a\xc2\x85z", "a\\xc2\\x85z" },          /* a line break beyond ASCII */
                { "a\xe2\x80\xaez", "a\\xe2\\x80\\xaez" }, /* turns the reading direction */
                { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
                { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
                { "", "" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *shown = guest_files_escape(cases[i].name);
                cr_expect_str_eq(shown, cases[i].shown);
        }
}

/* What GNU tar takes of a folder with all of `names` when the patterns for `wanted` are excluded;
 * sorted lines. */
static char *tar_takes(const char *folder, const char *wanted)
{
        _cleanup_strv_ char **patterns = guest_files_all_but(wanted);
        _cleanup_free_ char *lines = strv_join(patterns, "\n");
        _cleanup_free_ char *exclude = path_join(folder, "../patterns");
        cr_assert_eq(fs_write_file(exclude, 0600, lines, strlen(lines), NULL), 0);
        const char *argv[] = { "sh",
                               "-c",
                               "tar -C \"$1\" -cf - -X \"$2\" . | tar -tf - "
                               "--quoting-style=literal | grep -v '^\\./$' | LC_ALL=C sort",
                               "sh",
                               folder,
                               exclude,
                               NULL };
        struct child_options options = { .timeout_ms = 30000 };
        _cleanup_child_result_ struct child_result result = { 0 };
        cr_assert_eq(child_run(argv, &options, &result, NULL), 0);
        return TAKE_PTR(result.output);
}

Test(guest_files, tar_leaves_all_but_one_file_out)
{
        static const char *const names[] = { "a", "ab",  "abc", "abcd", "b",    "ba", "*", "[!a]",
                                             "?", "a*c", "a b", "-a",   "a\\b", ".a", "^", "a^" };
        char top[] = "/tmp/orch-test-XXXXXX";
        cr_assert_not_null(mkdtemp(top));
        _cleanup_free_ char *folder = path_join(top, "folder");
        cr_assert_eq(mkdir(folder, 0700), 0);
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
                _cleanup_free_ char *path = path_join(folder, names[i]);
                cr_assert_eq(fs_write_file(path, 0600, "", 0, NULL), 0);
        }
        _cleanup_free_ char *below = path_join(folder, "c");
        cr_assert_eq(mkdir(below, 0700), 0);
        _cleanup_free_ char *namesake = path_join(below, "a");
        cr_assert_eq(fs_write_file(namesake, 0600, "", 0, NULL), 0);
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
                _cleanup_free_ char *taken = tar_takes(folder, names[i]);
                _cleanup_free_ char *line = xasprintf("./%s\n", names[i]);
                /* A byte that no pattern can tell lets others through; what is wanted always
                 * comes. */
                if (strpbrk(names[i], "*[?\\^"))
                        cr_expect(strstr(taken, line), "%s: %s", names[i], taken);
                else
                        cr_expect_str_eq(taken, line);
        }
        cr_assert_eq(fs_remove_tree_at(AT_FDCWD, top, NULL), 0);
}

Test(guest_files, a_line_break_ends_what_patterns_can_tell)
{
        _cleanup_strv_ char **patterns = guest_files_all_but("a\nb");
        cr_assert_eq(strv_length(patterns), 1);
        cr_assert_str_eq(patterns[0], "./[!a]*");
}
