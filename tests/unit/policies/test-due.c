/* Slots and what is due, by tables and over whole years, clock changes included. */
#include "policies/due.h"

#include <criterion/criterion.h>

#include "base/strings.h"
#include "local.h"

#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)

static const struct week_time saturday_noon = { .weekday = 6, .hour = 12 };

struct row {
        enum vm_schedule schedule;
        const char *last_good; /* NULL: none */
        const char *now;
        bool due;
        bool overdue;
        const char *slot;
        const char *next;
        const char *reason;
};

static void check_rows(const struct row *rows, size_t n_rows)
{
        for (size_t i = 0; i < n_rows; i++) {
                const struct row *row = &rows[i];
                int64_t last_good = row->last_good ? at(row->last_good) : 0;
                struct due_verdict verdict =
                        due_decide(row->schedule, &saturday_noon, last_good, at(row->now));

                cr_assert_str_eq(verdict.reason, row->reason, "row %zu: %s", i, verdict.reason);
                cr_assert_eq(verdict.due, row->due, "row %zu: due", i);
                cr_assert_eq(verdict.overdue, row->overdue, "row %zu: overdue", i);
                cr_assert_eq(verdict.slot, at(row->slot), "row %zu: slot", i);
                cr_assert_eq(verdict.next_slot, at(row->next), "row %zu: next", i);
        }
}

Test(due, weekly)
{
        static const struct row rows[] = {
                { VM_SCHEDULE_WEEKLY, NULL, "2026-11-16 09:00", true, true, "2026-11-14 12:00",
                  "2026-11-21 12:00", "due: no good point yet" },
                { VM_SCHEDULE_WEEKLY, "2026-11-14 12:03:12", "2026-11-16 09:00", false, false,
                  "2026-11-14 12:00", "2026-11-21 12:00",
                  "not due: 2026-11-14-120312 serves this slot; next Sat 2026-11-21 12:00" },
                { VM_SCHEDULE_WEEKLY, "2026-11-07 12:03", "2026-11-16 09:00", true, false,
                  "2026-11-14 12:00", "2026-11-21 12:00",
                  "due: no good point since Sat 2026-11-14 12:00" },
                { VM_SCHEDULE_WEEKLY, "2026-11-06 12:03", "2026-11-16 09:00", true, true,
                  "2026-11-14 12:00", "2026-11-21 12:00",
                  "due: no good point since Sat 2026-11-14 12:00" },
                { VM_SCHEDULE_WEEKLY, "2026-11-07 08:00", "2026-11-16 09:00", true, false,
                  "2026-11-14 12:00", "2026-11-21 12:00",
                  "due: no good point since Sat 2026-11-14 12:00" },
                /* a Monday rerun doesn't cost next Saturday's */
                { VM_SCHEDULE_WEEKLY, "2026-11-16 09:00", "2026-11-21 12:00", true, false,
                  "2026-11-21 12:00", "2026-11-28 12:00",
                  "due: no good point since Sat 2026-11-21 12:00" },
                /* nor does one of Friday evening; one of Saturday morning serves it */
                { VM_SCHEDULE_WEEKLY, "2026-11-20 23:59:59", "2026-11-21 12:00", true, false,
                  "2026-11-21 12:00", "2026-11-28 12:00",
                  "due: no good point since Sat 2026-11-21 12:00" },
                { VM_SCHEDULE_WEEKLY, "2026-11-21 00:00:00", "2026-11-21 12:00", false, false,
                  "2026-11-21 12:00", "2026-11-28 12:00",
                  "not due: 2026-11-21-000000 serves this slot; next Sat 2026-11-28 12:00" },
                /* in the hours before a slot, a run serves it */
                { VM_SCHEDULE_WEEKLY, "2026-11-14 12:03", "2026-11-20 23:59:59", false, false,
                  "2026-11-14 12:00", "2026-11-21 12:00",
                  "not due: 2026-11-14-120300 serves this slot; next Sat 2026-11-21 12:00" },
                { VM_SCHEDULE_WEEKLY, "2026-11-14 12:03", "2026-11-21 00:00", true, false,
                  "2026-11-21 12:00", "2026-11-28 12:00",
                  "due early: a backup now serves Sat 2026-11-21 12:00" },
                { VM_SCHEDULE_WEEKLY, "2026-11-21 08:00", "2026-11-21 11:55", false, false,
                  "2026-11-21 12:00", "2026-11-28 12:00",
                  "not due: 2026-11-21-080000 serves the coming slot, Sat 2026-11-21 12:00; next "
                  "Sat 2026-11-28 12:00" },
                { VM_SCHEDULE_WEEKLY, "2026-11-07 12:03", "2026-11-21 11:55", true, false,
                  "2026-11-21 12:00", "2026-11-28 12:00",
                  "due: no good point since Sat 2026-11-14 12:00; a backup now serves Sat "
                  "2026-11-21 "
                  "12:00" },
        };

        use_zone("Europe/Berlin");
        check_rows(rows, ARRAY_LENGTH(rows));
}

