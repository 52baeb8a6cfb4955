/* Implements base/clock.h. */
#include "base/clock.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/memory.h"
#include "base/strings.h"

static int64_t clock_ms(clockid_t id)
{
        struct timespec now;
        clock_gettime(id, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_monotonic_ms(void)
{
        return clock_ms(CLOCK_MONOTONIC);
}

int64_t clock_realtime_ms(void)
{
        return clock_ms(CLOCK_REALTIME);
}

int64_t clock_realtime_s(void)
{
        return clock_realtime_ms() / 1000;
}

int clock_set_timezone(const char *zone, struct error **err)
{
        if (!zone || !*zone)
                return 0;
        if (strcmp(zone, "UTC") != 0) {
                _cleanup_free_ char *path = xasprintf("/usr/share/zoneinfo/%s", zone);
                struct stat st;
                if (strstr(zone, "..") || zone[0] == '/' || stat(path, &st) < 0 ||
                    !S_ISREG(st.st_mode))
                        return error_set(err, ERROR_CONFIG,
                                         "time zone '%s' is not known on this system (no %s; is "
                                         "tzdata installed?)",
                                         zone, path);
        }
        if (setenv("TZ", zone, 1) < 0)
                return error_set(err, ERROR_INTERNAL, "cannot set the time zone");
        tzset();
        return 0;
}

/* This is a macro so that the compiler sees each format and checks it. */
#define FORMAT_TM(tm, format)                                                    \
        ({                                                                       \
                char _text[64];                                                  \
                xstrdup(strftime(_text, sizeof _text, format, tm) ? _text : ""); \
        })

char *clock_format_rfc3339(int64_t epoch_seconds)
{
        time_t t = (time_t)epoch_seconds;
        struct tm tm;
        return !gmtime_r(&t, &tm) ? xstrdup("") : FORMAT_TM(&tm, "%Y-%m-%dT%H:%M:%SZ");
}

bool clock_parse_rfc3339(const char *text, int64_t *ret_epoch_seconds)
{
        struct tm tm = { 0 };
        const char *end = text && strlen(text) == strlen("2026-02-01T22:00:15Z")
                                  ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm)
                                  : NULL;
        if (!end || *end)
                return false;
        *ret_epoch_seconds = timegm(&tm);
        return true;
}

char *clock_format_folder(int64_t epoch_seconds)
{
        time_t t = (time_t)epoch_seconds;
        struct tm tm;
        return !localtime_r(&t, &tm) ? xstrdup("") : FORMAT_TM(&tm, "%Y-%m-%d-%H%M%S");
}

char *clock_format_local(int64_t epoch_seconds)
{
        time_t t = (time_t)epoch_seconds;
        struct tm tm;
        return !localtime_r(&t, &tm) ? xstrdup("") : FORMAT_TM(&tm, "%Y-%m-%d %H:%M:%S");
}

struct deadline deadline_in_ms(int64_t milliseconds)
{
        return (struct deadline){ .at_ms = clock_monotonic_ms() + milliseconds };
}

int deadline_left_ms(struct deadline deadline)
{
        int64_t left = deadline.at_ms - clock_monotonic_ms();
        return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

bool deadline_passed(struct deadline deadline)
{
        return deadline_left_ms(deadline) == 0;
}
