/* For tests of slots: local wall-clock times as texts. */
#pragma once

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static inline void use_zone(const char *zone)
{
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(clock_set_timezone(zone, &error), 0, "%s", error_message(error));
}

/* "2026-11-14 12:00" or with ":SS", local; a time that comes twice: the first one with `dst` 1, the
 * second with 0. */
static inline int64_t at_dst(const char *text, int dst)
{
        struct tm tm = { .tm_isdst = dst };
        const char *end =
                strptime(text, strlen(text) > 16 ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M", &tm);
        cr_assert(end && !*end, "%s", text);
        tm.tm_isdst = dst;
        return mktime(&tm);
}

static inline int64_t at(const char *text)
{
        return at_dst(text, -1);
}
