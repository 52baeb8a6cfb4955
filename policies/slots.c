/* Implements the slots of policies/due.h.
 *
 * Days are whole numbers since 1970-01-01, independent of time zones; which of them have a slot is
 * plain arithmetic. Only slot_instant() depends on the time zone: it turns a day and a time of day
 * into an instant. Both searches walk day by day from the local date of `now`; a month is the
 * longest way, so there is nothing to gain from closed formulas. */
#include "policies/due.h"

#include <time.h>

#define DAY ((int64_t)24 * 60 * 60)
#define REFERENCE_MONDAY INT64_C(19723) /* 2024-01-01 */

static int64_t day_of(const struct tm *date)
{
        struct tm midnight = { .tm_year = date->tm_year,
                               .tm_mon = date->tm_mon,
                               .tm_mday = date->tm_mday };
        return timegm(&midnight) / DAY;
}

static struct tm date_of_day(int64_t day)
{
        time_t midnight = (time_t)(day * DAY);
        struct tm date;
        gmtime_r(&midnight, &date);
        return date;
}

static int64_t local_day(int64_t now)
{
        time_t t = (time_t)now;
        struct tm local;
        localtime_r(&t, &local);
        return day_of(&local);
}

static int64_t offset_at(int64_t instant)
{
        time_t t = (time_t)instant;
        struct tm local;
        localtime_r(&t, &local);
        return local.tm_gmtoff;
}

/* mktime() does not define which instant it takes when a local time occurs twice or never. The rule
 * here is the same on every system: the first occurrence, and the instant after the gap. `naive` is
 * the wall clock read as if it were UTC: offsets lie within 14 h, so a day earlier and a day later
 * are before and after the instant itself. */
static int64_t slot_instant(int64_t day, const struct week_time *start)
{
        int64_t naive = day * DAY + start->hour * 3600 + start->minute * 60;
        int64_t with_old_offset = naive - offset_at(naive - DAY);
        int64_t with_new_offset = naive - offset_at(naive + DAY);

        if (with_old_offset + offset_at(with_old_offset) == naive)
                return with_old_offset;
        if (with_new_offset + offset_at(with_new_offset) == naive)
                return with_new_offset;
        return with_old_offset; /* in a gap: with the old offset the result lies after the gap */
}

static int64_t positive_modulo(int64_t value, int64_t divisor)
{
        return (value % divisor + divisor) % divisor;
}

static bool day_has_slot(enum vm_schedule schedule, const struct week_time *start, int64_t day)
{
        int64_t first_slot = REFERENCE_MONDAY + positive_modulo(start->weekday - 1, 7);

        switch (schedule) {
        case VM_SCHEDULE_DAILY:
                return true;
        case VM_SCHEDULE_WEEKLY:
                return positive_modulo(day - first_slot, 7) == 0;
        case VM_SCHEDULE_BIWEEKLY:
                return positive_modulo(day - first_slot, 14) == 0;
        case VM_SCHEDULE_MONTHLY:
                return positive_modulo(day - first_slot, 7) == 0 && date_of_day(day).tm_mday <= 7;
        case VM_SCHEDULE_MANUAL:
                return false;
        }
        return false;
}

int64_t due_slot_at_or_before(enum vm_schedule schedule, const struct week_time *start, int64_t now)
{
        if (schedule == VM_SCHEDULE_MANUAL)
                return 0;
        for (int64_t day = local_day(now);; day--) {
                int64_t slot =
                        day_has_slot(schedule, start, day) ? slot_instant(day, start) : INT64_MAX;
                if (slot <= now)
                        return slot;
        }
}

int64_t due_slot_after(enum vm_schedule schedule, const struct week_time *start, int64_t now)
{
        if (schedule == VM_SCHEDULE_MANUAL)
                return 0;
        /* The search starts yesterday: a slot in a gap around midnight may begin on the next date.
         */
        for (int64_t day = local_day(now) - 1;; day++) {
                int64_t slot =
                        day_has_slot(schedule, start, day) ? slot_instant(day, start) : INT64_MIN;
                if (slot > now)
                        return slot;
        }
}

int64_t due_early_window(enum vm_schedule schedule)
{
        switch (schedule) {
        case VM_SCHEDULE_DAILY:
                return DAY / 4;
        case VM_SCHEDULE_WEEKLY:
        case VM_SCHEDULE_BIWEEKLY:
        case VM_SCHEDULE_MONTHLY:
                return DAY / 2;
        case VM_SCHEDULE_MANUAL:
                return 0;
        }
        return 0;
}
