/* A message in Slack's Block Kit. Every text goes through text_for_slack(), so only the markup
 * added here takes effect. Lengths are limited in bytes, which are never fewer than the characters
 * that Slack counts. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "notify/compose.h"
#include "notify/text.h"
#include "schema/json/json-fields.h"

enum {
        BLOCKS_MAX = 45, /* Slack accepts 50; the header and the context need some */
        HEADER_MAX_BYTES = 148,
        FIELDS_A_SECTION = 10,
        FIELD_MAX_BYTES = 1000,
        SECTION_MAX_BYTES = 2800,
        FALLBACK_MAX_BYTES = 2900,
};

static const char *const marks[] = {
        [NOTICE_FAILURE] = "❌",
        [NOTICE_WARNING] = "⚠️",
        [NOTICE_RESOLVED] = "✅",
        [NOTICE_SUMMARY] = "📊",
};

static json_t *text_object(const char *type, const char *text)
{
        json_t *json = json_object();
        bool plain = streq(type, "plain_text");
        json_object_set_new(json, "type", json_string(type));
        json_object_set_new(json, "text", json_from_text(text));
        /* No emoji from :names:, and no links or mentions from text that looks like one. */
        json_object_set_new(json, plain ? "emoji" : "verbatim", json_boolean(!plain));
        return json;
}

static json_t *slack_block(const char *type)
{
        json_t *json = json_object();
        json_object_set_new(json, "type", json_string(type));
        return json;
}

static void slack_add_header(json_t *blocks, const struct notice *notice)
{
        _cleanup_free_ char *marked = xasprintf("%s %s", marks[notice->severity], notice->title);
        _cleanup_free_ char *title = text_for_slack(marked, HEADER_MAX_BYTES);
        json_t *header = slack_block("header");
        json_object_set_new(header, "text", text_object("plain_text", title));
        json_array_append_new(blocks, header);
}

static void slack_add_facts(json_t *blocks, const struct notice *notice)
{
        json_t *fields = NULL;
        for (size_t i = 0; i < notice->n_facts && json_array_size(blocks) < BLOCKS_MAX; i++) {
                if (i % FIELDS_A_SECTION == 0) {
                        json_t *section = slack_block("section");
                        fields = json_array();
                        json_object_set_new(section, "fields", fields);
                        json_array_append_new(blocks, section);
                }
                _cleanup_free_ char *value =
                        text_for_slack(notice->facts[i].value, FIELD_MAX_BYTES);
                _cleanup_free_ char *text = xasprintf("*%s*\n%s", notice->facts[i].label, value);
                json_array_append_new(fields, text_object("mrkdwn", text));
        }
}

static void add_section(json_t *blocks, const char *label, bool verbatim, const struct strbuf *body)
{
        if (!body->length || json_array_size(blocks) >= BLOCKS_MAX)
                return;
        const char *fence = verbatim ? "```" : "";
        _cleanup_free_ char *head = label ? xasprintf("*%s*\n", label) : xstrdup("");
        _cleanup_free_ char *text = xasprintf("%s%s%s%s", head, fence, body->data, fence);
        json_t *section = slack_block("section");
        json_object_set_new(section, "text", text_object("mrkdwn", text));
        json_array_append_new(blocks, section);
}

/* A long text becomes several sections, split between lines. */
static void slack_add_part(json_t *blocks, const struct notice_part *part)
{
        _cleanup_strbuf_ struct strbuf body = { 0 };
        _cleanup_free_ char *copy = xstrdup(part->text);
        const char *label = part->label;
        char *rest = copy;
        for (char *line; (line = strsep(&rest, "\n"));) {
                _cleanup_free_ char *escaped = text_for_slack(line, SECTION_MAX_BYTES - 1);
                if (body.length + strlen(escaped) + 1 > SECTION_MAX_BYTES) {
                        add_section(blocks, label, part->verbatim, &body);
                        label = NULL;
                        strbuf_reset(&body);
                }
                strbuf_addf(&body, "%s%s", body.length ? "\n" : "", escaped);
        }
        add_section(blocks, label, part->verbatim, &body);
}

static void add_foot(json_t *blocks, const struct notice *notice)
{
        bool cut = json_array_size(blocks) >= BLOCKS_MAX;
        _cleanup_free_ char *when = clock_format_local(notice->time);
        _cleanup_free_ char *text =
                xasprintf("orch %s · %s · %s%s", ORCH_VERSION, notice->kind, when,
                          cut ? " · truncated: too long for one message" : "");
        json_t *context = slack_block("context");
        json_t *elements = json_array();
        json_array_append_new(elements, text_object("mrkdwn", text));
        json_object_set_new(context, "elements", elements);
        json_array_append_new(blocks, context);
}

char *compose_slack(const struct notice *notice)
{
        _cleanup_json_ json_t *json = json_object();
        _cleanup_free_ char *plain = compose_text(notice, FALLBACK_MAX_BYTES);
        _cleanup_free_ char *fallback = text_for_slack(plain, FALLBACK_MAX_BYTES);
        json_t *blocks = json_array();
        slack_add_header(blocks, notice);
        slack_add_facts(blocks, notice);
        for (size_t i = 0; i < notice->n_parts; i++)
                slack_add_part(blocks, &notice->parts[i]);
        add_foot(blocks, notice);
        json_object_set_new(json, "text", json_from_text(fallback));
        json_object_set_new(json, "blocks", blocks);
        json_object_set_new(json, "unfurl_links", json_false());
        json_object_set_new(json, "unfurl_media", json_false());
        return json_write_line(json);
}
