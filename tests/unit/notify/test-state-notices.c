/* Messages about the clock, the inventory and the scheduler. */
#include "notify/state-notices.h"

#include "fixture.h"

static const char *part(const struct notice *notice, const char *label)
{
        for (size_t i = 0; i < notice->n_parts; i++)
                if (streq(notice->parts[i].label, label))
                        return notice->parts[i].text;
        return "";
}

Test(state_notices, a_dead_clock_says_who_should_have_called)
{
        _cleanup_notice_ struct notice *scheduler =
                dead_clock_notice(1770000000, 0, 3, false, false, 1770001800);
        cr_assert_eq(scheduler->severity, NOTICE_FAILURE);
        cr_assert(strstr(part(scheduler, "What to do"), "Bacula"));
        _cleanup_notice_ struct notice *paused =
                dead_clock_notice(1770000000, 1769000000, 3, true, false, 1770001800);
        cr_assert(strstr(part(paused, "What to do"), "orch resume"));
        _cleanup_notice_ struct notice *own =
                dead_clock_notice(1770000000, 0, 0, false, true, 1770001800);
        cr_assert(strstr(part(own, "What to do"), "orch status"));
}

Test(state_notices, a_broken_inventory_shows_its_problems)
{
        _cleanup_notice_ struct notice *notice = inventory_broken_notice(
                "/etc/orch/vm-list.yaml", "vm-list.yaml:3:5: x\nvm-list.yaml:4:5: y", true, 1);
        cr_assert_str_eq(notice->title, "The inventory is broken: the last good one is used");
        cr_assert_str_eq(part(notice, "What is wrong"), "vm-list.yaml:3:5: x\nvm-list.yaml:4:5: y");
        _cleanup_notice_ struct notice *none = inventory_broken_notice("f", "p", false, 1);
        cr_assert_str_eq(none->title, "The inventory is broken: nothing can be backed up");
}

Test(state_notices, a_schedulers_words_are_cleaned)
{
        _cleanup_notice_ struct notice *notice =
                scheduler_failure_notice("job\nname", "exit 3\x1B[0m", 1);
        cr_assert_str_eq(notice->title, "The job job name failed");
        cr_assert_str_eq(part(notice, "What failed"), "exit 3?[0m");
}
