/* Foreign text made harmless: what a guest, a hypervisor or a program said goes into messages only
 * through here. */
#pragma once

#include <stddef.h>

/* Valid UTF-8 without control characters but line ends, and without the characters that turn a
 * line's direction or break it; cut to at most `max_bytes` at a character's border, with "…" as its
 * end then. The caller frees. */
char *text_clean(const char *text, size_t max_bytes);

/* As Slack's mrkdwn shows exactly this text: &, < and > as entities (so no <!channel>, no link), no
 * backtick (which would end a fixed-width run), and no @here, @channel, @everyone that a client
 * might take for a call. `text` is clean. At most `max_bytes` of output, cut between characters,
 * with "…" as its end then. The caller frees. */
char *text_for_slack(const char *text, size_t max_bytes);
