/* Workers of a daemon that died: they noticed its end and are rolling back. Until such a worker has
 * ended, nothing else may be done to its VM, not even a recovery: two at once would be worse than
 * waiting. */
#pragma once

#include <stdbool.h>

#include "daemon/loop/process-id.h"

struct daemon;

/* If the process is alive, blocks its VM until it has ended. */
void orphans_add(struct daemon *daemon, const char *vm, struct process_id id);
bool orphans_hold(const struct daemon *daemon, const char *vm);
void orphans_done(struct daemon *daemon);
