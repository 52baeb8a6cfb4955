/* Which point is read back next, and whether the time is enough. */
#include "policies/scrub.h"

#include <criterion/criterion.h>

#include "base/cleanup.h"

#define MIB (UINT64_C(1) << 20)

/* An hour, at 1 MiB/s. */
static const struct scrub_budget hour = {
        .whole_seconds = 3600, .left_seconds = 3600, .first = true, .bytes_per_second = MIB
};

Test(scrub, the_one_that_was_known_to_be_whole_longest_ago_comes_first)
{
        struct scrub_candidate points[] = {
                { .known_whole = 300, .stored_bytes = MIB },
                { .known_whole = 100, .stored_bytes = MIB, .damaged = true },
                { .known_whole = 200, .stored_bytes = MIB },
                { .known_whole = 150, .stored_bytes = MIB },
        };
        static const int order[] = { 3, 2, 0, -1 };
        for (size_t i = 0; i < ARRAY_LENGTH(order); i++) {
                int chosen = scrub_choose(points, ARRAY_LENGTH(points), &hour);
                cr_assert_eq(chosen, order[i], "place %zu: %d", i, chosen);
                if (chosen >= 0)
                        points[chosen].tried = true;
        }
        cr_expect_eq(scrub_choose(points, 0, &hour), -1);
}

Test(scrub, nothing_is_begun_that_would_not_be_over_in_time)
{
        struct scrub_candidate points[] = {
                { .known_whole = 100, .stored_bytes = 1000 * MIB },
                { .known_whole = 200, .stored_bytes = 10 * MIB },
        };
        struct scrub_budget budget = hour;
        budget.first = false;
        cr_expect_eq(scrub_choose(points, 2, &budget), 0);
        budget.left_seconds = 1000;
        cr_expect_eq(scrub_choose(points, 2, &budget), 0, "just so");
        budget.left_seconds = 999;
        cr_expect_eq(scrub_choose(points, 2, &budget), 1, "a smaller one still fits");
        budget.left_seconds = 9;
        cr_expect_eq(scrub_choose(points, 2, &budget), -1);
        budget.left_seconds = 0;
        points[1].stored_bytes = 0;
        cr_expect_eq(scrub_choose(points, 2, &budget), -1);
}

Test(scrub, a_point_larger_than_the_budget_gets_its_turn_once_it_is_the_oldest_and_first)
{
        struct scrub_candidate points[] = {
                { .known_whole = 100, .stored_bytes = 4000 * MIB },
                { .known_whole = 50, .stored_bytes = MIB },
        };
        struct scrub_budget budget = hour;
        cr_expect_eq(scrub_choose(points, 2, &budget), 1, "the other one is older");
        points[1].known_whole = 150;
        cr_expect_eq(scrub_choose(points, 2, &budget), 0);
        budget.first = false;
        cr_expect_eq(scrub_choose(points, 2, &budget), 1);
}
