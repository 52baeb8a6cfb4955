/* A thread that does the blocking work of one kind, so that the daemon's loop never waits for it.
 * All access to the share and the catalog is one kind; the deliveries of a notification channel are
 * another.
 *
 * The loop posts requests; they run one after the other, in the order of posting. A request is two
 * functions and a pointer: `work` runs on the thread, then `done` runs in work_thread_dispatch(),
 * that is, in the loop. From the post until `done`, the thread owns what `data` points to; nothing
 * is shared, and nothing needs a lock. Only `work` functions create, use and close what the thread
 * keeps between requests (an open repository, a catalog): opening and closing are requests like any
 * other.
 *
 * A request that hangs in the kernel (an NFS server that is gone) cannot be interrupted. It delays
 * the requests behind it and nothing else. The loop sees this by work_thread_busy_ms(): it can
 * answer its callers, and at its end leave the thread behind.
 *
 * Only the thread that created the object (the loop's) may call the functions below. The work
 * thread blocks all signals. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct work_thread;

/* Starts the thread. The caller ends it with work_thread_stop() or work_thread_free(). NULL and
 * ERROR_INTERNAL when the system has no thread or descriptor left. */
struct work_thread *work_thread_new(struct error **err) _must_check_;

/* A descriptor for epoll: readable while completions wait for work_thread_dispatch(). The object
 * keeps ownership. */
int work_thread_fd(const struct work_thread *thread);
/* Calls `done` of each request whose work has ended, in order. They may post, but must not end the
 * thread. */
void work_thread_dispatch(struct work_thread *thread);

/* Appends a request. `done` may be NULL. */
void work_thread_post(struct work_thread *thread, void (*work)(void *data),
                      void (*done)(void *data), void *data);

/* How long the current request has been running, in milliseconds; 0 when none runs. For messages
 * such as "the share has not answered for 40 s". */
int64_t work_thread_busy_ms(struct work_thread *thread);
/* The number of posted requests whose `done` has not been called yet. */
size_t work_thread_pending(struct work_thread *thread);

/* Runs all posted requests (also those that a `done` posts meanwhile), calls each `done`, ends the
 * thread, frees the object and returns true. When that takes longer than `timeout_ms`, it completes
 * the requests that have ended, leaves the thread behind and returns false: the running request
 * keeps its data until the process exits, the ones behind it never run, and their `done` is never
 * called. Use it when the process is about to exit. `thread` is invalid afterwards in both cases;
 * remove its descriptor from epoll before. */
bool work_thread_stop(struct work_thread *thread, int64_t timeout_ms);
/* work_thread_stop() with a timeout of one second. NULL is allowed. Returns NULL. */
struct work_thread *work_thread_free(struct work_thread *thread);
DEFINE_FREEP(struct work_thread, work_thread_free)
