/* Workers of a daemon that died: they saw its end and are undoing what they did. Until such a one
 * has ended, nothing else may be done to its VM, not even a recovery: two at once would be worse
 * than waiting. */
#pragma once

#include <stdbool.h>

#include "daemon/loop/process-id.h"

struct daemon;

/* Waits for it from now on, if it lives; its VM is held meanwhile. */
void orphans_add(struct daemon *daemon, const char *vm, struct process_id id);
bool orphans_hold(const struct daemon *daemon, const char *vm);
void orphans_done(struct daemon *daemon);
