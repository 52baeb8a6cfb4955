/* The queue of messages: each channel has its spool and a thread of its own that makes one delivery
 * at a time, so that a channel that is down delays neither the others nor anything else. A message
 * stays on disk until it is delivered or dropped, so it survives a restart. On each channel
 * messages arrive in order. Delivery is at least once: a lost answer cannot be distinguished from a
 * lost message, so the message is sent again, with the same Idempotency-Key.
 *
 * Only the thread that opened the outbox, the daemon's loop, may call these functions; none of them
 * waits for a channel. */
#pragma once

#include "notify/channel.h"

struct outbox;

/* Opens the queues: <folder>/<channel>/ holds each channel's messages. Takes ownership of
 * `channels`, also on failure. The caller frees with outbox_free(). */
struct outbox *outbox_open(const char *folder, struct channels *channels,
                           struct error **err) _must_check_;
/* Waits briefly for a running delivery, then cancels it. Returns NULL. */
struct outbox *outbox_free(struct outbox *outbox);
DEFINE_FREEP(struct outbox, outbox_free)

/* The number of descriptors for epoll: one for each channel, readable when outbox_dispatch() has
 * something to do. */
size_t outbox_count(const struct outbox *outbox);
int outbox_fd(const struct outbox *outbox, size_t index);
void outbox_dispatch(struct outbox *outbox, size_t index);
/* Starts the deliveries that are due. Returns the milliseconds until the next call is needed; -1:
 * no message waits for a time. */
int64_t outbox_turn(struct outbox *outbox);

/* Queues a message for each channel that wants it. A message that cannot be written is logged.
 * `key` (may be NULL) identifies it for outbox_change() and outbox_has(). It is not sent before
 * `hold_seconds` have passed. */
void outbox_add(struct outbox *outbox, const struct notice *notice, const char *key,
                unsigned hold_seconds);
/* Replaces the message of that key in each queue where no delivery was tried yet, and holds it
 * anew. Returns false when there is no such queue. */
bool outbox_change(struct outbox *outbox, const char *key, const struct notice *notice,
                   unsigned hold_seconds);
/* Whether a message of that key waits in any queue. */
bool outbox_has(const struct outbox *outbox, const char *key);
/* Whether any channel gets messages of that severity. */
bool outbox_has_channel_for(const struct outbox *outbox, enum notice_severity severity);

struct outbox_test {
        const char *channel;
        enum notify_kind kind;
        const char *error; /* NULL: it arrived */
        int64_t duration_ms;
};
/* Delivers a message at once, outside the queue, to the channel of that name (NULL: all). It
 * reports each result, then calls `done`. Nothing is retried. A delivery that succeeds also wakes
 * the channel's queue. Returns false, and calls nothing, when there is no such channel. */
bool outbox_test(struct outbox *outbox, const char *channel, const struct notice *notice,
                 void (*result)(void *data, const struct outbox_test *result),
                 void (*done)(void *data), void *data);

struct outbox_lane {
        const char *channel;
        enum notify_kind kind;
        size_t waiting;
        int64_t oldest;             /* epoch seconds; 0: none waits */
        unsigned attempts;          /* failed attempts of the oldest message */
        const char *error;          /* of the last attempt; NULL: it succeeded, or there was none */
        int64_t delivered;          /* time of the last delivery; 0: none since the start */
        size_t given_up;            /* messages dropped in the last days */
        const char *given_up_error; /* why the newest was dropped; NULL: not known */
};
struct outbox_lane outbox_look(const struct outbox *outbox, size_t index);
/* Missing secrets, a sentence each; NULL-terminated, may be NULL. The outbox keeps ownership. */
char *const *outbox_warnings(const struct outbox *outbox);
/* Names of all channels; the caller frees. */
char **outbox_names(const struct outbox *outbox);
