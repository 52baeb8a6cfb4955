/* Slots, by tables across clock changes and ends of years, and by properties over many years in
 * several zones. */
#include "policies/due.h"

#include <criterion/criterion.h>

#include "base/strings.h"
#include "local.h"

#define HOUR INT64_C(3600)

static const struct week_time saturday_noon = { .weekday = 6, .hour = 12 };

struct row {
        enum vm_schedule schedule;
        struct week_time start;
        const char *now;
        const char *slot;
        const char *next;
};

static void check_rows(const struct row *rows, size_t n_rows)
{
        for (size_t i = 0; i < n_rows; i++) {
                const struct row *row = &rows[i];
                int64_t now = at(row->now);
                _cleanup_free_ char *slot =
                        clock_format_local(due_slot_at_or_before(row->schedule, &row->start, now));
                _cleanup_free_ char *next =
                        clock_format_local(due_slot_after(row->schedule, &row->start, now));
                cr_assert_str_eq(slot, row->slot, "row %zu, at %s: slot %s", i, row->now, slot);
                cr_assert_str_eq(next, row->next, "row %zu, at %s: next %s", i, row->now, next);
        }
}

Test(slots, ordinary_weeks_months_and_ends_of_years)
{
        static const struct row rows[] = {
                /* a slot's own second belongs to it, the second before does not */
                { VM_SCHEDULE_WEEKLY,
                  { 6, 12, 0 },
                  "2026-11-14 12:00:00",
                  "2026-11-14 12:00:00",
                  "2026-11-21 12:00:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 6, 12, 0 },
                  "2026-11-14 11:59:59",
                  "2026-11-07 12:00:00",
                  "2026-11-14 12:00:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 6, 12, 0 },
                  "2026-11-18 03:00:00",
                  "2026-11-14 12:00:00",
                  "2026-11-21 12:00:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 0, 23, 59 },
                  "2026-11-16 00:00:00",
                  "2026-11-15 23:59:00",
                  "2026-11-22 23:59:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 1, 0, 0 },
                  "2026-11-15 23:59:59",
                  "2026-11-09 00:00:00",
                  "2026-11-16 00:00:00" },
                /* over New Year; 2026 has a week 53 */
                { VM_SCHEDULE_WEEKLY,
                  { 6, 12, 0 },
                  "2027-01-01 08:00:00",
                  "2026-12-26 12:00:00",
                  "2027-01-02 12:00:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 4, 22, 0 },
                  "2026-12-31 22:00:00",
                  "2026-12-31 22:00:00",
                  "2027-01-07 22:00:00" },
                { VM_SCHEDULE_DAILY,
                  { 6, 22, 0 },
                  "2026-12-31 23:00:00",
                  "2026-12-31 22:00:00",
                  "2027-01-01 22:00:00" },
                { VM_SCHEDULE_DAILY,
                  { 6, 22, 0 },
                  "2027-01-01 21:59:59",
                  "2026-12-31 22:00:00",
                  "2027-01-01 22:00:00" },
                { VM_SCHEDULE_DAILY,
                  { 6, 12, 0 },
                  "2028-02-29 12:00:01",
                  "2028-02-29 12:00:00",
                  "2028-03-01 12:00:00" },
                /* biweekly: 2024-01-06 is the first Saturday of the reference, 2024-01-01 its
                 * Monday, 2024-01-07 its Sunday */
                { VM_SCHEDULE_BIWEEKLY,
                  { 6, 12, 0 },
                  "2024-01-06 12:00:00",
                  "2024-01-06 12:00:00",
                  "2024-01-20 12:00:00" },
                { VM_SCHEDULE_BIWEEKLY,
                  { 6, 12, 0 },
                  "2024-01-13 12:00:00",
                  "2024-01-06 12:00:00",
                  "2024-01-20 12:00:00" },
                { VM_SCHEDULE_BIWEEKLY,
                  { 6, 12, 0 },
                  "2024-01-06 11:59:59",
                  "2023-12-23 12:00:00",
                  "2024-01-06 12:00:00" },
                { VM_SCHEDULE_BIWEEKLY,
                  { 1, 0, 0 },
                  "2024-01-01 00:00:00",
                  "2024-01-01 00:00:00",
                  "2024-01-15 00:00:00" },
                { VM_SCHEDULE_BIWEEKLY,
                  { 0, 20, 0 },
                  "2024-01-07 20:00:00",
                  "2024-01-07 20:00:00",
                  "2024-01-21 20:00:00" },
                { VM_SCHEDULE_BIWEEKLY,
                  { 6, 12, 0 },
                  "2026-12-31 12:00:00",
                  "2026-12-19 12:00:00",
                  "2027-01-02 12:00:00" },
                /* monthly: the first slot of the month, never the one before it */
                { VM_SCHEDULE_MONTHLY,
                  { 6, 12, 0 },
                  "2026-11-01 00:00:00",
                  "2026-10-03 12:00:00",
                  "2026-11-07 12:00:00" },
                { VM_SCHEDULE_MONTHLY,
                  { 6, 12, 0 },
                  "2026-11-30 00:00:00",
                  "2026-11-07 12:00:00",
                  "2026-12-05 12:00:00" },
                { VM_SCHEDULE_MONTHLY,
                  { 6, 12, 0 },
                  "2026-08-01 12:00:00",
                  "2026-08-01 12:00:00",
                  "2026-09-05 12:00:00" },
                { VM_SCHEDULE_MONTHLY,
                  { 6, 12, 0 },
                  "2026-08-01 11:59:59",
                  "2026-07-04 12:00:00",
                  "2026-08-01 12:00:00" },
                { VM_SCHEDULE_MONTHLY,
                  { 6, 12, 0 },
                  "2026-11-07 11:00:00",
                  "2026-10-03 12:00:00",
                  "2026-11-07 12:00:00" },
                { VM_SCHEDULE_MONTHLY,
                  { 5, 22, 0 },
                  "2027-01-01 21:00:00",
                  "2026-12-04 22:00:00",
                  "2027-01-01 22:00:00" },
        };

        use_zone("Europe/Berlin");
        check_rows(rows, ARRAY_LENGTH(rows));
}

