/* Retention, by tables for each rule and by properties over many thousand sets made up at random
 * (the seed is fixed). */
#include "policies/retention.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "local.h"

#define DAY (INT64_C(24) * 3600)
#define WEEK (7 * DAY)
#define NOW INT64_C(1794654000)

static const struct retention_point *find(const struct retention_point *points, size_t n_points,
                                          const char *name)
{
        for (size_t i = 0; i < n_points; i++)
                if (streq(points[i].name, name))
                        return &points[i];
        return NULL;
}

/* What stays, oldest given first, as "a c d". */
#define assert_kept(vm, points, now, expected)                           \
        do {                                                             \
                char kept_[512] = "";                                    \
                retention_decide(vm, points, ARRAY_LENGTH(points), now); \
                for (size_t i_ = 0; i_ < ARRAY_LENGTH(points); i_++)     \
                        if (!(points)[i_].remove) {                      \
                                strcat(kept_, (points)[i_].name);        \
                                strcat(kept_, " ");                      \
                        }                                                \
                cr_assert_str_eq(kept_, expected);                       \
        } while (0)

#define assert_reason(points, point_name, expected) \
        cr_assert_str_eq(find(points, ARRAY_LENGTH(points), point_name)->reason, expected)

Test(retention, without_a_key_everything_stays)
{
        struct inventory_vm vm = { .min_points = 2 };
        struct retention_point points[] = {
                { .name = "a", .started = 1, .good = true },
                { .name = "b", .started = 2 },
                { .name = "c", .started = 3, .good = true },
                { .name = "d", .started = 4, .good = true },
        };

        assert_kept(&vm, points, NOW, "a b c d ");
        assert_reason(points, "a", "no retention is set for this VM");
}

Test(retention, weeks)
{
        struct inventory_vm vm = { .retention_weeks = 8, .min_points = 1 };
        struct retention_point points[] = {
                { .name = "older", .started = NOW - 8 * WEEK - 1, .good = true },
                { .name = "edge", .started = NOW - 8 * WEEK, .good = true },
                { .name = "young", .started = NOW - WEEK, .good = true },
                { .name = "damaged-old", .started = NOW - 9 * WEEK },
                { .name = "damaged-young", .started = NOW - 7 * WEEK },
                { .name = "held-old", .started = NOW - 90 * WEEK, .good = true, .held = true },
                { .name = "held-damaged", .started = NOW - 90 * WEEK, .held = true },
                { .name = "future", .started = NOW + 1, .good = true },
        };

        assert_kept(&vm, points, NOW, "edge young damaged-young held-old held-damaged future ");
        assert_reason(points, "older", "older than 8 weeks, and no other rule keeps it");
        assert_reason(points, "edge", "not older than 8 weeks");
        assert_reason(points, "held-old", "held");
        assert_reason(points, "future", "it starts in the future; check the clocks");
}

Test(retention, the_last_good_ones_outlive_every_age)
{
        struct inventory_vm vm = { .retention_weeks = 1, .min_points = 2 };
        struct retention_point points[] = {
                { .name = "a", .started = NOW - 50 * WEEK, .good = true },
                { .name = "b", .started = NOW - 40 * WEEK, .good = true },
                { .name = "c", .started = NOW - 30 * WEEK, .good = true },
                { .name = "bad1", .started = NOW - 20 * WEEK },
                { .name = "bad2", .started = NOW - 10 * WEEK },
        };

        assert_kept(&vm, points, NOW, "b c ");
        assert_reason(points, "c", "the newest good point");
        assert_reason(points, "b", "one of the newest 2 good points (min_points)");
        vm.min_points = 0;
        assert_kept(&vm, points, NOW, "c ");
}

Test(retention, a_point_in_the_future_does_not_stand_in_for_a_real_one)
{
        struct inventory_vm vm = { .retention_weeks = 1, .min_points = 1 };
        struct retention_point points[] = {
                { .name = "real", .started = NOW - 50 * WEEK, .good = true },
                { .name = "bogus", .started = NOW + 500 * WEEK, .good = true },
                { .name = "absurd", .started = INT64_MAX, .good = true },
                { .name = "dawn", .started = INT64_MIN, .good = true },
        };

        assert_kept(&vm, points, NOW, "real bogus absurd ");
}

