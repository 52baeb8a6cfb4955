/* Implements schema/json/json-fields.h. One function each to write, read and free a single field;
 * the table walks are loops over them.
 *
 * A pointer to some struct is moved by memcpy: its type is not known here. Invariant: after a
 * failed read the struct holds only what json_fields_done() can free, lists included (their count
 * covers every item that was begun). */
#include "schema/json/json-fields.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

/* 9999-12-31T23:59:59Z: the last time that RFC 3339 can express */
#define TIME_MAX_SECONDS INT64_C(253402300799)

#define AT(type, object, field) ((type *)(void *)((char *)(object) + (field)->offset))
#define CONST_AT(type, object, field) \
        ((type const *)(const void *)((const char *)(object) + (field)->offset))
#define COUNT_AT(object, field) ((size_t *)(void *)((char *)(object) + (field)->count_offset))

json_t *json_from_text(const char *text)
{
        if (!text)
                return json_null();
        json_t *json = json_string(text);
        if (json)
                return json;
        _cleanup_free_ char *clean = str_one_line(text, SIZE_MAX);
        json = json_string(clean);
        assert(json);
        return json;
}

static json_t *list_to_json(const struct json_field *field, const void *object)
{
        json_t *array = json_array();
        const char *items;
        memcpy(&items, CONST_AT(void, object, field), sizeof items);
        size_t count = *(const size_t *)(const void *)((const char *)object + field->count_offset);
        for (size_t i = 0; i < count; i++) {
                json_t *item = json_object();
                json_fields_write(field->fields, items + i * field->item_size, item);
                json_array_append_new(array, item);
        }
        return array;
}

static json_t *texts_to_json(char *const *texts)
{
        json_t *array = json_array();
        for (size_t i = 0; texts && texts[i]; i++)
                json_array_append_new(array, json_from_text(texts[i]));
        return array;
}

static json_t *time_to_json(const struct json_field *field, int64_t seconds)
{
        if (!field->required && seconds <= 0)
                return json_null();
        _cleanup_free_ char *text =
                clock_format_rfc3339(seconds < 0                  ? 0
                                     : seconds > TIME_MAX_SECONDS ? TIME_MAX_SECONDS
                                                                  : seconds);
        return json_from_text(text);
}

static json_t *word_to_json(const struct json_field *field, const void *object)
{
        unsigned value, count = 0;
        memcpy(&value, CONST_AT(void, object, field), sizeof value);
        while (field->words[count])
                count++;
        assert(value < count);
        return json_from_text(field->words[value]);
}

static json_t *field_to_json(const struct json_field *field, const void *object)
{
        switch (field->type) {
        case JSON_FIELD_TEXT:
                return json_from_text(*CONST_AT(char *, object, field));
        case JSON_FIELD_TEXTS:
                return texts_to_json(*CONST_AT(char **, object, field));
        case JSON_FIELD_NUMBER: {
                int64_t number = *CONST_AT(int64_t, object, field);
                return json_integer(number < field->least ? field->least : number);
        }
        case JSON_FIELD_SIZE: {
                uint64_t size = *CONST_AT(uint64_t, object, field);
                return json_integer(size > INT64_MAX ? INT64_MAX : (json_int_t)size);
        }
        case JSON_FIELD_FLAG:
                return json_boolean(*CONST_AT(bool, object, field));
        case JSON_FIELD_TIME:
                return time_to_json(field, *CONST_AT(int64_t, object, field));
        case JSON_FIELD_WORD:
                return word_to_json(field, object);
        case JSON_FIELD_OBJECT: {
                json_t *inner = *CONST_AT(json_t *, object, field);
                return inner ? json_incref(inner) : json_null();
        }
        case JSON_FIELD_PART: {
                json_t *part = json_object();
                json_fields_write(field->fields, CONST_AT(void, object, field), part);
                return part;
        }
        case JSON_FIELD_LIST:
                return list_to_json(field, object);
        }
        return json_null();
}

void json_fields_write(const struct json_field fields[], const void *object, json_t *into)
{
        for (const struct json_field *field = fields; field->name; field++)
                json_object_set_new(into, field->name, field_to_json(field, object));
}

/* Describes the value, for a message: "the number", "null", "\"abc\"". */
static char *describe_json(const json_t *json)
{
        if (!json)
                return xstrdup("nothing");
        switch (json_typeof(json)) {
        case JSON_OBJECT:
                return xstrdup("an object");
        case JSON_ARRAY:
                return xstrdup("an array");
        case JSON_STRING: {
                _cleanup_free_ char *text = str_one_line(json_string_value(json), 60);
                return xasprintf("\"%s\"", text);
        }
        case JSON_INTEGER:
                return xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(json));
        case JSON_REAL:
                return xasprintf("%g", json_real_value(json));
        case JSON_TRUE:
                return xstrdup("true");
        case JSON_FALSE:
                return xstrdup("false");
        case JSON_NULL:
                return xstrdup("null");
        }
        return xstrdup("something else");
}

