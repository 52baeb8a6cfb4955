/* A thread that makes blocking calls for one user. It gives each call a deadline, although the
 * library that it calls has none.
 *
 * A call that has not returned in time is left behind together with the thread and the thread's
 * context: both stay allocated, owned by the thread alone, until the call returns (perhaps never).
 * So nothing that the call can still use is ever freed. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* One call. Embed it as the first member of a struct with the call's arguments and results, all of
 * them copies. */
struct service_call {
        void (*run)(struct service_call *call, void *context); /* in the service's thread */
        void (*free)(struct service_call *call);               /* by whoever releases it last */
        atomic_uint references;
};

/* Initialises the call with one reference, which the caller owns. */
void service_call_init(struct service_call *call, void (*run)(struct service_call *, void *),
                       void (*free_function)(struct service_call *));
void service_call_unref(struct service_call *call); /* NULL is allowed */

struct service_thread;

/* Starts the thread and takes over `context`, also on failure. `context_free` (may be NULL) is
 * called in the thread after its last call. */
struct service_thread *service_thread_new(void *context, void (*context_free)(void *context),
                                          struct error **err) _must_check_;

/* Makes the call in the thread and waits until it returns. False: it has not returned after
 * timeout_ms. Its results must not be read then, and the service is lost: every further call
 * returns false at once. */
bool service_thread_run(struct service_thread *service, struct service_call *call,
                        int64_t timeout_ms) _must_check_;

/* The number of late calls in this process that have not returned yet. */
unsigned service_threads_left_behind(void);

/* Ends the thread. Waits at most a second until the thread has freed its context, and only briefly
 * for a lost one. Returns NULL. */
struct service_thread *service_thread_free(struct service_thread *service);
DEFINE_FREEP(struct service_thread, service_thread_free)
