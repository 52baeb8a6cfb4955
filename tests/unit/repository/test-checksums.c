/* checksums.sha256, as `sha256sum` writes and reads it. */
#include "repository/checksums.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/cleanup.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

Test(checksums, are_sorted_and_replaced_by_name)
{
        _cleanup_checksums_ struct checksums list = { 0 };
        checksums_set(&list, "vm.xml", A, NULL);
        checksums_set(&list, "backup.log", A, NULL);
        checksums_set(&list, "vm.xml", B, NULL);
        _cleanup_free_ char *text = checksums_format(&list);
        cr_expect_str_eq(text, A "  backup.log\n" B "  vm.xml\n");
        cr_expect_null(checksums_find(&list, "vm"));
        cr_expect_str_eq(checksums_find(&list, "vm.xml")->sha256, B);
}

Test(checksums, odd_names_survive_as_sha256sum_writes_them)
{
        _cleanup_checksums_ struct checksums list = { 0 };
        checksums_set(&list, "a\\b\nc", A, NULL);
        _cleanup_free_ char *text = checksums_format(&list);
        cr_expect_str_eq(text, "\\" A "  a\\\\b\\nc\n");
        _cleanup_checksums_ struct checksums back = { 0 };
        cr_assert_eq(checksums_parse(text, strlen(text), &back, NULL), 0);
        cr_expect_str_eq(back.items[0].name, "a\\b\nc");
}

Test(checksums, are_read_strictly)
{
        static const struct {
                const char *text;
                const char *error;
        } cases[] = {
                { A "  x\n", NULL },
                { A " *x\n", NULL },
                { A "  x\n" B "  a b\n", NULL },
                { "", "empty" },
                { "\n", "line 1" },
                { A "  x", "line 1" },
                { A "  x\n" A "  x\n", "line 2" },
                { A "  x\n\n" A "  y\n", "line 2" },
                { A " x\n", "line 1" },
                { A "a  x\n", "line 1" },
                { A "  \n", "line 1" },
                { "AAAA  x\n", "line 1" },
                { "\\" A "  a\\qb\n", "line 1" },
                { "\\" A "  a\\", "line 1" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_checksums_ struct checksums list = { 0 };
                _cleanup_error_ struct error *error = NULL;
                int r = checksums_parse(cases[i].text, strlen(cases[i].text), &list, &error);
                cr_expect_eq(r, cases[i].error ? -1 : 0, "case %zu", i);
                if (cases[i].error && error) {
                        cr_expect_eq(error->kind, ERROR_CORRUPT);
                        cr_expect(strstr(error->message, cases[i].error), "case %zu: %s", i,
                                  error->message);
                }
        }
}
