#include "repository/checksums.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/hash.h"
#include "repository/staging.h"
#include "share-fixture.h"

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
                        cr_expect(strstr(error->message, cases[i].error), "case %zu: %s", i, error->message);
                }
        }
}

static char *make_file(const char *command, int *ret_fd)
{
        char folder[] = "/tmp/orch-test-hash-XXXXXX";
        cr_assert(mkdtemp(folder));
        char *path = xasprintf("%s/file", folder);
        cr_assert_eq(shell("%s >%s", command, path), 0);
        *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
        cr_assert_eq(shell("rm -r %s", folder), 0);
        return path;
}

Test(hash, of_known_files)
{
        static const struct {
                const char *command;
                uint64_t bytes;
                const char *sha256;
        } cases[] = {
                { "printf ''", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
                { "printf abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
                { "head -c 1000000 /dev/zero | tr '\\0' a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_close_ int fd = -1;
                _cleanup_free_ char *path = make_file(cases[i].command, &fd);
                uint64_t bytes = 1;
                _cleanup_free_ char *sha256 = hash_file(fd, path, cases[i].bytes, NULL, &bytes, NULL);
                cr_expect_str_eq(sha256, cases[i].sha256);
                cr_expect_eq(bytes, cases[i].bytes);
        }
}

struct seen {
        unsigned calls;
        uint64_t done;
        uint64_t total;
        bool cancel;
};

static void on_bytes(uint64_t done, uint64_t total, void *data)
{
        struct seen *seen = data;
        seen->calls++;
        seen->done = done;
        seen->total = total;
}

static bool is_cancelled(void *data)
{
        return ((struct seen *)data)->cancel;
}

Test(hash, tells_its_progress_and_can_be_cancelled)
{
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *path = make_file("head -c 100000000 /dev/zero", &fd);
        struct seen seen = { 0 };
        struct staging_progress progress = { .on_bytes = on_bytes, .cancelled = is_cancelled, .data = &seen };
        uint64_t bytes = 0;
        int64_t before = clock_monotonic_ms();
        _cleanup_free_ char *sha256 = hash_file(fd, path, 100000000, &progress, &bytes, NULL);
        int64_t took = clock_monotonic_ms() - before;
        cr_assert(sha256);
        cr_expect_eq(seen.done, 100000000);
        cr_expect_eq(seen.total, 100000000);
        cr_expect_leq(seen.calls, took / 100 + 2);

        seen.cancel = true;
        _cleanup_error_ struct error *error = NULL;
        lseek(fd, 0, SEEK_SET);
        cr_assert_null(hash_file(fd, path, 100000000, &progress, &bytes, &error));
        cr_expect_eq(error->kind, ERROR_CANCELLED);
}
