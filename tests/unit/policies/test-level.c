/* Full or increment, by the points there are. */
#include "policies/level.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/strings.h"

enum { DAY = 24 * 60 * 60, NOW = 100 * DAY };

/* A full, two increments on it: the newest has the checkpoint. */
static void fill(struct level_point points[3])
{
        points[0] = (struct level_point){ "p3", "p2", NOW - 7 * DAY, true, true, true };
        points[1] = (struct level_point){ "p2", "p1", NOW - 14 * DAY, true, true, false };
        points[2] = (struct level_point){ "p1", NULL, NOW - 21 * DAY, true, true, false };
}

static struct level_choice decide(enum vm_level wanted, unsigned weeks,
                                  const struct level_point *points, size_t n)
{
        struct level_choice choice;
        level_decide(wanted, weeks, points, n, NOW, &choice);
        return choice;
}

Test(level, full_is_full_and_needs_no_reason)
{
        struct level_point points[3];
        fill(points);
        struct level_choice choice = decide(VM_LEVEL_FULL, 0, points, 3);
        cr_assert_eq(choice.level, VM_LEVEL_FULL);
        cr_assert_null(choice.parent);
        cr_assert_str_empty(choice.reason);
}

Test(level, an_increment_builds_on_the_newest_point_with_a_checkpoint)
{
        struct level_point points[3];
        fill(points);
        struct level_choice choice = decide(VM_LEVEL_INCREMENTAL, 0, points, 3);
        cr_assert_eq(choice.level, VM_LEVEL_INCREMENTAL);
        cr_assert_str_eq(choice.parent->name, "p3");
        /* The newest was made while the VM was off: what was written since is known from the older
         * one. */
        points[0].checkpoint = false;
        points[1].checkpoint = true;
        cr_assert_str_eq(decide(VM_LEVEL_INCREMENTAL, 0, points, 3).parent->name, "p2");
}

Test(level, a_differential_builds_on_a_full)
{
        struct level_point points[3];
        fill(points);
        struct level_choice choice = decide(VM_LEVEL_DIFFERENTIAL, 0, points, 3);
        cr_assert_eq(choice.level, VM_LEVEL_FULL);
        cr_assert_not(choice.expected);
        points[2].checkpoint = true;
        choice = decide(VM_LEVEL_DIFFERENTIAL, 0, points, 3);
        cr_assert_eq(choice.level, VM_LEVEL_DIFFERENTIAL);
        cr_assert_str_eq(choice.parent->name, "p1");
}

Test(level, a_clock_that_was_set_back_ends_the_chain)
{
        struct level_point points[3];
        fill(points);
        points[0].started = NOW;
        cr_assert_eq(decide(VM_LEVEL_INCREMENTAL, 0, points, 3).level, VM_LEVEL_INCREMENTAL);
        points[0].started = NOW + 1;
        struct level_choice choice = decide(VM_LEVEL_INCREMENTAL, 0, points, 3);
        cr_assert_eq(choice.level, VM_LEVEL_FULL);
        cr_assert_not(choice.expected);
        cr_assert_str_eq(choice.reason,
                         "the clock was set back: its parent would be p3, which has a later time");
}

Test(level, the_first_is_a_full_as_expected)
{
        struct level_choice choice = decide(VM_LEVEL_INCREMENTAL, 0, NULL, 0);
        cr_assert_eq(choice.level, VM_LEVEL_FULL);
        cr_assert(choice.expected);
}

Test(level, nothing_builds_on_what_cannot_be_restored_or_is_of_another_machine)
{
        for (int broken = 0; broken < 4; broken++) {
                struct level_point points[3];
                fill(points);
                if (broken == 0)
                        points[0].good = false;
                else if (broken == 1)
                        points[2].good = false; /* at the root of the chain */
                else if (broken == 2)
                        points[2].name = "another";
                else
                        points[0].same_vm = false;
                struct level_choice choice = decide(VM_LEVEL_INCREMENTAL, 0, points, 3);
                cr_assert_eq(choice.level, VM_LEVEL_FULL, "case %d", broken);
                cr_assert_null(choice.parent);
                cr_assert_not(str_empty(choice.reason));
        }
}

Test(level, a_chain_that_bites_its_own_tail_is_none)
{
        struct level_point points[] = { { "a", "b", NOW - DAY, true, true, true },
                                        { "b", "a", NOW - 2 * DAY, true, true, true } };
        cr_assert_eq(decide(VM_LEVEL_INCREMENTAL, 0, points, 2).level, VM_LEVEL_FULL);
}

Test(level, a_full_is_due_by_age)
{
        struct level_point points[3];
        fill(points);
        cr_assert_eq(decide(VM_LEVEL_INCREMENTAL, 4, points, 3).level, VM_LEVEL_INCREMENTAL);
        struct level_choice choice = decide(VM_LEVEL_INCREMENTAL, 3, points, 3);
        cr_assert_eq(choice.level, VM_LEVEL_FULL);
        cr_assert(choice.expected);
        /* A cycle that began a few seconds earlier in its week than the one three weeks ago. */
        points[2].started += 5;
        cr_assert_eq(decide(VM_LEVEL_INCREMENTAL, 3, points, 3).level, VM_LEVEL_FULL);
        points[2].started += DAY;
        cr_assert_eq(decide(VM_LEVEL_INCREMENTAL, 3, points, 3).level, VM_LEVEL_INCREMENTAL);
}