/* Berlin: 02:00 became 03:00 on 2026-03-29, 03:00 became 02:00 on 2026-10-25. */
Test(slots, a_time_that_the_clock_skips_or_repeats_in_berlin)
{
        static const struct row rows[] = {
                { VM_SCHEDULE_WEEKLY,
                  { 0, 2, 30 },
                  "2026-03-29 03:29:59",
                  "2026-03-22 02:30:00",
                  "2026-03-29 03:30:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 0, 2, 30 },
                  "2026-03-29 03:30:00",
                  "2026-03-29 03:30:00",
                  "2026-04-05 02:30:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 0, 2, 0 },
                  "2026-03-29 03:00:00",
                  "2026-03-29 03:00:00",
                  "2026-04-05 02:00:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 0, 2, 0 },
                  "2026-03-29 01:59:59",
                  "2026-03-22 02:00:00",
                  "2026-03-29 03:00:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 6, 12, 0 },
                  "2026-04-04 11:59:59",
                  "2026-03-28 12:00:00",
                  "2026-04-04 12:00:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 0, 12, 0 },
                  "2026-03-29 12:00:00",
                  "2026-03-29 12:00:00",
                  "2026-04-05 12:00:00" },
                { VM_SCHEDULE_DAILY,
                  { 6, 2, 30 },
                  "2026-03-29 12:00:00",
                  "2026-03-29 03:30:00",
                  "2026-03-30 02:30:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 6, 12, 0 },
                  "2026-10-31 11:59:59",
                  "2026-10-24 12:00:00",
                  "2026-10-31 12:00:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 0, 12, 0 },
                  "2026-10-25 12:00:00",
                  "2026-10-25 12:00:00",
                  "2026-11-01 12:00:00" },
                { VM_SCHEDULE_DAILY,
                  { 6, 2, 30 },
                  "2026-10-25 12:00:00",
                  "2026-10-25 02:30:00",
                  "2026-10-26 02:30:00" },
        };

        use_zone("Europe/Berlin");
        check_rows(rows, ARRAY_LENGTH(rows));

        struct week_time start = { .weekday = 0, .hour = 2, .minute = 30 };
        int64_t first = at_dst("2026-10-25 02:30", 1), second = at_dst("2026-10-25 02:30", 0);
        cr_assert_eq(second - first, HOUR);
        cr_assert_eq(due_slot_at_or_before(VM_SCHEDULE_DAILY, &start, first), first);
        cr_assert_eq(due_slot_at_or_before(VM_SCHEDULE_DAILY, &start, second), first,
                     "a time that comes twice is one slot");
        cr_assert_eq(due_slot_after(VM_SCHEDULE_DAILY, &start, first), at("2026-10-26 02:30"));
        cr_assert_eq(due_slot_after(VM_SCHEDULE_DAILY, &start, first - 1), first);
}

