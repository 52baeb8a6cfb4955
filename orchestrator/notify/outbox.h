/* The queue of messages: each channel has its spool and a thread of its own that makes one delivery
 * at a time, so that a channel that is down holds up neither the others nor anything else. A
 * message stays on disk until it was taken or given up, so it survives a restart; per channel they
 * arrive in order and, as far as a receiver's answer tells, once. (An answer that is lost on its
 * way back cannot be told from a message that was: it is sent again, with the same
 * Idempotency-Key.)
 *
 * All functions are for the one thread that made it, the daemon's loop, and none of them waits for
 * a channel. */
#pragma once

#include "notify/channel.h"

struct outbox;

/* <folder>/<channel>/ holds each channel's messages. Takes `channels` over, also on failure. */
struct outbox *outbox_open(const char *folder, struct channels *channels,
                           struct error **err) _must_check_;
/* A delivery under way gets a moment to end, then is broken off. Returns NULL. */
struct outbox *outbox_free(struct outbox *outbox);
DEFINE_FREEP(struct outbox, outbox_free)

/* For epoll: one descriptor a channel, which is readable when outbox_dispatch() has something to
 * do. */
size_t outbox_count(const struct outbox *outbox);
int outbox_fd(const struct outbox *outbox, size_t index);
void outbox_dispatch(struct outbox *outbox, size_t index);
/* Starts the deliveries whose time has come. Milliseconds until it has to be called again; -1:
 * nothing waits for a moment. */
int64_t outbox_turn(struct outbox *outbox);

/* Puts a message into the queue of each channel that wants it. What cannot be written is logged.
 * `key` (may be NULL): by which it may be changed or be known to be there. `hold_seconds`: it is
 * not sent before. */
void outbox_add(struct outbox *outbox, const struct notice *notice, const char *key,
                unsigned hold_seconds);
/* Another text for the message of that key, wherever it has not been tried yet, and held anew.
 * False: nowhere. */
bool outbox_change(struct outbox *outbox, const char *key, const struct notice *notice,
                   unsigned hold_seconds);
/* Whether a message of that key waits anywhere. */
bool outbox_has(const struct outbox *outbox, const char *key);
/* Whether any channel would get a message of that severity. */
bool outbox_has_channel_for(const struct outbox *outbox, enum notice_severity severity);

struct outbox_test {
        const char *channel;
        enum notify_kind kind;
        const char *error; /* NULL: it arrived */
        int64_t duration_ms;
};
/* Delivers a message at once beside the queue, to the channel of that name (NULL: all), and tells
 * each result; then `done` is called. It is never tried again. One that arrives also gets the
 * channel's queue going. False, and nothing is called: there is no such channel. */
bool outbox_test(struct outbox *outbox, const char *channel, const struct notice *notice,
                 void (*result)(void *data, const struct outbox_test *result),
                 void (*done)(void *data), void *data);

struct outbox_lane {
        const char *channel;
        enum notify_kind kind;
        size_t waiting;
        int64_t oldest;             /* epoch seconds; 0: none waits */
        unsigned attempts;          /* that failed, of the oldest */
        const char *error;          /* of the last attempt; NULL: it went well, or there was none */
        int64_t delivered;          /* the last one that arrived; 0: none since the start */
        size_t given_up;            /* in the last days */
        const char *given_up_error; /* why the newest was, NULL: not known */
};
struct outbox_lane outbox_look(const struct outbox *outbox, size_t index);
/* What settings and secrets lack; NULL-terminated, may be NULL. The outbox keeps ownership. */
char *const *outbox_warnings(const struct outbox *outbox);
/* Names of all channels; the caller frees. */
char **outbox_names(const struct outbox *outbox);
