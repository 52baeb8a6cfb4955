/* A process as this system knows it: its pid may be given to another process once it has ended, so
 * the start time goes with it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_id {
        pid_t pid;
        uint64_t start_ticks; /* clock ticks from boot to its start; 0: there is no such process */
};

/* The identity of the process that has this pid now. */
struct process_id process_id_of(pid_t pid);
/* Whether that same process still runs. */
bool process_id_is_alive(struct process_id id);
