/* The daemon's event loop: epoll over descriptors, one-shot and periodic timers (timerfd), signals
 * (signalfd), and one hook that runs before each wait. Single-threaded; nothing that it calls may
 * block.
 *
 * A source may be freed from any callback, its own included, and from a callback of another source
 * while it has an event pending in the same turn: it is then not called any more. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct loop;
struct loop_source;

/* `events` are EPOLL… bits. */
typedef void loop_io_function(void *data, uint32_t events);
typedef void loop_timer_function(void *data);
typedef void loop_signal_function(void *data, int signal);

struct loop *loop_new(struct error **err) _must_check_;
/* All sources must have been freed before. */
struct loop *loop_free(struct loop *loop);
DEFINE_FREEP(struct loop, loop_free)

/* Watches a descriptor, which stays the caller's. */
struct loop_source *loop_add_io(struct loop *loop, int fd, uint32_t events,
                                loop_io_function *function, void *data,
                                struct error **err) _must_check_;
/* Changes the events that an I/O source waits for. */
void loop_source_set_events(struct loop_source *source, uint32_t events);

/* A timer, not armed. */
struct loop_source *loop_add_timer(struct loop *loop, loop_timer_function *function, void *data,
                                   struct error **err) _must_check_;
/* A timer on the wall clock, for calendar times: it also fires when the clock is set. */
struct loop_source *loop_add_wall_timer(struct loop *loop, loop_timer_function *function,
                                        void *data, struct error **err) _must_check_;
/* Fires once after so many milliseconds (0: in the next turn), then every `period_ms` unless that
 * is 0. */
void loop_timer_arm(struct loop_source *timer, int64_t in_ms, int64_t period_ms);
/* Arms a wall timer: fires once at that time (epoch seconds). */
void loop_timer_arm_at(struct loop_source *timer, int64_t epoch_seconds);
void loop_timer_disarm(struct loop_source *timer);

/* Receives these signals by signalfd. They must be blocked in every thread before. */
struct loop_source *loop_add_signals(struct loop *loop, const sigset_t *signals,
                                     loop_signal_function *function, void *data,
                                     struct error **err) _must_check_;

/* Stops watching and frees the source; NULL is allowed. Returns NULL. */
struct loop_source *loop_source_free(struct loop_source *source);
DEFINE_FREEP(struct loop_source, loop_source_free)

/* `before_wait` is called before each wait and returns how many milliseconds the wait may last at
 * most (-1: without a limit). */
void loop_set_before_wait(struct loop *loop, int (*before_wait)(void *data), void *data);

/* Runs until loop_quit(). */
int loop_run(struct loop *loop, struct error **err) _must_check_;
void loop_quit(struct loop *loop);
