/* Implements due_decide() of policies/due.h.
 *
 * Time is divided into periods in which a backup serves one slot: from (slot - early window) up to
 * the next slot's early window. A VM is due while its newest good point is older than the period
 * that contains `now`; so only a new point ends being due, never the passing of time. */
#include "policies/due.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define DAY ((int64_t)24 * 60 * 60)
#define CATCH_UP_SECONDS (DAY / 2)

struct slot_text {
        char text[48]; /* "Sat 2026-11-14 12:00" */
};

/* strftime's %a is not used because the text must not depend on the locale. */
static struct slot_text format_slot(int64_t slot)
{
        static const char weekdays[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
        struct slot_text ret = { "" };
        time_t t = (time_t)slot;
        struct tm local;
        char date[32];

        localtime_r(&t, &local);
        strftime(date, sizeof date, "%Y-%m-%d %H:%M", &local);
        snprintf(ret.text, sizeof ret.text, "%s %s", weekdays[local.tm_wday], date);
        return ret;
}

static void explain_due(struct due_verdict *verdict, int64_t current_slot, bool current_served,
                        int64_t last_good, int64_t now)
{
        bool early = verdict->slot > now;
        size_t size = sizeof verdict->reason;

        if (last_good <= 0)
                snprintf(verdict->reason, size, "due: no good point yet");
        else if (last_good > now)
                snprintf(verdict->reason, size,
                         "due: the newest good point is dated %s, in the future; check the clocks",
                         format_slot(last_good).text);
        else if (early && current_served)
                snprintf(verdict->reason, size, "due early: a backup now serves %s",
                         format_slot(verdict->slot).text);
        else if (early)
                snprintf(verdict->reason, size,
                         "due: no good point since %s; a backup now serves %s",
                         format_slot(current_slot).text, format_slot(verdict->slot).text);
        else
                snprintf(verdict->reason, size, "due: no good point since %s",
                         format_slot(current_slot).text);
}

static void explain_not_due(struct due_verdict *verdict, int64_t last_good, int64_t now)
{
        _cleanup_free_ char *point = clock_format_folder(last_good);

        if (verdict->slot > now)
                snprintf(verdict->reason, sizeof verdict->reason,
                         "not due: %s serves the coming slot, %s; next %s", point,
                         format_slot(verdict->slot).text, format_slot(verdict->next_slot).text);
        else
                snprintf(verdict->reason, sizeof verdict->reason,
                         "not due: %s serves this slot; next %s", point,
                         format_slot(verdict->next_slot).text);
}

struct due_verdict due_decide(enum vm_schedule schedule, const struct week_time *start,
                              int64_t last_good, int64_t now)
{
        struct due_verdict verdict = { 0 };

        if (schedule == VM_SCHEDULE_MANUAL) {
                strcpy(verdict.reason, "manual: only on request");
                return verdict;
        }

        int64_t early = due_early_window(schedule);
        int64_t current = due_slot_at_or_before(schedule, start, now);
        int64_t coming = due_slot_after(schedule, start, now);
        int64_t previous = due_slot_at_or_before(schedule, start, current - 1);
        int64_t known_good = last_good > now + DAY ? 0 : last_good;

        verdict.slot = now >= coming - early ? coming : current;
        verdict.next_slot = due_slot_after(schedule, start, verdict.slot);
        verdict.due = known_good <= 0 || known_good < verdict.slot - early;
        verdict.overdue = known_good <= 0 || known_good < previous - early;
        if (verdict.due)
                explain_due(&verdict, current, known_good >= current - early, last_good, now);
        else
                explain_not_due(&verdict, last_good, now);
        return verdict;
}

bool due_timer_begins(int64_t slot, int64_t last_slot, int64_t now)
{
        return slot > 0 && slot >= now - CATCH_UP_SECONDS && (slot > last_slot || last_slot > now);
}
