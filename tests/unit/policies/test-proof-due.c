/* Which VM is test-restored next. */
#include "policies/proof-due.h"

#include "local.h"

#define HOUR 3600
#define DAY (24 * HOUR)

struct due_case {
        enum vm_test_restore policy;
        const char *newest; /* NULL: none */
        const char *proven;
        const char *tried;
        bool due;
};

Test(proof_due, follows_the_policy)
{
        use_zone("Europe/Berlin");
        int64_t now = at("2026-11-14 13:00");
        static const struct due_case cases[] = {
                { VM_TEST_RESTORE_NEVER, "2026-11-14 12:00", NULL, NULL, false },
                { VM_TEST_RESTORE_WEEKLY, NULL, NULL, NULL, false },
                { VM_TEST_RESTORE_WEEKLY, "2026-11-14 12:00", NULL, NULL, true },
                { VM_TEST_RESTORE_WEEKLY, "2026-11-14 12:00", "2026-11-07 13:20",
                  "2026-11-07 13:20", true },
                { VM_TEST_RESTORE_WEEKLY, "2026-11-14 12:00", "2026-11-08 13:20",
                  "2026-11-08 13:20", false },
                { VM_TEST_RESTORE_MONTHLY, "2026-11-14 12:00", "2026-10-31 23:59",
                  "2026-10-31 23:59", true },
                { VM_TEST_RESTORE_MONTHLY, "2026-11-14 12:00", "2026-11-01 00:01",
                  "2026-11-01 00:01", false },
                { VM_TEST_RESTORE_MONTHLY, "2026-11-14 12:00", "2025-11-20 00:01",
                  "2025-11-20 00:01", true },
                { VM_TEST_RESTORE_QUARTERLY, "2026-11-14 12:00", "2026-10-01 00:01",
                  "2026-10-01 00:01", false },
                { VM_TEST_RESTORE_QUARTERLY, "2026-11-14 12:00", "2026-09-30 23:59",
                  "2026-09-30 23:59", true },
                { VM_TEST_RESTORE_AFTER_EACH, "2026-11-14 12:00", "2026-11-13 12:00",
                  "2026-11-13 12:00", true },
                { VM_TEST_RESTORE_AFTER_EACH, "2026-11-14 12:00", "2026-11-14 12:30",
                  "2026-11-14 12:30", false },
                /* It did not boot: not again before there is something new to try. */
                { VM_TEST_RESTORE_MONTHLY, "2026-11-07 12:00", NULL, "2026-11-08 12:00", false },
                { VM_TEST_RESTORE_MONTHLY, "2026-11-14 12:00", "2026-11-02 12:00",
                  "2026-11-08 12:00", true },
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct proof_candidate candidate = {
                        .vm = "a",
                        .policy = cases[i].policy,
                        .newest_point = cases[i].newest ? at(cases[i].newest) : 0,
                        .proven = cases[i].proven ? at(cases[i].proven) : 0,
                        .tried = cases[i].tried ? at(cases[i].tried) : 0,
                };
                cr_expect_eq(proof_is_due(&candidate, now), cases[i].due, "case %zu", i);
        }
}

Test(proof_choose, takes_the_longest_unproven)
{
        const struct proof_candidate candidates[] = {
                { .vm = "a", .newest_point = 10, .proven = 300 },
                { .vm = "b", .newest_point = 10, .proven = 100, .tried = 400 },
                { .vm = "c", .newest_point = 10, .proven = 200 },
                { .vm = "never, but nothing there", .newest_point = 0 },
        };
        for (uint32_t random = 0; random < 10; random++)
                cr_assert_eq(proof_choose(candidates, 4, NULL, random), 1);
        const bool without_b[] = { true, false, true, true };
        cr_assert_eq(proof_choose(candidates, 4, without_b, 7), 2);
        const bool none[4] = { false };
        cr_assert_eq(proof_choose(candidates, 4, none, 7), -1);
        cr_assert_eq(proof_choose(candidates, 0, NULL, 7), -1);
}

Test(proof_choose, one_that_failed_does_not_stand_in_the_way_of_one_that_was_never_tried)
{
        const struct proof_candidate candidates[] = {
                { .vm = "failed", .newest_point = 10, .tried = 400 },
                { .vm = "new", .newest_point = 10 },
        };
        cr_assert_eq(proof_choose(candidates, 2, NULL, 0), 1);
}

/* Every one of those that are equal is taken by some number, and none of the others by any. */
Test(proof_choose, of_equals_any)
{
        const struct proof_candidate candidates[] = {
                { .vm = "a", .newest_point = 10, .proven = 5 },
                { .vm = "b", .newest_point = 10 },
                { .vm = "c", .newest_point = 10 },
                { .vm = "d", .newest_point = 10, .proven = 5 },
                { .vm = "e", .newest_point = 10 },
        };
        unsigned times[5] = { 0 };
        for (uint32_t random = 0; random < 300; random++)
                times[proof_choose(candidates, 5, NULL, random)]++;
        cr_assert_eq(times[0] + times[3], 0);
        cr_assert(times[1] == 100 && times[2] == 100 && times[4] == 100);
}