Test(due, daily_biweekly_monthly)
{
        static const struct row rows[] = {
                { VM_SCHEDULE_DAILY, "2026-11-17 12:01", "2026-11-18 05:59:59", false, false,
                  "2026-11-17 12:00", "2026-11-18 12:00",
                  "not due: 2026-11-17-120100 serves this slot; next Wed 2026-11-18 12:00" },
                { VM_SCHEDULE_DAILY, "2026-11-17 12:01", "2026-11-18 06:00", true, false,
                  "2026-11-18 12:00", "2026-11-19 12:00",
                  "due early: a backup now serves Wed 2026-11-18 12:00" },
                /* the last of a long cycle still has its turn the next day */
                { VM_SCHEDULE_DAILY, "2026-11-18 01:00", "2026-11-18 12:00", true, false,
                  "2026-11-18 12:00", "2026-11-19 12:00",
                  "due: no good point since Wed 2026-11-18 12:00" },
                { VM_SCHEDULE_DAILY, "2026-11-16 12:01", "2026-11-18 12:30", true, true,
                  "2026-11-18 12:00", "2026-11-19 12:00",
                  "due: no good point since Wed 2026-11-18 12:00" },
                { VM_SCHEDULE_BIWEEKLY, "2026-11-07 12:01", "2026-11-14 12:00", false, false,
                  "2026-11-07 12:00", "2026-11-21 12:00",
                  "not due: 2026-11-07-120100 serves this slot; next Sat 2026-11-21 12:00" },
                { VM_SCHEDULE_BIWEEKLY, "2026-11-07 12:01", "2026-11-21 12:00", true, false,
                  "2026-11-21 12:00", "2026-12-05 12:00",
                  "due: no good point since Sat 2026-11-21 12:00" },
                { VM_SCHEDULE_MONTHLY, "2026-11-07 12:01", "2026-12-04 12:00", false, false,
                  "2026-11-07 12:00", "2026-12-05 12:00",
                  "not due: 2026-11-07-120100 serves this slot; next Sat 2026-12-05 12:00" },
                { VM_SCHEDULE_MONTHLY, "2026-11-07 12:01", "2026-12-05 00:30", true, false,
                  "2026-12-05 12:00", "2027-01-02 12:00",
                  "due early: a backup now serves Sat 2026-12-05 12:00" },
                { VM_SCHEDULE_MONTHLY, "2026-10-03 12:01", "2026-12-05 12:30", true, true,
                  "2026-12-05 12:00", "2027-01-02 12:00",
                  "due: no good point since Sat 2026-12-05 12:00" },
        };

        use_zone("Europe/Berlin");
        check_rows(rows, ARRAY_LENGTH(rows));
}

Test(due, manual_is_never_due)
{
        struct due_verdict verdict =
                due_decide(VM_SCHEDULE_MANUAL, &saturday_noon, 0, INT64_C(1794654000));
        cr_assert_str_eq(verdict.reason, "manual: only on request");
        cr_assert(!verdict.due && !verdict.overdue && verdict.slot == 0 && verdict.next_slot == 0);
}

Test(due, a_point_from_the_future_serves_nothing_but_a_small_step_of_the_clock_does_no_harm)
{
        use_zone("Europe/Berlin");
        int64_t now = at("2026-11-16 09:00");
        struct due_verdict verdict =
                due_decide(VM_SCHEDULE_WEEKLY, &saturday_noon, at("2031-01-04 12:00"), now);
        cr_assert(verdict.due && verdict.overdue);
        cr_assert_str_eq(verdict.reason, "due: the newest good point is dated Sat 2031-01-04 "
                                         "12:00, in the future; check the clocks");
        cr_assert_not(due_decide(VM_SCHEDULE_WEEKLY, &saturday_noon, now + HOUR, now).due);
}

/* Over a year and a half with all clock changes, in steps of 50 minutes, each schedule, each
 * zone. */
#define EACH_MOMENT(now, from) for (int64_t now = (from); now < (from) + 550 * DAY; now += 50 * 60)

