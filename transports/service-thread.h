/* A thread that makes blocking calls for one user, so that each has a deadline although the library
 * it goes into has none.
 *
 * A call that is not back in time is left behind together with the thread and the thread's context:
 * both stay allocated, owned by the thread alone, until the call returns (perhaps never). So
 * nothing that the call can still touch is ever freed under it. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* One call; embed it first in a struct with the call's arguments and results, all of them
 * copies. */
struct service_call {
        void (*run)(struct service_call *call, void *context); /* in the service's thread */
        void (*free)(struct service_call *call);               /* by whoever lets go of it last */
        atomic_uint references;
};

/* Starts with one reference, the caller's. */
void service_call_init(struct service_call *call, void (*run)(struct service_call *, void *),
                       void (*free_function)(struct service_call *));
void service_call_unref(struct service_call *call); /* NULL is allowed */

struct service_thread;

/* Takes over `context` (also on failure); `context_free` (may be NULL) is called in the thread,
 * after its last call. */
struct service_thread *service_thread_new(void *context, void (*context_free)(void *context),
                                          struct error **err) _must_check_;

/* Makes the call in the thread and waits for its end. False: it is not back after timeout_ms
 * (results must not be read) and the service is lost: every further call is refused with false at
 * once. */
bool service_thread_run(struct service_thread *service, struct service_call *call,
                        int64_t timeout_ms) _must_check_;

/* Process-wide: how many late calls have not come back yet. */
unsigned service_threads_left_behind(void);

/* Ends the thread. Waits a second at most for the thread to free its context, a moment for a lost
 * one. Returns NULL. */
struct service_thread *service_thread_free(struct service_thread *service);
DEFINE_FREEP(struct service_thread, service_thread_free)
