/* Delays and the worker's command line that tests replace. */
#pragma once

#include <stdint.h>

/* Zero means the default; only tests set any of these. */
struct daemon_options {
        const char *const *worker_argv; /* instead of this program's `worker` verb */
        int64_t stall_ms;               /* default: limits.copy_stall_seconds + 60 s */
        int64_t grace_ms;               /* from SIGTERM to SIGKILL; default 30 s */
        int64_t stuck_ms;               /* from SIGKILL to "stuck"; default 5 s */
        int last_resort_signal;         /* default SIGKILL */
        int64_t share_retry_ms;
        int64_t share_refresh_ms;
        int64_t share_answer_ms;
        int64_t keepalive_ms; /* default 10 s */
        /* before a VM that could not be repaired is recovered; doubled each time; default 15 s */
        int64_t recover_delay_ms;
};
