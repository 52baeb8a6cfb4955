/* A thread that does the blocking work of one kind, so that the daemon's loop never waits for it:
 * all that touches the share and the catalog is one kind, the deliveries of a channel another.
 *
 * The loop posts requests; they run one after the other in the order in which they were posted. A
 * request is two functions and a pointer: `work` runs on the thread, then `done` runs in
 * work_thread_dispatch(), that is, in the loop. From the post until `done` what `data` points to
 * belongs to the thread; nothing is shared and nothing needs a lock. What the thread keeps between
 * requests (an open repository, a catalog) is made, used and closed by works alone: opening and
 * closing are requests like any other.
 *
 * A work that hangs in the kernel (an NFS server that is gone) cannot be interrupted by anything:
 * it holds up the requests behind it and nothing else. work_thread_busy_ms() tells the loop, which
 * may answer its askers, and at the end leave the thread behind.
 *
 * All functions below are for the one thread that made it (the loop's). The thread itself takes no
 * signals. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct work_thread;

/* The caller ends it with work_thread_stop() or work_thread_free(). */
struct work_thread *work_thread_new(struct error **err) _must_check_;

/* Readable while completions wait for work_thread_dispatch(): for epoll. The thread keeps
 * ownership. */
int work_thread_fd(const struct work_thread *thread);
/* Calls `done` of each request whose work has ended, in order. They may post, but must not end the
 * thread. */
void work_thread_dispatch(struct work_thread *thread);

/* `done` may be NULL. */
void work_thread_post(struct work_thread *thread, void (*work)(void *data),
                      void (*done)(void *data), void *data);

/* How long the work of now has been running, in milliseconds; 0 when there is none: "the share has
 * not answered for 40 s". */
int64_t work_thread_busy_ms(struct work_thread *thread);
/* Requests that were posted and whose `done` was not called yet. */
size_t work_thread_pending(struct work_thread *thread);

/* Runs all that is posted (also by a `done` meanwhile), calls each `done`, ends the thread and
 * frees it: true. When that takes longer than `timeout_ms`, what has ended is completed, the thread
 * is left behind and false is returned: the request that runs keeps its data for ever, the ones
 * behind it never run, and neither gets its `done`. For a process that is about to exit. Either way
 * `thread` is gone, and its descriptor must be out of epoll before. */
bool work_thread_stop(struct work_thread *thread, int64_t timeout_ms);
/* The same with a second's patience; NULL is allowed. Returns NULL. */
struct work_thread *work_thread_free(struct work_thread *thread);
DEFINE_FREEP(struct work_thread, work_thread_free)
