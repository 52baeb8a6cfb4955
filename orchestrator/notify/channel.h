/* Where messages go: one interface over Slack, any server that takes JSON, and a command. */
#pragma once

#include "notify/notice.h"
#include "schema/config/secrets.h"

struct channel;

struct channels {
        struct channel **items;
        size_t count;
        /* what the settings name and the secrets lack, a sentence each; NULL: none */
        char **warnings;
};

/* Those of `slack:` whose secrets exist, then those of `notify:`. `secrets` may be NULL: the
 * environment alone. The caller releases them with channels_done(). */
struct channels channels_of(const struct settings *settings, const struct secrets *secrets);
void channels_done(struct channels *channels);
#define _cleanup_channels_ _cleanup_(channels_done)

const char *channel_name(const struct channel *channel);
enum notify_kind channel_kind(const struct channel *channel);
/* By severity and tags. */
bool channel_wants(const struct channel *channel, const struct notice *notice);

enum delivery_outcome { DELIVERY_DONE, DELIVERY_RETRY, DELIVERY_REFUSED };

struct delivery {
        enum delivery_outcome outcome;
        int64_t retry_after_seconds; /* 0: nobody asked for it */
        char *error;                 /* one line; NULL when done */
};
void delivery_done(struct delivery *delivery);
#define _cleanup_delivery_ _cleanup_(delivery_done)

/* Delivers one message. Blocks for the channel's timeout at most: not for the daemon's loop.
 * `cancelled` (may be NULL) is asked about every second; true breaks it off as DELIVERY_RETRY.
 * Fills in *ret. */
void channel_deliver(const struct channel *channel, const struct notice *notice,
                     bool (*cancelled)(void *data), void *data, struct delivery *ret);
