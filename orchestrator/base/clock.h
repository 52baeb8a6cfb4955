/* Time: monotonic for deadlines and durations, wall clock for records, and their text forms.
 *
 * "Local" time here is the time zone of the settings (cycle.timezone): each process of orch calls
 * clock_set_timezone() once at its start, before it has threads, so that localtime_r() and mktime()
 * mean that zone everywhere. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* CLOCK_MONOTONIC in milliseconds. */
int64_t clock_monotonic_ms(void);
/* CLOCK_REALTIME: seconds (or milliseconds) since the epoch. */
int64_t clock_realtime_s(void);
int64_t clock_realtime_ms(void);

/* Sets TZ for this process. ERROR_CONFIG when the system has no such zone. NULL or "" leaves the
 * system's zone. */
int clock_set_timezone(const char *zone, struct error **err) _must_check_;

/* "2026-02-01T22:00:15Z" (RFC 3339, UTC). The caller frees. This function and the two below return
 * "" for a time whose year does not fit into a struct tm. */
char *clock_format_rfc3339(int64_t epoch_seconds);
/* Reads exactly that form. Returns false, and leaves *ret_epoch_seconds alone, for any other text.
 */
bool clock_parse_rfc3339(const char *text, int64_t *ret_epoch_seconds);
/* "2026-02-01-220015", local: the name of a point's folder. The caller frees. */
char *clock_format_folder(int64_t epoch_seconds);
/* "2026-02-01 22:00:15", local, for people. The caller frees. */
char *clock_format_local(int64_t epoch_seconds);

/* A time on the monotonic clock by which an operation has to end. */
struct deadline {
        int64_t at_ms;
};

struct deadline deadline_in_ms(int64_t milliseconds);
/* Milliseconds left, 0 when it has passed; never more than INT_MAX, fit for poll(). */
int deadline_left_ms(struct deadline deadline);
bool deadline_passed(struct deadline deadline);
