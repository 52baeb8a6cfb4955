/* The live progress line of a terminal: what runs, a bar, bytes, rate, what is left. Pure: it makes
 * a text; output.h shows it. */
#pragma once

#include "schema/records/messages.h"

/* "prod-db-01 vda [#####-----]  50%  5.0 GiB of 10.0 GiB  210.0 MiB/s  0m24s left" in at most
 * `columns` columns: what does not fit is left out from the right. `event` is an EVENT_PROGRESS.
 * The caller frees. */
char *progress_line(const struct event *event, const char *vm, unsigned columns);
