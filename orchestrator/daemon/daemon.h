/* `orch daemon`: the event loop, the queue, supervision of workers, the control API. Enter here. */
#pragma once

#include "daemon/state/daemon-options.h"

/* Runs in the foreground until SIGTERM or SIGINT. `settings_path` NULL: the default; `options`
 * NULL: all defaults. Returns the exit status: 0 after an ordered stop, 2 for invalid settings (all
 * mistakes are printed), 4 when another daemon is running, 1 when it could not start for another
 * reason. */
int daemon_main(const char *settings_path, const struct daemon_options *options);