Test(retention, keep_last)
{
        struct inventory_vm vm = { .keep_last = 3, .min_points = 2 };
        struct retention_point points[] = {
                { .name = "a", .started = 10, .good = true },
                { .name = "b", .started = 20, .good = true },
                { .name = "bad", .started = 35 },
                { .name = "c", .started = 30, .good = true },
                { .name = "d", .started = 40, .good = true },
                { .name = "e", .started = 50, .good = true },
        };

        assert_kept(&vm, points, NOW, "bad c d e ");
        assert_reason(points, "c", "one of the newest 3 good points (keep_last)");
        assert_reason(points, "a", "no rule keeps it");
        assert_reason(points, "bad", "damaged, and no retention_weeks sets when it may be removed");
        vm.keep_last = 1; /* min_points is the floor */
        assert_kept(&vm, points, NOW, "bad d e ");
}

Test(retention, months_and_years_are_local_ones)
{
        struct inventory_vm vm = { .keep_monthly = 3, .keep_yearly = 3, .min_points = 0 };
        struct retention_point points[] = {
                { .name = "2023", .good = true },         { .name = "2024-early", .good = true },
                { .name = "2024-newyear", .good = true }, { .name = "2025-early", .good = true },
                { .name = "2025-late", .good = true },    { .name = "sep", .good = true },
                { .name = "oct-early", .good = true },    { .name = "oct-last", .good = true },
                { .name = "nov", .good = true },          { .name = "nov-late", .good = true },
                { .name = "nov-bad", .good = false },
        };
        static const char *const times[] = {
                "2023-06-01 12:00", "2024-02-01 12:00", "2024-12-31 23:59", "2025-01-01 00:10",
                "2025-11-20 12:00", "2026-09-05 12:00", "2026-10-03 12:00", "2026-10-31 23:30",
                "2026-11-01 00:30", "2026-11-14 12:00", "2026-11-15 12:00"
        };

        use_zone("Europe/Berlin"); /* where 23:30 and 00:30 lie in one month, seen from UTC */
        for (size_t i = 0; i < ARRAY_LENGTH(points); i++)
                points[i].started = at(times[i]);
        assert_kept(&vm, points, at("2026-11-16 12:00"),
                    "2024-newyear 2025-late sep oct-last nov-late nov-bad ");
        assert_reason(points, "oct-last", "the newest good point of 2026-10 (keep_monthly)");
        assert_reason(points, "2024-newyear", "the newest good point of 2024 (keep_yearly)");
}

Test(retention, a_pause_does_not_use_months_up)
{
        struct inventory_vm vm = { .keep_monthly = 3 };
        struct retention_point points[] = { { .name = "jan", .good = true },
                                            { .name = "feb", .good = true },
                                            { .name = "mar", .good = true } };

        points[0].started = at("2024-01-10 12:00");
        points[1].started = at("2024-02-10 12:00");
        points[2].started = at("2024-03-10 12:00");
        assert_kept(&vm, points, NOW, "jan feb mar ");
}

Test(retention, a_chain_stays_whole_to_its_full)
{
        struct inventory_vm vm = { .retention_weeks = 2, .min_points = 1 };
        struct retention_point points[] = {
                { .name = "full0", .started = NOW - 20 * WEEK, .good = true },
                { .name = "inc0", .parent = "full0", .started = NOW - 19 * WEEK, .good = true },
                { .name = "full1", .started = NOW - 5 * WEEK, .good = true },
                { .name = "inc1", .parent = "full1", .started = NOW - 4 * WEEK, .good = true },
                { .name = "inc2", .parent = "inc1", .started = NOW - 3 * WEEK, .good = true },
                { .name = "inc3", .parent = "inc2", .started = NOW - 1 * WEEK, .good = true },
                { .name = "stray", .parent = "inc1", .started = NOW - 3 * WEEK, .good = true },
        };

        assert_kept(&vm, points, NOW, "full1 inc1 inc2 inc3 ");
        assert_reason(points, "full1", "inc1 needs it as its parent");
        assert_reason(points, "inc2", "inc3 needs it as its parent");
}

/* Metadata that cannot be read now may be brought back from a snapshot of the share: then its data
 * must still have what they build on. */
Test(retention, what_an_unreadable_point_may_build_on_stays)
{
        struct inventory_vm vm = { .retention_weeks = 8, .min_points = 1 };
        struct retention_point points[] = {
                { .name = "oldest", .started = NOW - 30 * WEEK, .good = true },
                { .name = "full", .started = NOW - 20 * WEEK, .good = true },
                { .name = "first", .started = NOW - 19 * WEEK, .good = true, .parent = "full" },
                { .name = "broken", .started = NOW - 18 * WEEK, .unreadable = true },
                { .name = "older", .started = NOW - 17 * WEEK, .good = true },
                { .name = "young", .started = NOW - WEEK, .good = true },
        };

        assert_kept(&vm, points, NOW, "full first broken young ");
        assert_reason(points, "broken", "its metadata cannot be read");
        assert_reason(points, "first", "broken may need it as its parent");
        assert_reason(points, "full", "first needs it as its parent");
        points[2].unreadable = true;
        points[2].parent = NULL;
        points[2].good = false;
        assert_kept(&vm, points, NOW, "full first broken young ");
        assert_reason(points, "full", "first may need it as its parent");
}

