/* `orch pause`: no backup is started, until a given time or until it is resumed. A pause survives a
 * restart of the daemon. Running jobs go on; checks and recoveries start as always. */
#pragma once

#include <stdint.h>

#include "base/error.h"

struct daemon;

/* Pauses; `until`: epoch seconds, 0: until pause_end(). A pause that cannot be written to the state
 * folder is logged and ends with this daemon. */
void pause_begin(struct daemon *daemon, int64_t until);
/* Resumes: queued backups start, and a cycle that is due by the internal trigger. */
void pause_end(struct daemon *daemon);
/* At start: restores a pause of the last daemon. */
void pause_load(struct daemon *daemon);
/* Ends a pause whose time is over. */
void pause_check(struct daemon *daemon);
/* Returns -1 with ERROR_REFUSED while no backup may be requested: paused, or the daemon is
 * stopping. */
int pause_refuse_backups(const struct daemon *daemon, struct error **err) _must_check_;
