/* Workers of a daemon that died: they saw its end and are undoing what they did. Until such a one
 * has ended, nothing else may be done to its VM, not even a recovery: two at once would be worse
 * than waiting. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct daemon;

/* A process as this system knows it: a pid alone may come to mean another one. */
struct process_id {
        pid_t pid;
        uint64_t start_ticks; /* since boot */
};

/* Of a process that lives; start_ticks 0: there is none of that pid. */
struct process_id process_id_of(pid_t pid);
bool process_is_alive(struct process_id id);

/* Waits for it from now on, if it lives; its VM is held meanwhile. */
void orphans_add(struct daemon *daemon, const char *vm, struct process_id id);
bool orphans_hold(const struct daemon *daemon, const char *vm);
void orphans_done(struct daemon *daemon);
