/* Implements notify/notice.h. */
#include "notify/notice.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "notify/text.h"
#include "schema/json/json-fields.h"

static const char *const severity_words[] = { "failure", "warning", "resolved", "summary", NULL };

#define FACT(member)                                                                              \
        .name = #member, .offset = offsetof(struct notice_fact, member), .type = JSON_FIELD_TEXT, \
        .required = true
static const struct json_field fact_fields[] = {
        { FACT(name) }, { FACT(label) }, { FACT(value) }, { 0 }
};

#define PART(member) .name = #member, .offset = offsetof(struct notice_part, member)
static const struct json_field part_fields[] = {
        { PART(label), .type = JSON_FIELD_TEXT, .required = true },
        { PART(text), .type = JSON_FIELD_TEXT, .required = true },
        { PART(verbatim), .type = JSON_FIELD_FLAG, .required = true },
        { 0 },
};

#define FIELD(member) .name = #member, .offset = offsetof(struct notice, member)
static const struct json_field notice_fields[] = {
        { FIELD(id), .type = JSON_FIELD_TEXT, .required = true, .valid = name_is_safe,
          .expected = "a word" },
        { FIELD(kind), .type = JSON_FIELD_TEXT, .required = true, .valid = name_is_safe,
          .expected = "a word" },
        { FIELD(severity), .type = JSON_FIELD_WORD, .required = true, .words = severity_words },
        { FIELD(time), .type = JSON_FIELD_TIME, .required = true },
        { FIELD(title), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(about_vms), .type = JSON_FIELD_FLAG, .required = true },
        { FIELD(tags), .type = JSON_FIELD_TEXTS, .required = true },
        { FIELD(facts), .type = JSON_FIELD_LIST, .required = true, .fields = fact_fields,
          .item_size = sizeof(struct notice_fact),
          .count_offset = offsetof(struct notice, n_facts) },
        { FIELD(parts), .type = JSON_FIELD_LIST, .required = true, .fields = part_fields,
          .item_size = sizeof(struct notice_part),
          .count_offset = offsetof(struct notice, n_parts) },
        { 0 },
};

static char *notice_make_id(void)
{
        uint64_t number = 0;
        if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
                number = (uint64_t)clock_realtime_ms() * 0x9E3779B97F4A7C15U;
        return xasprintf("%016llx", (unsigned long long)number);
}

struct notice *notice_new(const char *kind, enum notice_severity severity, int64_t time,
                          const char *format, ...)
{
        struct notice *notice = xcalloc(1, sizeof *notice);
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *title = xvasprintf(format, ap);
        va_end(ap);
        notice->id = notice_make_id();
        notice->kind = xstrdup(kind);
        notice->severity = severity;
        notice->time = time;
        notice->title = str_one_line(title, NOTICE_TITLE_MAX_BYTES);
        return notice;
}

struct notice *notice_free(struct notice *notice)
{
        if (!notice)
                return NULL;
        json_fields_done(notice_fields, notice);
        free(notice);
        return NULL;
}

struct notice *notice_copy(const struct notice *notice)
{
        _cleanup_json_ json_t *json = notice_to_json(notice);
        struct notice *copy = xcalloc(1, sizeof *copy);
        /* One table describes both writing and reading. */
        if (json_fields_read(notice_fields, json, "", copy, NULL) < 0)
                abort();
        return copy;
}

void notice_add_fact(struct notice *notice, const char *name, const char *label, const char *value)
{
        if (str_empty(value))
                return;
        notice->facts = xrealloc_array(notice->facts, notice->n_facts + 1, sizeof *notice->facts);
        notice->facts[notice->n_facts++] = (struct notice_fact){
                .name = xstrdup(name),
                .label = xstrdup(label),
                .value = str_one_line(value, NOTICE_FACT_MAX_BYTES),
        };
}

void notice_add_factf(struct notice *notice, const char *name, const char *label,
                      const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *value = xvasprintf(format, ap);
        va_end(ap);
        notice_add_fact(notice, name, label, value);
}

void notice_add_part(struct notice *notice, const char *label, bool verbatim, const char *text)
{
        if (str_empty(text))
                return;
        notice->parts = xrealloc_array(notice->parts, notice->n_parts + 1, sizeof *notice->parts);
        notice->parts[notice->n_parts++] = (struct notice_part){
                .label = xstrdup(label),
                .text = text_clean(text, NOTICE_PART_MAX_BYTES),
                .verbatim = verbatim,
        };
}

void notice_add_tags(struct notice *notice, char *const *tags)
{
        notice->about_vms = true;
        for (size_t i = 0; tags && tags[i]; i++)
                if (!strv_contains(notice->tags, tags[i]))
                        strv_add(&notice->tags, tags[i]);
}

json_t *notice_to_json(const struct notice *notice)
{
        return json_fields_to_object(notice_fields, notice);
}

struct notice *notice_from_json(json_t *json, struct error **err)
{
        _cleanup_notice_ struct notice *notice = xcalloc(1, sizeof *notice);
        if (json_fields_read(notice_fields, json, "", notice, err) < 0)
                return NULL;
        return TAKE_PTR(notice);
}
