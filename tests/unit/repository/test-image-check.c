/* Images made by the real qemu-img, whole and damaged. */
#include "repository/image-check.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "share-fixture.h"

static char folder[] = "/tmp/orch-test-image-XXXXXX";

static void make_folder(void)
{
        cr_assert(mkdtemp(folder));
}

static void remove_folder(void)
{
        shell("rm -rf %s", folder);
}

static int check(const char *name, uint64_t virtual_bytes, const char *backing, struct error **err)
{
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
        struct image_expectation expected = { .virtual_bytes = virtual_bytes,
                                              .backing_file = backing };
        return image_check(path, &expected, NULL, NULL, err);
}

static void expect_corrupt(const char *name, uint64_t virtual_bytes, const char *backing,
                           const char *words)
{
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(check(name, virtual_bytes, backing, &error), -1, "%s", name);
        cr_expect_eq(error->kind, ERROR_CORRUPT, "%s", error->message);
        cr_expect(strstr(error->message, words), "%s", error->message);
}

Test(image_check, of_real_images, .init = make_folder, .fini = remove_folder)
{
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(shell("cd %s && qemu-img create -q -f qcow2 good 8M && qemu-io -f qcow2 -c "
                           "'write -P 7 0 4M' good >/dev/null",
                           folder),
                     0);
        cr_expect_eq(check("good", 8 << 20, NULL, &error), 0, "%s", error_message(error));
        expect_corrupt("good", 9 << 20, NULL, "virtual size of 8388608 bytes, expected 9437184");
        expect_corrupt("good", 8 << 20, "../parent/good",
                       "\"(none)\", expected \"../parent/good\"");

        cr_assert_eq(shell("cd %s && qemu-img create -q -f qcow2 -F qcow2 -b good child", folder),
                     0);
        cr_expect_eq(check("child", 8 << 20, "good", &error), 0, "%s", error_message(error));
        expect_corrupt("child", 8 << 20, NULL, "backing file \"good\" but must have none");
        expect_corrupt("child", 8 << 20, "better", "\"good\", expected \"better\"");

        cr_assert_eq(shell("cd %s && qemu-img create -q -f raw raw 8M", folder), 0);
        expect_corrupt("raw", 8 << 20, NULL, "cannot be opened as a qcow2 image");
        cr_assert_eq(shell("cd %s && head -c 1000 good >short", folder), 0);
        expect_corrupt("short", 8 << 20, NULL, "short");
        cr_assert_eq(shell("cd %s && qemu-img create -q -f qcow2 -o "
                           "data_file=outside,data_file_raw=on split 8M",
                           folder),
                     0);
        expect_corrupt("split", 8 << 20, NULL, "keeps its data in another file");
}

Test(image_check, of_damage_inside, .init = make_folder, .fini = remove_folder)
{
        /* The refcount block's first entries: zeroed, and clusters in use look free. */
        cr_assert_eq(
                shell("cd %s && qemu-img create -q -f qcow2 torn 8M && qemu-io -f qcow2 -c 'write "
                      "-P 7 0 4M' torn >/dev/null && "
                      "dd if=/dev/zero of=torn bs=65536 seek=2 count=1 conv=notrunc status=none",
                      folder),
                0);
        expect_corrupt("torn", 8 << 20, NULL, "is corrupt: qemu-img check found");

        /* The L1 table zeroed: what was written is lost to it, clusters are leaked only, and no
         * reader can tell from the structure. */
        cr_assert_eq(shell("cd %s && qemu-img create -q -f qcow2 leaky 8M && qemu-io -f qcow2 -c "
                           "'write -P 7 0 4M' leaky >/dev/null && "
                           "dd if=/dev/zero of=leaky bs=65536 seek=3 count=1 conv=notrunc "
                           "status=none; qemu-img check -q leaky; test $? "
                           "= 3",
                           folder),
                     0);
        _cleanup_error_ struct error *error = NULL;
        cr_expect_eq(check("leaky", 8 << 20, NULL, &error), 0, "%s", error_message(error));
}

static bool at_once(void *data)
{
        (void)data;
        return true;
}

Test(image_check, can_be_cancelled)
{
        _cleanup_error_ struct error *error = NULL;
        struct image_expectation expected = { .virtual_bytes = 1 };
        cr_assert_eq(image_check("/dev/null", &expected, at_once, NULL, &error), -1);
        cr_expect_eq(error->kind, ERROR_CANCELLED);
}

Test(image_check, judges_what_qemu_img_prints)
{
        static const struct {
                const char *json;
                int status;
                int kind; /* -1: passes */
        } cases[] = {
                { "{\"check-errors\": 0}", 0, -1 },
                { "{\"check-errors\": 0, \"leaks\": 4}", 3, -1 },
                { "{\"check-errors\": 0, \"corruptions\": 1, \"leaks\": 4}", 2, ERROR_CORRUPT },
                { "{\"check-errors\": 0, \"corruptions\": 1}", 0, ERROR_CORRUPT },
                { "{\"check-errors\": 0}", 2, ERROR_CORRUPT },
                { "{\"check-errors\": 2}", 1, ERROR_CORRUPT },
                { "{\"check-errors\": 0}", 1, ERROR_INTERNAL },
                { "{\"leaks\": 0}", 0, ERROR_INTERNAL },
                { "{\"check-errors\": \"0\"}", 0, ERROR_INTERNAL },
                { "check-errors: 0", 0, ERROR_INTERNAL },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_error_ struct error *error = NULL;
                int r = image_judge_check(cases[i].json, cases[i].status, "/x", &error);
                cr_expect_eq(r, cases[i].kind < 0 ? 0 : -1, "case %zu", i);
                cr_expect_eq(error ? (int)error->kind : -1, cases[i].kind, "case %zu: %s", i,
                             error_message(error));
        }
        struct image_expectation expected = { .virtual_bytes = 5 };
        _cleanup_error_ struct error *error = NULL;
        cr_expect_eq(image_judge_info("{\"format\": \"qcow2\", \"virtual-size\": 5}", "/x",
                                      &expected, &error),
                     0, "%s", error_message(error));
        cr_expect_eq(image_judge_info("{\"format\": \"raw\", \"virtual-size\": 5}", "/x", &expected,
                                      NULL),
                     -1);
        cr_expect_eq(image_judge_info("{\"format\": \"qcow2\", \"virtual-size\": -5}", "/x",
                                      &expected, NULL),
                     -1);
        cr_expect_eq(image_judge_info("{\"format\": \"qcow2\"}", "/x", &expected, NULL), -1);
        cr_expect_eq(image_judge_info("{\"format\": \"qcow2\", \"virtual-size\": 5, "
                                      "\"format-specific\": {\"data\": {\"corrupt\": true}}}",
                                      "/x", &expected, NULL),
                     -1);
}