static int json_set_unexpected(const struct json_field *field, const char *where,
                               const char *expected, const json_t *json, struct error **err)
{
        _cleanup_free_ char *found = describe_json(json);
        return error_set(err, ERROR_CORRUPT, "%s%s: expected %s, found %s", where, field->name,
                         expected, found);
}

static char *words_in_words(const char *const *words)
{
        struct strbuf buf = { 0 };
        strbuf_add(&buf, "one of");
        for (size_t i = 0; words[i]; i++)
                strbuf_addf(&buf, "%s \"%s\"", i ? "," : "", words[i]);
        return strbuf_take(&buf);
}

/* The index of the string among the words, or -1. */
static int find_word(const struct json_field *field, json_t *json, const char *where,
                     struct error **err)
{
        for (int i = 0; json_is_string(json) && field->words[i]; i++)
                if (streq(field->words[i], json_string_value(json)))
                        return i;
        _cleanup_free_ char *expected = words_in_words(field->words);
        return json_set_unexpected(field, where, expected, json, err);
}

static int json_read_text(const struct json_field *field, json_t *json, const char *where,
                          char **ret, struct error **err)
{
        if (field->words && find_word(field, json, where, err) < 0)
                return -1;
        if (!json_is_string(json) || (field->valid && !field->valid(json_string_value(json))))
                return json_set_unexpected(field, where,
                                           field->valid ? field->expected : "a string", json, err);
        *ret = xstrdup(json_string_value(json));
        return 0;
}

static int read_array_length(const struct json_field *field, json_t *json, const char *where,
                             size_t *ret, struct error **err)
{
        if (!json_is_array(json))
                return json_set_unexpected(field, where, "an array", json, err);
        if (json_array_size(json) > JSON_LIST_MAX_ITEMS)
                return error_set(err, ERROR_CORRUPT, "%s%s: expected at most %zu items, found %zu",
                                 where, field->name, JSON_LIST_MAX_ITEMS, json_array_size(json));
        *ret = json_array_size(json);
        return 0;
}

static int json_read_texts(const struct json_field *field, json_t *json, const char *where,
                           char ***ret, struct error **err)
{
        size_t count = 0;
        if (read_array_length(field, json, where, &count, err) < 0)
                return -1;
        _cleanup_strv_ char **texts = xcalloc(count + 1, sizeof *texts);
        for (size_t i = 0; i < count; i++) {
                if (!json_is_string(json_array_get(json, i)))
                        return json_set_unexpected(field, where, "an array of strings",
                                                   json_array_get(json, i), err);
                texts[i] = xstrdup(json_string_value(json_array_get(json, i)));
        }
        if (count)
                *ret = TAKE_PTR(texts);
        return 0;
}

static int json_read_list(const struct json_field *field, json_t *json, const char *where,
                          void *object, struct error **err)
{
        size_t count = 0;
        if (read_array_length(field, json, where, &count, err) < 0)
                return -1;
        if (!count)
                return 0;
        char *items = xcalloc(count, field->item_size);
        memcpy(AT(void, object, field), &items, sizeof items);
        for (size_t i = 0; i < count; i++) {
                json_t *item = json_array_get(json, i);
                if (!json_is_object(item))
                        return json_set_unexpected(field, where, "an array of objects", item, err);
                *COUNT_AT(object, field) = i + 1;
                _cleanup_free_ char *inside = xasprintf("%s%s[%zu].", where, field->name, i);
                if (json_fields_read(field->fields, item, inside, items + i * field->item_size,
                                     err) < 0)
                        return -1;
        }
        return 0;
}

static int read_part(const struct json_field *field, json_t *json, const char *where, void *object,
                     struct error **err)
{
        if (!json_is_object(json))
                return json_set_unexpected(field, where, "an object", json, err);
        _cleanup_free_ char *inside = xasprintf("%s%s.", where, field->name);
        return json_fields_read(field->fields, json, inside, AT(void, object, field), err);
}

static int read_number(const struct json_field *field, json_t *json, const char *where,
                       int64_t least, int64_t *ret, struct error **err)
{
        if (!json_is_integer(json) || json_integer_value(json) < least) {
                _cleanup_free_ char *expected =
                        xasprintf("a whole number from %lld", (long long)least);
                return json_set_unexpected(field, where, expected, json, err);
        }
        *ret = json_integer_value(json);
        return 0;
}

