/* The text of the live progress line: VM and disk, a bar, bytes, rate, time left. Pure; output.h
 * shows it. */
#pragma once

#include "schema/records/messages.h"

/* "prod-db-01 vda [#####-----]  50%  5.0 GiB of 10.0 GiB  210.0 MiB/s  0m24s left" in at most
 * `columns` columns; parts that do not fit are omitted, the last first. `event` is an
 * EVENT_PROGRESS. The caller frees. */
char *progress_line(const struct event *event, const char *vm, unsigned columns);
