/* One worker: a child process that does one job, and its supervision.
 *
 * The contract with the worker (orchestrator/worker/worker.h): its stdin gets one line, the job
 * request, and then *stays open* as a life line: the daemon writes nothing more, and end of file
 * means that the daemon is gone, upon which the worker cancels itself, rolls back, and exits; there
 * is no PR_SET_PDEATHSIG, which would leave no time for the roll-back. stdout carries events, one
 * JSON object a line, the last one a result; stderr carries log lines. SIGTERM means cancel.
 *
 * The supervision: a worker that sends no event for `stall_ms` gets SIGTERM; if it does not end
 * within `grace_ms`, SIGKILL; if that does not end it within `stuck_ms` (uninterruptible sleep on a
 * dead share), it is reported as stuck, left alone, and reaped when it ends. A cancelled worker may
 * go on as long as it sends events (a commit takes its time), and is then killed by the same rules.
 * After its result it has `grace_ms` to exit. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/log.h"
#include "daemon/loop/loop.h"
#include "schema/records/messages.h"

/* Longer lines are not taken for events. */
#define WORKER_LINE_MAX_BYTES ((size_t)1 << 20)

struct worker_process;

struct worker_options {
        const char *const *argv;  /* NULL: this program's own `worker` verb */
        const char *name;         /* for log lines: job and VM; copied */
        struct log_context about; /* the same as fields; its texts outlive the worker */
        int64_t stall_ms;
        int64_t grace_ms;
        int64_t stuck_ms;
        int last_resort_signal; /* SIGKILL; tests give one that doesn't kill */
};

struct worker_handlers {
        /* An event, owned by the caller. */
        void (*event)(void *data, const struct event *event);
        /* It outlived SIGKILL. */
        void (*stuck)(void *data);
        /* It has been reaped; the owner frees the object here or later. */
        void (*ended)(void *data);
};

struct worker_process *worker_process_start(struct loop *loop, const struct worker_options *options,
                                            const char *request,
                                            const struct worker_handlers *handlers, void *data,
                                            struct error **err) _must_check_;
/* Closes its pipes (so that a worker that is still alive cancels itself) and frees the object.
 * Returns NULL. */
struct worker_process *worker_process_free(struct worker_process *worker);
DEFINE_FREEP(struct worker_process, worker_process_free)

/* SIGTERM; idempotent. */
void worker_process_cancel(struct worker_process *worker);
pid_t worker_process_pid(const struct worker_process *worker);
/* Whether it has sent a result. */
bool worker_process_has_result(const struct worker_process *worker);
/* Once it has ended or is stuck without a result: the reason. TIMEOUT when the supervision ended
 * it, CANCELLED when it was cancelled before it could handle a signal, else INTERNAL. The caller
 * frees. */
struct error *worker_process_failure(const struct worker_process *worker);