/* New York: 02:00 became 03:00 on 2026-03-08, 02:00 became 01:00 on 2026-11-01. */
Test(slots, a_time_that_the_clock_skips_or_repeats_in_new_york)
{
        static const struct row rows[] = {
                { VM_SCHEDULE_DAILY,
                  { 6, 2, 15 },
                  "2026-03-08 03:15:00",
                  "2026-03-08 03:15:00",
                  "2026-03-09 02:15:00" },
                { VM_SCHEDULE_DAILY,
                  { 6, 2, 15 },
                  "2026-03-08 03:14:59",
                  "2026-03-07 02:15:00",
                  "2026-03-08 03:15:00" },
                { VM_SCHEDULE_MONTHLY,
                  { 0, 1, 30 },
                  "2026-11-01 12:00:00",
                  "2026-11-01 01:30:00",
                  "2026-12-06 01:30:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 6, 20, 0 },
                  "2026-11-07 19:59:59",
                  "2026-10-31 20:00:00",
                  "2026-11-07 20:00:00" },
        };

        use_zone("America/New_York");
        check_rows(rows, ARRAY_LENGTH(rows));

        struct week_time start = { .weekday = 0, .hour = 1, .minute = 30 };
        int64_t first = at_dst("2026-11-01 01:30", 1);
        cr_assert_eq(due_slot_at_or_before(VM_SCHEDULE_WEEKLY, &start, first + HOUR), first);
}

Test(slots, a_skipped_midnight_and_a_skipped_day)
{
        /* Cairo loses the hour after midnight; Samoa had no 2011-12-30 at all. */
        static const struct row cairo[] = {
                { VM_SCHEDULE_DAILY,
                  { 6, 0, 30 },
                  "2024-04-26 02:00:00",
                  "2024-04-26 01:30:00",
                  "2024-04-27 00:30:00" },
                { VM_SCHEDULE_DAILY,
                  { 6, 0, 0 },
                  "2024-04-25 23:59:59",
                  "2024-04-25 00:00:00",
                  "2024-04-26 01:00:00" },
        };
        static const struct row samoa[] = {
                { VM_SCHEDULE_DAILY,
                  { 6, 12, 0 },
                  "2011-12-31 12:00:00",
                  "2011-12-31 12:00:00",
                  "2012-01-01 12:00:00" },
                { VM_SCHEDULE_DAILY,
                  { 6, 12, 0 },
                  "2011-12-31 11:59:59",
                  "2011-12-29 12:00:00",
                  "2011-12-31 12:00:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 5, 12, 0 },
                  "2011-12-31 11:00:00",
                  "2011-12-23 12:00:00",
                  "2011-12-31 12:00:00" },
                { VM_SCHEDULE_WEEKLY,
                  { 5, 12, 0 },
                  "2011-12-31 12:30:00",
                  "2011-12-31 12:00:00",
                  "2012-01-06 12:00:00" },
        };

        use_zone("Africa/Cairo");
        check_rows(cairo, ARRAY_LENGTH(cairo));
        use_zone("Pacific/Apia");
        check_rows(samoa, ARRAY_LENGTH(samoa));
}

Test(slots, manual_has_none)
{
        cr_assert_eq(due_slot_at_or_before(VM_SCHEDULE_MANUAL, &saturday_noon, INT64_C(1794654000)),
                     0);
        cr_assert_eq(due_slot_after(VM_SCHEDULE_MANUAL, &saturday_noon, INT64_C(1794654000)), 0);
        cr_assert_eq(due_early_window(VM_SCHEDULE_MANUAL), 0);
}

static const char *const zones[] = { "Europe/Berlin",       "America/New_York", "UTC",
                                     "Australia/Lord_Howe", "Asia/Kathmandu",   "Pacific/Apia",
                                     "Europe/Dublin" };
static const struct week_time starts[] = {
        { 6, 12, 0 }, { 0, 2, 30 }, { 1, 0, 0 }, { 0, 1, 59 }, { 3, 23, 59 }
};

/* slot_at_or_before(now) <= now < slot_after(now), and there is no other slot between the two,
 * asked from any moment between. */
static void check_around(enum vm_schedule schedule, const struct week_time *start, int64_t now)
{
        int64_t slot = due_slot_at_or_before(schedule, start, now);
        int64_t next = due_slot_after(schedule, start, now);

        cr_assert_leq(slot, now);
        cr_assert_gt(next, now);
        cr_assert_eq(due_slot_at_or_before(schedule, start, slot), slot);
        cr_assert_eq(due_slot_after(schedule, start, slot), next);
        cr_assert_eq(due_slot_at_or_before(schedule, start, next - 1), slot);
        cr_assert_eq(due_slot_at_or_before(schedule, start, next), next);
        cr_assert_lt(due_slot_at_or_before(schedule, start, slot - 1), slot);
}

