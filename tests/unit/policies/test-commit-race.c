/* A commit against a guest that goes on writing: when it has stalled, when it only keeps up, when
 * it is given up. */
#include "policies/commit-race.h"

#include <criterion/criterion.h>

enum { STALL_MS = 100 * 1000, NOW_MS = 7 * 1000 };

/* Looks every half second until the state is another than GAINS, or `until_ms` has passed; what
 * came after how long. */
static enum commit_race_state run(struct commit_race *race, int64_t *at_ms, int64_t until_ms,
                                  uint64_t copied, uint64_t written)
{
        uint64_t done = race->done_bytes, total = race->done_bytes + race->least_left_bytes;
        enum commit_race_state first = COMMIT_RACE_GAINS;
        for (; *at_ms < until_ms; *at_ms += 500) {
                done += copied;
                total += written;
                enum commit_race_state state = commit_race_update(race, *at_ms, done, total);
                if (state != COMMIT_RACE_GAINS && first == COMMIT_RACE_GAINS)
                        first = state;
                if (state == COMMIT_RACE_LOST || state == COMMIT_RACE_STALLED)
                        return state;
        }
        return first;
}

static struct commit_race begun(uint64_t left)
{
        struct commit_race race = { 0 };
        commit_race_begin(&race, NOW_MS, STALL_MS);
        cr_assert_eq(commit_race_update(&race, NOW_MS, 1, 1 + left), COMMIT_RACE_GAINS);
        return race;
}

Test(commit_race, a_commit_that_gains_is_never_given_up)
{
        struct commit_race race = begun(1000 * 1000);
        int64_t at_ms = NOW_MS;
        cr_assert_eq(run(&race, &at_ms, NOW_MS + 9000 * 1000, 11, 10), COMMIT_RACE_GAINS);
}

Test(commit_race, one_that_only_keeps_up_is_slow_and_then_lost)
{
        struct commit_race race = begun(1000 * 1000);
        int64_t at_ms = NOW_MS;
        cr_assert_eq(run(&race, &at_ms, NOW_MS + STALL_MS / COMMIT_RACE_SLOW_PART, 10, 10),
                     COMMIT_RACE_GAINS);
        cr_assert_eq(run(&race, &at_ms, NOW_MS + STALL_MS, 10, 10), COMMIT_RACE_SLOW);
        cr_assert_eq(run(&race, &at_ms, INT64_MAX, 10, 10), COMMIT_RACE_LOST);
        cr_assert_gt(at_ms - NOW_MS, (int64_t)STALL_MS * COMMIT_RACE_LOST_PATIENCE);
        cr_assert_leq(at_ms - NOW_MS, (int64_t)STALL_MS * COMMIT_RACE_LOST_PATIENCE + 1000);
}

Test(commit_race, less_left_than_ever_begins_the_patience_anew)
{
        struct commit_race race = begun(1000 * 1000);
        int64_t at_ms = NOW_MS;
        run(&race, &at_ms, NOW_MS + STALL_MS * 5LL, 10, 10);
        run(&race, &at_ms, at_ms + 500, 11, 10);
        cr_assert_eq(run(&race, &at_ms, NOW_MS + STALL_MS * 10LL, 10, 10), COMMIT_RACE_SLOW);
}

Test(commit_race, one_that_moves_nothing_has_stalled)
{
        struct commit_race race = begun(1000 * 1000);
        int64_t at_ms = NOW_MS;
        cr_assert_eq(run(&race, &at_ms, INT64_MAX, 0, 0), COMMIT_RACE_STALLED);
        cr_assert_gt(at_ms - NOW_MS, STALL_MS);
        cr_assert_leq(at_ms - NOW_MS, STALL_MS + 1000);
}

/* A job that looks for what there is to do says 0 of 0, or 0 of the whole disk. */
Test(commit_race, what_is_left_counts_from_the_first_byte)
{
        struct commit_race race = { 0 };
        commit_race_begin(&race, NOW_MS, STALL_MS);
        cr_assert_eq(commit_race_update(&race, NOW_MS, 0, 0), COMMIT_RACE_GAINS);
        cr_assert_eq(commit_race_update(&race, NOW_MS + STALL_MS / 2, 0, 0), COMMIT_RACE_GAINS);
        cr_assert_eq(commit_race_update(&race, NOW_MS + STALL_MS / 2 + 500, 10, 5000),
                     COMMIT_RACE_GAINS);
        cr_assert_eq(commit_race_update(&race, NOW_MS + STALL_MS, 20, 5000), COMMIT_RACE_GAINS);
        cr_assert_eq(race.least_left_bytes, 4980);
}
