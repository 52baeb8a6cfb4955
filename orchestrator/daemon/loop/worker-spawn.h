/* Starts workers: the only place that runs the daemon's own program. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* Starts `argv` (NULL: this program's own `worker` verb) in a process group of its own, with
 * default signals, none blocked, and pipes for its stdin, stdout and stderr, whose other ends the
 * caller gets: non-blocking, close-on-exec. */
int worker_spawn(const char *const *argv, pid_t *ret_pid, int *ret_input_fd, int *ret_output_fd,
                 int *ret_errors_fd, struct error **err) _must_check_;