/* The share may only have failed to give the file out this once: the month's point would be gone
 * for good. */
Test(retention, what_builds_on_an_unreadable_point_stays)
{
        struct inventory_vm vm = { .retention_weeks = 1, .keep_monthly = 12, .min_points = 1 };
        struct retention_point points[] = {
                { .name = "full", .started = NOW - 20 * WEEK, .good = true },
                { .name = "inc1", .started = NOW - 19 * WEEK, .good = true, .parent = "full" },
                { .name = "inc2", .started = NOW - 18 * WEEK, .good = true, .parent = "inc1" },
                { .name = "young", .started = NOW - DAY, .good = true },
        };

        assert_kept(&vm, points, NOW, "full inc1 inc2 young ");
        points[0].good = false;
        points[0].unreadable = true;
        assert_kept(&vm, points, NOW, "full inc1 inc2 young ");
        assert_reason(points, "inc2", "it builds on a point whose metadata cannot be read");
        points[1].good = false;
        assert_kept(&vm, points, NOW, "full young ");
        points[1].unreadable = true;
        assert_kept(&vm, points, NOW, "full inc1 inc2 young ");
        assert_reason(points, "full", "its metadata cannot be read");
}

Test(retention, an_increment_over_a_hole_is_not_the_last_good_copy)
{
        struct inventory_vm vm = { .retention_weeks = 1, .min_points = 1 };
        struct retention_point points[] = {
                { .name = "whole", .started = NOW - 9 * WEEK, .good = true },
                { .name = "bad", .started = NOW - 8 * WEEK },
                { .name = "over-bad", .parent = "bad", .started = NOW - 7 * WEEK, .good = true },
                { .name = "over-none", .parent = "gone", .started = NOW - 6 * WEEK, .good = true },
                { .name = "snake1", .parent = "snake2", .started = NOW - 5 * WEEK, .good = true },
                { .name = "snake2", .parent = "snake1", .started = NOW - 4 * WEEK, .good = true },
        };

        assert_kept(&vm, points, NOW, "whole ");
}

Test(retention, nothing_of_nothing)
{
        struct inventory_vm vm = { .retention_weeks = 1 };
        retention_decide(&vm, NULL, 0, NOW);
}

struct set {
        struct retention_point points[40];
        char names[40][8];
        size_t count;
};

static uint64_t random_state;

static unsigned pick(unsigned below)
{
        random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (unsigned)(random_state >> 33) % below;
}

static void make_set(struct set *set)
{
        *set = (struct set){ .count = pick(ARRAY_LENGTH(set->points) + 1) };
        for (size_t i = 0; i < ARRAY_LENGTH(set->names); i++)
                snprintf(set->names[i], sizeof set->names[i], "p%zu", i);
        for (size_t i = 0; i < set->count; i++) {
                struct retention_point *point = &set->points[i];
                point->name = set->names[i];
                point->started = NOW - (int64_t)pick(800) * DAY + (pick(20) == 0 ? 900 * DAY : 0);
                point->good = pick(4) != 0;
                point->held = pick(12) == 0;
                point->unreadable = !point->good && pick(5) == 0;
                if (point->unreadable && pick(2)) /* its state or a disk, or its metadata */
                        continue;
                /* mostly an earlier one, now and then anything, also itself or one that does not
                 * exist */
                if (pick(2) == 0)
                        point->parent = pick(10) == 0 ? set->names[pick(ARRAY_LENGTH(set->names))]
                                        : i > 0       ? set->names[pick((unsigned)i)]
                                                      : NULL;
        }
}

static struct inventory_vm make_vm(void)
{
        return (struct inventory_vm){
                .retention_weeks = pick(2) ? pick(60) : 0,
                .keep_last = pick(3) == 0 ? pick(6) : 0,
                .keep_monthly = pick(3) == 0 ? pick(12) : 0,
                .keep_yearly = pick(3) == 0 ? pick(4) : 0,
                .min_points = pick(5),
        };
}

