/* A point in time as an operator types it. */
#pragma once

#include <stdint.h>

#include "base/error.h"

enum when_direction {
        WHEN_PAST,   /* "7d" is seven days ago; "18:00" the last one */
        WHEN_FUTURE, /* "2h" is in two hours; "18:00" the next one */
};

/* Converts `text`, typed at `now`, to *ret; both times are in epoch seconds. It accepts a span
 * ("90m", "36h", "7d", "2w"); a time of day ("18:00"), a day ("2026-02-01", from its start), and a
 * day with a time ("2026-02-01 18:00", also with seconds, or with a T between), all in
 * cycle.timezone; and RFC 3339 in UTC ("2026-02-01T17:00:00Z"). ERROR_CONFIG for anything else; the
 * message lists the accepted forms. */
int when_parse(const char *text, int64_t now, enum when_direction direction, int64_t *ret,
               struct error **err) _must_check_;
