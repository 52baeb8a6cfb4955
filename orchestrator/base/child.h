/* Child processes with a deadline. The parent never blocks in waitpid on a child that may be stuck
 * in the kernel (an NFS server that is gone). After the deadline the child gets SIGKILL. If it does
 * not end within a second, a detached thread is left to reap it, and the caller goes on. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct child_options {
        int64_t timeout_ms; /* from start to end; must be > 0 */
        const char *input;  /* given on stdin and then closed; NULL: /dev/null */
        size_t max_output;  /* of stdout and of stderr each; more is dropped; 0: 1 MiB */
        /* polled about every 100 ms; true ends the child with SIGTERM, then SIGKILL. May be NULL */
        bool (*cancelled)(void *data);
        void (*on_output)(const char *data, size_t length,
                          /* stdout as it comes, beside being kept. May be NULL */
                          void *data_pointer);
        void *data;
};

struct child_result {
        int status;   /* the exit status, or 128 + the signal that ended it */
        char *output; /* stdout, NUL-terminated, never NULL after success */
        char *errors; /* stderr, the same */
};

/* Runs argv (searched in PATH, no shell) to its end in its own process group. Returns 0 when the
 * program ended, whatever its exit status, and fills in *ret, which the caller releases with
 * child_result_done(). Returns -1 with ERROR_TIMEOUT, ERROR_CANCELLED, or ERROR_INTERNAL (it could
 * not be started; the message names the program). */
int child_run(const char *const argv[], const struct child_options *options,
              struct child_result *ret, struct error **err) _must_check_;

/* Like child_run(), for a function of this process: it runs in a forked child whose stdout and
 * stderr are pipes, and its return value is the exit status. It is meant for calls that may block
 * in the kernel without end (statfs on a dead NFS mount). */
int child_run_function(int (*function)(void *argument), void *argument,
                       const struct child_options *options, struct child_result *ret,
                       struct error **err) _must_check_;

void child_result_done(struct child_result *result);
#define _cleanup_child_result_ _cleanup_(child_result_done)
