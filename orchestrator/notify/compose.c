/* Implements notify/compose.h: text, and JSON for any receiver. */
#include "notify/compose.h"

#include "base/clock.h"
#include "base/strings.h"
#include "notify/text.h"
#include "schema/json/json-fields.h"

#define NOTICE_JSON_FORMAT 1
#define JSON_TEXT_MAX_BYTES ((size_t)16000)

char *compose_text(const struct notice *notice, size_t max_bytes)
{
        _cleanup_strbuf_ struct strbuf out = { 0 };
        strbuf_add(&out, notice->title);
        for (size_t i = 0; i < notice->n_facts; i++)
                strbuf_addf(&out, "\n%s: %s", notice->facts[i].label, notice->facts[i].value);
        for (size_t i = 0; i < notice->n_parts; i++)
                strbuf_addf(&out, "\n\n%s:\n%s", notice->parts[i].label, notice->parts[i].text);
        return text_clean(out.data, max_bytes);
}

char *compose_json(const struct notice *notice)
{
        _cleanup_json_ json_t *json = json_object();
        _cleanup_free_ char *when = clock_format_rfc3339(notice->time);
        _cleanup_free_ char *text = compose_text(notice, JSON_TEXT_MAX_BYTES);
        json_object_set_new(json, "format", json_integer(NOTICE_JSON_FORMAT));
        json_object_set_new(json, "orch_version", json_string(ORCH_VERSION));
        json_object_set_new(json, "id", json_from_text(notice->id));
        json_object_set_new(json, "kind", json_from_text(notice->kind));
        json_object_set_new(json, "severity", json_string(notice_severity_name(notice->severity)));
        json_object_set_new(json, "time", json_from_text(when));
        json_object_set_new(json, "title", json_from_text(notice->title));
        json_object_set_new(json, "text", json_from_text(text));
        json_t *tags = json_array();
        for (size_t i = 0; notice->tags && notice->tags[i]; i++)
                json_array_append_new(tags, json_from_text(notice->tags[i]));
        json_object_set_new(json, "tags", tags);
        json_t *facts = json_object();
        for (size_t i = 0; i < notice->n_facts; i++)
                json_object_set_new(facts, notice->facts[i].name,
                                    json_from_text(notice->facts[i].value));
        json_object_set_new(json, "facts", facts);
        json_t *parts = json_array();
        for (size_t i = 0; i < notice->n_parts; i++) {
                json_t *part = json_object();
                json_object_set_new(part, "label", json_from_text(notice->parts[i].label));
                json_object_set_new(part, "text", json_from_text(notice->parts[i].text));
                json_array_append_new(parts, part);
        }
        json_object_set_new(json, "parts", parts);
        return json_write_line(json);
}
