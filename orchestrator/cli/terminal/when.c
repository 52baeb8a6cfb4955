/* Implements cli/terminal/when.h. Local times go through mktime(), so days on which the clock
 * changes have their real length. */
#include "cli/terminal/when.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

#define DAY ((int64_t)24 * 3600)
enum { SPAN_MAX_DIGITS = 6 };

/* A span such as "36h", in seconds. */
static bool parse_span(const char *text, int64_t *ret)
{
        static const struct {
                char letter;
                int64_t seconds;
        } units[] = { { 'm', 60 }, { 'h', 3600 }, { 'd', DAY }, { 'w', 7 * DAY } };
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > SPAN_MAX_DIGITS || !text[digits] || text[digits + 1])
                return false;
        for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
                if (text[digits] != units[i].letter)
                        continue;
                *ret = strtoll(text, NULL, 10) * units[i].seconds;
                return true;
        }
        return false;
}

/* The whole text has to match the form, and the date has to exist: strptime() accepts 31 February.
 */
static bool parse_form(const char *text, const char *form, struct tm *tm)
{
        const char *end = strptime(text, form, tm);
        if (!end || *end || tm->tm_sec > 59)
                return false;
        struct tm calendar = *tm;
        timegm(&calendar);
        return calendar.tm_mday == tm->tm_mday && calendar.tm_mon == tm->tm_mon;
}

static bool parse_calendar(const char *text, int64_t *ret)
{
        static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S",
                                             "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S" };
        for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
                struct tm tm = { .tm_isdst = -1 };
                if (!isdigit((unsigned char)text[0]) || !parse_form(text, forms[i], &tm))
                        continue;
                tm.tm_isdst = -1;
                *ret = mktime(&tm);
                return true;
        }
        return false;
}

/* "18:00": today's, or that of yesterday or tomorrow, as the direction requires. */
static bool parse_time_of_day(const char *text, int64_t now, enum when_direction direction,
                              int64_t *ret)
{
        struct tm given = { 0 };
        const char *end = isdigit((unsigned char)text[0]) ? strptime(text, "%H:%M", &given) : NULL;
        if (!end || *end)
                return false;
        time_t seconds = (time_t)now;
        struct tm tm;
        localtime_r(&seconds, &tm);
        tm.tm_hour = given.tm_hour;
        tm.tm_min = given.tm_min;
        tm.tm_sec = 0;
        for (int days = direction == WHEN_PAST ? 1 : -1, i = 0; i < 2; i++) {
                struct tm day = tm;
                day.tm_isdst = -1;
                day.tm_mday -= i * days;
                *ret = mktime(&day);
                if (direction == WHEN_PAST ? *ret <= now : *ret > now)
                        break;
        }
        return true;
}

int when_parse(const char *text, int64_t now, enum when_direction direction, int64_t *ret,
               struct error **err)
{
        int64_t span = 0;
        if (parse_span(text, &span)) {
                *ret = direction == WHEN_PAST ? now - span : now + span;
                return 0;
        }
        if (clock_parse_rfc3339(text, ret) || parse_calendar(text, ret) ||
            parse_time_of_day(text, now, direction, ret))
                return 0;
        _cleanup_free_ char *shown = str_one_line(text, 60);
        return error_set(err, ERROR_CONFIG,
                         "'%s' is not a time: expected a span (90m, 36h, 7d, 2w), a time (18:00), "
                         "a day (2026-02-01) or both (\"2026-02-01 18:00\")",
                         shown);
}