static int read_time(const struct json_field *field, json_t *json, const char *where, int64_t *ret,
                     struct error **err)
{
        int64_t seconds = 0;
        bool good = json_is_string(json) &&
                    clock_parse_rfc3339(json_string_value(json), &seconds) && seconds >= 0;
        if (good) {
                /* Only what would be written the same: the reader below takes a 31st of February
                 * for a 3rd of March. */
                _cleanup_free_ char *again = clock_format_rfc3339(seconds);
                good = streq(again, json_string_value(json));
        }
        if (!good)
                return json_set_unexpected(field, where, "a time like \"2026-02-01T22:00:15Z\"",
                                           json, err);
        *ret = seconds;
        return 0;
}

static int read_word(const struct json_field *field, json_t *json, const char *where, void *object,
                     struct error **err)
{
        int index = find_word(field, json, where, err);
        if (index < 0)
                return -1;
        unsigned value = (unsigned)index;
        memcpy(AT(void, object, field), &value, sizeof value);
        return 0;
}

static int json_read_field(const struct json_field *field, json_t *json, const char *where,
                           void *object, struct error **err)
{
        switch (field->type) {
        case JSON_FIELD_TEXT:
                return json_read_text(field, json, where, AT(char *, object, field), err);
        case JSON_FIELD_TEXTS:
                return json_read_texts(field, json, where, AT(char **, object, field), err);
        case JSON_FIELD_NUMBER:
                return read_number(field, json, where, field->least, AT(int64_t, object, field),
                                   err);
        case JSON_FIELD_SIZE: {
                int64_t number = 0;
                if (read_number(field, json, where, 0, &number, err) < 0)
                        return -1;
                *AT(uint64_t, object, field) = (uint64_t)number;
                return 0;
        }
        case JSON_FIELD_FLAG:
                if (!json_is_boolean(json))
                        return json_set_unexpected(field, where, "true or false", json, err);
                *AT(bool, object, field) = json_is_true(json);
                return 0;
        case JSON_FIELD_TIME:
                return read_time(field, json, where, AT(int64_t, object, field), err);
        case JSON_FIELD_WORD:
                return read_word(field, json, where, object, err);
        case JSON_FIELD_OBJECT:
                if (!json_is_object(json))
                        return json_set_unexpected(field, where, "an object", json, err);
                *AT(json_t *, object, field) = json_incref(json);
                return 0;
        case JSON_FIELD_PART:
                return read_part(field, json, where, object, err);
        case JSON_FIELD_LIST:
                return json_read_list(field, json, where, object, err);
        }
        return 0;
}

int json_fields_read(const struct json_field fields[], json_t *json, const char *where, void *ret,
                     struct error **err)
{
        for (const struct json_field *field = fields; field->name; field++) {
                json_t *value = json_object_get(json, field->name);
                if (!field->required && (!value || json_is_null(value)))
                        continue;
                if (json_read_field(field, value, where, ret, err) < 0)
                        return -1;
        }
        return 0;
}

static void json_list_done(const struct json_field *field, void *object)
{
        char *items;
        memcpy(&items, AT(void, object, field), sizeof items);
        size_t *count = COUNT_AT(object, field);
        for (size_t i = 0; i < *count; i++)
                json_fields_done(field->fields, items + i * field->item_size);
        free(items);
        items = NULL;
        memcpy(AT(void, object, field), &items, sizeof items);
        *count = 0;
}

static void json_clear(json_t **json)
{
        json_decref(*json);
        *json = NULL;
}

void json_fields_done(const struct json_field fields[], void *object)
{
        for (const struct json_field *field = fields; field->name; field++) {
                if (field->type == JSON_FIELD_TEXT)
                        xstrdup_replace(AT(char *, object, field), NULL);
                else if (field->type == JSON_FIELD_TEXTS)
                        strv_freep(AT(char **, object, field));
                else if (field->type == JSON_FIELD_OBJECT)
                        json_clear(AT(json_t *, object, field));
                else if (field->type == JSON_FIELD_PART)
                        json_fields_done(field->fields, AT(void, object, field));
                else if (field->type == JSON_FIELD_LIST)
                        json_list_done(field, object);
        }
}

json_t *json_fields_to_object(const struct json_field fields[], const void *object)
{
        json_t *json = json_object();
        json_fields_write(fields, object, json);
        return json;
}

json_t *json_fields_to_document(int format, const struct json_field fields[], const void *object)
{
        json_t *json = json_object();
        json_object_set_new(json, "format", json_integer(format));
        json_fields_write(fields, object, json);
        return json;
}

int json_fields_from_object(const struct json_field fields[], json_t *json, const char *where,
                            void *ret, size_t size, struct error **err)
{
        _cleanup_free_ void *object = xcalloc(1, size);
        if (json && json_fields_read(fields, json, where, object, err) < 0) {
                json_fields_done(fields, object);
                return -1;
        }
        memcpy(ret, object, size);
        return 0;
}
