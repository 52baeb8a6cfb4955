/* SHA-256 of known files. */
#include "repository/hash.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "repository/staging.h"
#include "share-fixture.h"

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
                { "printf ''", 0,
                  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
                { "printf abc", 3,
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
                { "head -c 1000000 /dev/zero | tr '\\0' a", 1000000,
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_close_ int fd = -1;
                _cleanup_free_ char *path = make_file(cases[i].command, &fd);
                uint64_t bytes = 1;
                _cleanup_free_ char *sha256 =
                        hash_file(fd, path, cases[i].bytes, NULL, &bytes, NULL);
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
        struct staging_progress progress = { .on_bytes = on_bytes,
                                             .cancelled = is_cancelled,
                                             .data = &seen };
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
