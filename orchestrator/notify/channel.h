/* Where messages go: one interface over Slack, any server that takes JSON, and a command. */
#pragma once

#include "notify/notice.h"
#include "schema/config/secrets.h"

struct channel;

struct channels {
        struct channel **items;
        size_t count;
        /* secrets that the settings name and that are missing, a sentence each; NULL: none */
        char **warnings;
};

/* The channels of `slack:` whose secrets exist, then those of `notify:`. `secrets` may be NULL:
 * then only the environment is read. The caller releases them with channels_done(). */
struct channels channels_of(const struct settings *settings, const struct secrets *secrets);
void channels_done(struct channels *channels);
#define _cleanup_channels_ _cleanup_(channels_done)

const char *channel_name(const struct channel *channel);
enum notify_kind channel_kind(const struct channel *channel);
/* Whether the channel gets this message, by its severities and tags. */
bool channel_wants(const struct channel *channel, const struct notice *notice);

enum delivery_outcome { DELIVERY_DONE, DELIVERY_RETRY, DELIVERY_REFUSED };

struct delivery {
        enum delivery_outcome outcome;
        int64_t retry_after_seconds; /* the server's Retry-After; 0: none */
        char *error;                 /* one line; NULL when done */
};
void delivery_done(struct delivery *delivery);
#define _cleanup_delivery_ _cleanup_(delivery_done)

/* Delivers one message and fills in *ret. It blocks for at most the channel's timeout, so the
 * daemon's loop must not call it. `cancelled` (may be NULL) is polled every second; true ends the
 * delivery as DELIVERY_RETRY. */
void channel_deliver(const struct channel *channel, const struct notice *notice,
                     bool (*cancelled)(void *data), void *data, struct delivery *ret);
