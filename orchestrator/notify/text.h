/* Makes foreign text harmless: output of a guest, a hypervisor or a program enters messages only
 * through these functions. */
#pragma once

#include <stddef.h>

/* Returns valid UTF-8 without control characters except line ends, and without the characters that
 * change a line's direction or break it. The text is cut to at most `max_bytes` at a character
 * boundary, and then ends in "…". The caller frees. */
char *text_clean(const char *text, size_t max_bytes);

/* Returns Slack mrkdwn that shows exactly this text: &, < and > as entities (so no <!channel> and
 * no link), no backtick (which would end a fixed-width run), and no @here, @channel or @everyone
 * that a client might treat as a mention. `text` must be clean. The output is cut to at most
 * `max_bytes` between characters, and then ends in "…". The caller frees. */
char *text_for_slack(const char *text, size_t max_bytes);
