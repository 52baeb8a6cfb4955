/* The forms of a message. Each returns JSON text (or text) that the caller frees. */
#pragma once

#include "notify/notice.h"

/* Plain text of several lines, at most `max_bytes`. */
char *compose_text(const struct notice *notice, size_t max_bytes);
/* One line of JSON for any receiver: format, id, kind, severity, time, title, text, tags, facts (by
 * name), parts. docs/orch.yaml.5 describes it. */
char *compose_json(const struct notice *notice);
/* Slack's Block Kit with a plain-text fallback, within Slack's limits (50 blocks, 3000 characters a
 * text, 10 fields a section, 150 a header). */
char *compose_slack(const struct notice *notice);
