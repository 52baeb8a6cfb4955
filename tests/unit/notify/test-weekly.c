/* The summary of a week, counted over scripted ones. */
#include "notify/weekly.h"

#include "base/clock.h"
#include "fixture.h"

#define WEEK ((int64_t)7 * 86400)
#define TO ((int64_t)1770000000)
#define GIB ((uint64_t)1 << 30)

static struct ledger ledger;

static void add(const char *vm, const char *status, const char *error, int64_t finished,
                int64_t seconds, uint64_t bytes)
{
        ledger.rows = xrealloc_array(ledger.rows, ledger.count + 1, sizeof *ledger.rows);
        ledger.rows[ledger.count++] =
                (struct ledger_row){ .vm = xstrdup(vm),
                                     .hypervisor = xstrdup("hv-1"),
                                     .job = xstrdup("j"),
                                     .status = xstrdup(status),
                                     .error = xstrdup(error),
                                     .stored_bytes = bytes,
                                     .started = seconds ? finished - seconds : 0,
                                     .finished = finished };
}

static void set_up(void)
{
        cr_assert_eq(clock_set_timezone("Europe/Berlin", NULL), 0);
        ledger = (struct ledger){ 0 };
}

static void tear_down(void)
{
        ledger_done(&ledger);
}

TestSuite(weekly, .init = set_up, .fini = tear_down);

static char *const vms[] = {
        (char *)"a", (char *)"b", (char *)"c", (char *)"d", (char *)"e", NULL
};

static struct weekly_input input(void)
{
        return (struct weekly_input){ .from = TO - WEEK, .to = TO, .ledger = &ledger, .vms = vms };
}

static const char *fact(const struct notice *notice, const char *name)
{
        for (size_t i = 0; i < notice->n_facts; i++)
                if (streq(notice->facts[i].name, name))
                        return notice->facts[i].value;
        return "";
}

static const char *part(const struct notice *notice, const char *label)
{
        for (size_t i = 0; i < notice->n_parts; i++)
                if (streq(notice->parts[i].label, label))
                        return notice->parts[i].text;
        return "";
}

/* Names with the facts they have to have, then labels with the texts of parts; each list ends by
 * NULL. */
static void assert_told(const struct notice *notice, const char *const facts[][2],
                        const char *const parts[][2])
{
        for (size_t i = 0; facts[i][0]; i++)
                cr_expect_str_eq(fact(notice, facts[i][0]), facts[i][1], "%s: %s", facts[i][0],
                                 fact(notice, facts[i][0]));
        for (size_t i = 0; parts[i][0]; i++)
                cr_expect_str_eq(part(notice, parts[i][0]), parts[i][1], "%s: %s", parts[i][0],
                                 part(notice, parts[i][0]));
}

Test(weekly, each_vm_counts_once_by_what_became_of_it)
{
        add("a", "failed", "old", TO - WEEK - 5, 10, 0);
        add("a", "ok", NULL, TO - 1000, 100, 3 * GIB);
        add("b", "failed", "no way", TO - 900, 10, 0);
        add("b", "ok", NULL, TO - 800, 4000, 1 * GIB);
        add("c", "ok", NULL, TO - 5000, 60, 1 * GIB);
        add("c", "failed", "disk vda\nis gone", TO - 700, 20, 0);
        add("d", "skipped", "it is off", TO - 600, 0, 0);
        add("a", "skipped", "it was backed up meanwhile", TO, 0, 0);
        add("x", "ok", NULL, TO - 100, 10, 0);
        struct weekly_input week = input();
        _cleanup_notice_ struct notice *notice = weekly_notice(&week);
        cr_assert_eq(notice->severity, NOTICE_SUMMARY);
        cr_assert_str_eq(notice->title, "Backups of the week: 3 of 6 VMs succeeded, some failed");
        static const char *const facts[][2] = { { "total", "6" },
                                                { "succeeded", "3" },
                                                { "failed", "1" },
                                                { "skipped", "1" },
                                                { "not_run", "1" },
                                                { "jobs", "8, 2 of them failed" },
                                                { "slowest", "b, 1h06m" },
                                                { "stored",
                                                  "5.0 GiB (+5.0 GiB against the week before)" },
                                                { NULL } };
        static const char *const parts[][2] = { { "Failed", "c (hv-1): disk vda\nis gone" },
                                                { "Failed, and succeeded later",
                                                  "b (hv-1): no way" },
                                                { "Skipped or cancelled", "d: skipped, it is off" },
                                                { "Not run", "e" },
                                                { NULL } };
        assert_told(notice, facts, parts);
}