static const char *const zones[] = { "Europe/Berlin", "America/New_York", "Australia/Lord_Howe" };
static const struct week_time starts[] = { { 6, 12, 0 }, { 0, 2, 30 }, { 1, 0, 0 } };

static void check_only_a_point_ends_it(enum vm_schedule schedule, const struct week_time *start,
                                       int64_t last_good)
{
        bool was_due = false;

        EACH_MOMENT(now, last_good)
        {
                struct due_verdict verdict = due_decide(schedule, start, last_good, now);
                cr_assert(!was_due || verdict.due, "due ended by itself at %lld", (long long)now);
                cr_assert(!verdict.overdue || verdict.due);
                cr_assert_gt(verdict.next_slot, verdict.slot);
                cr_assert_leq(verdict.slot - now, due_early_window(schedule));
                was_due = verdict.due;
        }
        cr_assert(was_due);
}

Test(due, never_ends_by_time_passing)
{
        for (size_t z = 0; z < ARRAY_LENGTH(zones); z++) {
                use_zone(zones[z]);
                for (int schedule = VM_SCHEDULE_DAILY; schedule <= VM_SCHEDULE_MONTHLY; schedule++)
                        for (size_t s = 0; s < ARRAY_LENGTH(starts); s++)
                                check_only_a_point_ends_it((enum vm_schedule)schedule, &starts[s],
                                                           1770000000);
        }
}

/* A run at any moment at which the VM is due makes it not due until the early window of the slot
 * after the one it served. */
static void check_a_run_serves_one_slot(enum vm_schedule schedule, const struct week_time *start,
                                        int64_t now)
{
        struct due_verdict before = due_decide(schedule, start, 0, now);
        int64_t again = before.next_slot - due_early_window(schedule);

        cr_assert(before.due);
        cr_assert_not(due_decide(schedule, start, now, now).due);
        cr_assert_not(due_decide(schedule, start, now, again - 1).due);
        cr_assert(due_decide(schedule, start, now, again).due);
        cr_assert_eq(due_decide(schedule, start, now, again).slot, before.next_slot);
}

Test(due, a_run_serves_exactly_one_slot)
{
        for (size_t z = 0; z < ARRAY_LENGTH(zones); z++) {
                use_zone(zones[z]);
                for (int schedule = VM_SCHEDULE_DAILY; schedule <= VM_SCHEDULE_MONTHLY; schedule++)
                        for (size_t s = 0; s < ARRAY_LENGTH(starts); s++)
                                EACH_MOMENT(now, 1770000000)
                check_a_run_serves_one_slot((enum vm_schedule)schedule, &starts[s], now);
        }
}

/* An outside clock that starts the cycle within an hour of its time, over a year: each slot is
 * served once, none is left out. */
Test(due, an_unpunctual_clock_serves_every_slot_once)
{
        use_zone("Europe/Berlin");
        for (int schedule = VM_SCHEDULE_DAILY; schedule <= VM_SCHEDULE_MONTHLY; schedule++) {
                int64_t last_good = 0, slot = at("2026-01-03 11:00");
                unsigned runs = 0, slots = 0;

                while (slot < at("2027-01-02 11:00")) {
                        slot = due_slot_after((enum vm_schedule)schedule, &saturday_noon, slot);
                        slots++;
                        for (int64_t called = slot - HOUR + (slots % 7) * 1000;
                             called < slot + 2 * HOUR; called += HOUR) {
                                if (due_decide((enum vm_schedule)schedule, &saturday_noon,
                                               last_good, called)
                                            .due) {
                                        last_good = called;
                                        runs++;
                                }
                        }
                }
                cr_assert_eq(runs, slots, "schedule %d: %u runs in %u slots", schedule, runs,
                             slots);
        }
}

Test(due, the_own_timer_begins_a_cycle_once_a_slot_whatever_the_clock_was_before)
{
        int64_t now = at("2026-11-21 12:00");
        cr_assert(due_timer_begins(now, now - 7 * DAY, now));
        cr_assert(due_timer_begins(now - 12 * HOUR, 0, now));
        cr_assert_not(due_timer_begins(now, now, now + HOUR), "once");
        cr_assert_not(due_timer_begins(now - 12 * HOUR - 1, 0, now), "too late to catch up with");
        cr_assert_not(due_timer_begins(0, 0, now), "nothing is due");
        cr_assert(due_timer_begins(now, at("2036-02-02 12:00"), now),
                  "a clock that was ten years ahead does not silence it");
        cr_assert(due_timer_begins(now - 7 * DAY + HOUR, now, now - 7 * DAY + 2 * HOUR),
                  "nor one that was a week ahead");
}