Test(slots, now_always_lies_between_two_neighbours)
{
        for (size_t z = 0; z < ARRAY_LENGTH(zones); z++) {
                use_zone(zones[z]);
                for (int schedule = VM_SCHEDULE_DAILY; schedule <= VM_SCHEDULE_MONTHLY; schedule++)
                        for (size_t s = 0; s < ARRAY_LENGTH(starts); s++) {
                                /* 2010 to 2031 in steps that meet every time of day; a finer comb
                                 * over a spring and an autumn */
                                for (int64_t now = 1262304000; now < 1924992000;
                                     now += 5 * 86400 + 3761)
                                        check_around((enum vm_schedule)schedule, &starts[s], now);
                                for (int64_t now = 1772323200; now < 1774828800; now += 6143)
                                        check_around((enum vm_schedule)schedule, &starts[s], now);
                        }
        }
}

static struct tm local_of(int64_t t)
{
        time_t time = (time_t)t;
        struct tm tm;
        localtime_r(&time, &tm);
        return tm;
}

/* Days between two local dates. */
static int64_t days_between(int64_t from, int64_t to)
{
        struct tm a = local_of(from), b = local_of(to);
        struct tm day_a = { .tm_year = a.tm_year, .tm_mon = a.tm_mon, .tm_mday = a.tm_mday };
        struct tm day_b = { .tm_year = b.tm_year, .tm_mon = b.tm_mon, .tm_mday = b.tm_mday };
        return (timegm(&day_b) - timegm(&day_a)) / 86400;
}

/* The wall clock shows `start` at a slot, or the time as much later as the gap that swallowed it
 * (an hour at most in these zones). */
static void check_wall_clock(const struct week_time *start, int64_t slot, bool any_weekday)
{
        struct tm tm = local_of(slot);
        int late = (tm.tm_hour - start->hour) * 60 + tm.tm_min - start->minute;

        cr_assert(any_weekday || tm.tm_wday == start->weekday);
        cr_assert_eq(tm.tm_sec, 0);
        cr_assert(late == 0 || (late > 0 && late <= 60));
        if (late > 0) /* only past a gap: an hour before the slot the clock was at another offset */
                cr_assert_neq(local_of(slot - 2 * HOUR).tm_gmtoff, tm.tm_gmtoff);
}

Test(slots, follow_the_wall_clock_over_twenty_years)
{
        static const char *const changing[] = { "Europe/Berlin", "America/New_York",
                                                "Australia/Lord_Howe", "UTC" };
        static const struct {
                enum vm_schedule schedule;
                int64_t days; /* 0: the first of each month */
        } kinds[] = { { VM_SCHEDULE_DAILY, 1 },
                      { VM_SCHEDULE_WEEKLY, 7 },
                      { VM_SCHEDULE_BIWEEKLY, 14 },
                      { VM_SCHEDULE_MONTHLY, 0 } };

        for (size_t z = 0; z < ARRAY_LENGTH(changing); z++) {
                use_zone(changing[z]);
                for (size_t k = 0; k < ARRAY_LENGTH(kinds); k++)
                        for (size_t s = 0; s < ARRAY_LENGTH(starts); s++) {
                                int64_t slot =
                                        due_slot_after(kinds[k].schedule, &starts[s], 1262304000);
                                while (slot < 1924992000) {
                                        int64_t next =
                                                due_slot_after(kinds[k].schedule, &starts[s], slot);
                                        check_wall_clock(&starts[s], next,
                                                         kinds[k].schedule == VM_SCHEDULE_DAILY);
                                        if (kinds[k].days)
                                                cr_assert_eq(days_between(slot, next),
                                                             kinds[k].days);
                                        else
                                                cr_assert(local_of(next).tm_mday <= 7 &&
                                                          local_of(next).tm_mon ==
                                                                  (local_of(slot).tm_mon + 1) % 12);
                                        slot = next;
                                }
                        }
        }
}

/* A weekly, a biweekly and a monthly slot are weekly slots too: the cycles of all VMs meet. */
Test(slots, rarer_schedules_use_moments_of_the_weekly_one)
{
        use_zone("Europe/Berlin");
        for (int64_t now = 1262304000; now < 1924992000; now += 3 * 86400 + 77) {
                int64_t biweekly = due_slot_after(VM_SCHEDULE_BIWEEKLY, &saturday_noon, now);
                int64_t monthly = due_slot_after(VM_SCHEDULE_MONTHLY, &saturday_noon, now);
                cr_assert_eq(due_slot_at_or_before(VM_SCHEDULE_WEEKLY, &saturday_noon, biweekly),
                             biweekly);
                cr_assert_eq(due_slot_at_or_before(VM_SCHEDULE_WEEKLY, &saturday_noon, monthly),
                             monthly);
        }
}