Test(weekly, a_week_without_anything_is_told_too)
{
        struct weekly_input week = input();
        _cleanup_notice_ struct notice *notice = weekly_notice(&week);
        cr_assert_str_eq(notice->title,
                         "Backups of the week: 0 of 5 VMs succeeded, some need attention");
        static const char *const facts[][2] = {
                { "not_run", "5" }, { "share", "not available now" }, { "stored", "0 B" }, { NULL }
        };
        static const char *const parts[][2] = { { NULL } };
        assert_told(notice, facts, parts);
}

Test(weekly, a_good_week)
{
        for (size_t i = 0; vms[i]; i++)
                add(vms[i], "ok", NULL, TO - 10, 5, GIB);
        add("a", "ok", NULL, TO - WEEK - 10, 5, 8 * GIB);
        struct weekly_input week = input();
        week.next_cycle = TO + 3600;
        week.overdue = NULL;
        _cleanup_notice_ struct notice *notice = weekly_notice(&week);
        cr_assert_str_eq(notice->title, "Backups of the week: 5 of 5 VMs succeeded");
        static const char *const facts[][2] = { { "stored",
                                                  "5.0 GiB (−3.0 GiB against the week before)" },
                                                { "next_cycle", "2026-02-02 04:40:00" },
                                                { NULL } };
        static const char *const parts[][2] = { { "Failed", "" }, { NULL } };
        assert_told(notice, facts, parts);
}

Test(weekly, overdue_unproven_and_warnings_are_listed)
{
        add("a", "ok", NULL, TO - 10, 5, GIB);
        strv_add(&ledger.rows[0].warnings, "the agent is mute");
        struct weekly_input week = input();
        week.overdue = (char *const[]){ (char *)"b: two slots missed", NULL };
        week.unproven = (char *const[]){ (char *)"a", (char *)"b", NULL };
        _cleanup_notice_ struct notice *notice = weekly_notice(&week);
        static const char *const facts[][2] = {
                { "overdue", "1" }, { "unproven", "2" }, { "warnings", "1" }, { NULL }
        };
        static const char *const parts[][2] = { { "Overdue", "b: two slots missed" },
                                                { "Never proven by a test restore", "a\nb" },
                                                { "Warnings of the newest jobs",
                                                  "a: the agent is mute" },
                                                { NULL } };
        assert_told(notice, facts, parts);
}

Test(weekly, days_left_by_how_the_share_fills)
{
        struct weekly_input week = input();
        cr_assert_eq(weekly_days_left(&week, 7 * GIB), -1, "nothing is known of the share");
        week.share_is_known = true;
        week.free_bytes = 100 * GIB;
        week.total_bytes = 1000 * GIB;
        cr_assert_eq(weekly_days_left(&week, 7 * GIB), 100, "by what was stored");
        week.free_before = 114 * GIB;
        week.free_before_at = TO - WEEK;
        cr_assert_eq(weekly_days_left(&week, 70 * GIB), 50, "by what is gone");
        week.free_before = 90 * GIB;
        cr_assert_eq(weekly_days_left(&week, 70 * GIB), -1, "it is emptying");
        week.free_before_at = TO - 3600;
        cr_assert_eq(weekly_days_left(&week, 7 * GIB), 100, "an hour says nothing");
        week.free_before_at = 0;
        cr_assert_eq(weekly_days_left(&week, 0), -1, "nothing was stored");
        _cleanup_notice_ struct notice *notice = weekly_notice(&week);
        cr_assert_str_eq(fact(notice, "share"), "100.0 GiB free of 1000.0 GiB");
        cr_assert_str_eq(fact(notice, "days_left"), "it is not filling up");
}

Test(weekly, hundreds_of_failures_are_bounded)
{
        for (int i = 0; i < 300; i++) {
                _cleanup_free_ char *vm = xasprintf("vm-%03d", i);
                add(vm, "failed", "the share <!channel> is away", TO - 10, 5, 0);
        }
        struct weekly_input week = input();
        _cleanup_notice_ struct notice *notice = weekly_notice(&week);
        cr_assert_str_eq(fact(notice, "failed"), "300");
        cr_assert(str_ends_with(part(notice, "Failed"), "… and 240 more"));
}
