/* Names on hypervisors: what is ours, what is another orch's, what only looks like it. */
#include "worker/job/names.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

static const char tag[] = "orch-1a2b3c4d-20261120-3f9a";

Test(names, a_tag_holds_repository_and_job)
{
        _cleanup_free_ char *made = names_tag("1a2b3c4d", "20261120-3f9a");
        cr_assert_str_eq(made, tag);
}

Test(names, an_overlay_lies_beside_its_file_and_in_scratch_for_a_block_device)
{
        _cleanup_free_ char *file =
                names_overlay("/images/we ird.qcow2", false, "/scratch", "vm-1", "vda", tag);
        _cleanup_free_ char *block =
                names_overlay("/dev/vg/disk", true, "/scratch", "vm-1", "vdb", tag);
        cr_assert_str_eq(file, "/images/we ird.qcow2.orch-1a2b3c4d-20261120-3f9a");
        cr_assert_str_eq(block, "/scratch/vm-1-vdb.orch-1a2b3c4d-20261120-3f9a");
}

/* The overlay's markers are longer than the overlay's name: they have to fit, too. */
Test(names, a_file_whose_overlay_would_be_too_long_gets_it_in_scratch)
{
        for (size_t length = 200; length < 256; length++) {
                _cleanup_free_ char *base = xasprintf("/images/%0*d", (int)length, 0);
                _cleanup_free_ char *overlay =
                        names_overlay(base, false, "/scratch", "vm-1", "vda", tag);
                cr_assert_leq(strlen(path_base(overlay)) + strlen(".committed"), 255, "%zu",
                              length);
                cr_assert(names_is_our_overlay(overlay, "1a2b3c4d", NULL), "%s", overlay);
        }
        _cleanup_free_ char *base = xasprintf("/images/%0*d", 215, 0);
        _cleanup_free_ char *overlay = names_overlay(base, false, "/scratch", "vm-1", "vda", tag);
        cr_assert(str_starts_with(overlay, base));
}

Test(names, what_we_made_is_ours_and_tells_its_job)
{
        _cleanup_free_ char *job = NULL;
        cr_assert(names_is_our_overlay("/i/a.qcow2.orch-1a2b3c4d-20261120-3f9a", "1a2b3c4d", &job));
        cr_assert_str_eq(job, "20261120-3f9a");
}

Test(names, another_orchs_overlay_is_an_overlay_and_not_ours)
{
        const char *path = "/i/a.qcow2.orch-ffffffff-20261120-3f9a";
        char *job = NULL;
        cr_assert(names_is_an_overlay(path));
        cr_assert_not(names_is_our_overlay(path, "1a2b3c4d", &job));
        cr_assert_null(job);
}

Test(names, what_only_resembles_an_overlay_is_none)
{
        static const char *const none[] = {
                "",
                "/i/a.qcow2",
                "orch-1a2b3c4d-20261120-3f9a",
                "/i/a.orch-1a2b3c4d-20261120-3f9a.committed",
                "/i/a.orch-1a2b3c4d-20261120-3f9a.pivoting",
                "/i/a.orch-1A2B3C4D-20261120-3f9a",
                "/i/a.orch-1a2b3c4d-2026112x-3f9a",
                "/i/a.orch-1a2b3c4d-20261120-3f9",
                "/i/a.orch-1a2b3c4d-20261120_3f9a",
                "/i/a.orch-1a2b3c4d_20261120-3f9a",
                "/i/aorch-1a2b3c4d-20261120-3f9a",
        };
        cr_assert_not(names_is_an_overlay(NULL));
        for (size_t i = 0; i < ARRAY_LENGTH(none); i++)
                cr_assert_not(names_is_an_overlay(none[i]), "%s", none[i]);
}

Test(names, a_job_id_has_one_form)
{
        static const char *const bad[] = { "",
                                           "20261120",
                                           "20261120-3f9",
                                           "20261120-3f9a0",
                                           "20261120-3F9A",
                                           "20261120/3f9a",
                                           "2026112a-3f9a" };
        cr_assert(names_is_job("20261120-3f9a"));
        cr_assert_not(names_is_job(NULL));
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
                cr_assert_not(names_is_job(bad[i]), "%s", bad[i]);
}