static bool restorable(const struct set *set, const struct retention_point *point, size_t depth)
{
        if (!point || !point->good || depth > set->count)
                return false;
        return !point->parent ||
               restorable(set, find(set->points, set->count, point->parent), depth + 1);
}

static void check_good_ones(const struct inventory_vm *vm, const struct set *set)
{
        /* However many good points were younger than a removed one that was good itself, they fill
         * min_points. */
        for (size_t i = 0; i < set->count; i++) {
                const struct retention_point *removed = &set->points[i];
                unsigned younger_kept = 0;
                if (!removed->remove || !restorable(set, removed, 0))
                        continue;
                for (size_t j = 0; j < set->count; j++) {
                        const struct retention_point *other = &set->points[j];
                        younger_kept += !other->remove && other->started <= NOW &&
                                        other->started >= removed->started &&
                                        restorable(set, other, 0);
                }
                cr_assert_geq(younger_kept, vm->min_points > 1 ? vm->min_points : 1);
                cr_assert_geq(younger_kept, vm->keep_last);
        }
}

static void check_each(const struct inventory_vm *vm, const struct set *set)
{
        bool has_rule = vm->retention_weeks || vm->keep_last || vm->keep_monthly || vm->keep_yearly;

        for (size_t i = 0; i < set->count; i++) {
                const struct retention_point *point = &set->points[i];
                const struct retention_point *parent =
                        point->parent ? find(set->points, set->count, point->parent) : NULL;
                cr_assert(*point->reason);
                if (point->remove) {
                        cr_assert(!point->good || !parent || !parent->unreadable);
                        cr_assert(has_rule && !point->held && !point->unreadable &&
                                  point->started <= NOW);
                        cr_assert(vm->retention_weeks == 0 ||
                                  point->started < NOW - vm->retention_weeks * WEEK);
                        cr_assert(point->good || vm->retention_weeks > 0);
                } else {
                        cr_assert(!parent || !parent->remove, "%s stays without its parent %s",
                                  point->name, point->parent);
                }
        }
}

static void check_again_removes_nothing(const struct inventory_vm *vm, const struct set *set)
{
        struct set rest = { .count = 0 };

        for (size_t i = 0; i < set->count; i++)
                if (!set->points[i].remove)
                        rest.points[rest.count++] = set->points[i];
        retention_decide(vm, rest.points, rest.count, NOW);
        for (size_t i = 0; i < rest.count; i++)
                cr_assert_not(rest.points[i].remove, "%s goes only the second time",
                              rest.points[i].name);
}

static void check_the_order_of_points_does_not_matter(const struct inventory_vm *vm,
                                                      const struct set *set)
{
        struct set turned = { .count = set->count };

        for (size_t i = 0; i < set->count; i++)
                turned.points[set->count - 1 - i] = set->points[i];
        retention_decide(vm, turned.points, turned.count, NOW);
        for (size_t i = 0; i < set->count; i++)
                cr_assert_eq(turned.points[set->count - 1 - i].remove, set->points[i].remove);
}

Test(retention, properties_of_random_sets)
{
        size_t removed = 0;

        use_zone("Europe/Berlin");
        random_state = 20261114;
        for (unsigned round = 0; round < 20000; round++) {
                struct inventory_vm vm = make_vm();
                struct set set;
                make_set(&set);
                retention_decide(&vm, set.points, set.count, NOW);
                check_each(&vm, &set);
                check_good_ones(&vm, &set);
                check_again_removes_nothing(&vm, &set);
                check_the_order_of_points_does_not_matter(&vm, &set);
                for (size_t i = 0; i < set.count; i++)
                        removed += set.points[i].remove;
        }
        cr_assert_gt(removed, 20000, "the sets must give retention something to remove");
}

/* What may go stays free to go: a clock set back removes nothing that the right time would keep. */
Test(retention, a_clock_set_back_removes_no_more)
{
        random_state = 7;
        for (unsigned round = 0; round < 5000; round++) {
                struct inventory_vm vm = { .retention_weeks = 1 + pick(30), .min_points = pick(4) };
                struct set set;
                struct retention_point later[ARRAY_LENGTH(set.points)];

                make_set(&set);
                memcpy(later, set.points, sizeof later);
                retention_decide(&vm, later, set.count, NOW);
                retention_decide(&vm, set.points, set.count, NOW - 200 * DAY);
                for (size_t i = 0; i < set.count; i++) {
                        cr_assert(!set.points[i].remove || later[i].remove);
                        cr_assert(!set.points[i].remove ||
                                  set.points[i].started <= NOW - 200 * DAY);
                }
        }
}
