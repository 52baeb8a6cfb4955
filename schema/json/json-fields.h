/* Structs as JSON objects, by a table of their fields: one description that reading, writing and
 * freeing share.
 *
 * A table is an array of struct json_field ended by one without a name. Offsets are those of the
 * struct that the table is for. Reading is strict (type, range, presence), and its errors name the
 * wrong field and what was expected; fields that a table does not name are ignored. Writing never
 * fails: numbers are clamped to what reading takes, text that is not UTF-8 is cleaned. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Nothing larger is read. */
#define JSON_DOCUMENT_MAX_BYTES ((size_t)16 << 20)
/* No longer array is read. */
#define JSON_LIST_MAX_ITEMS ((size_t)65536)

enum json_field_type {
        JSON_FIELD_TEXT,   /* char *; null is NULL */
        JSON_FIELD_TEXTS,  /* char **, ended by NULL: an array of strings */
        JSON_FIELD_NUMBER, /* int64_t, not below `least` */
        JSON_FIELD_SIZE,   /* uint64_t, at most INT64_MAX */
        JSON_FIELD_FLAG,   /* bool */
        /* int64_t epoch seconds: RFC 3339, UTC; null is 0 where it is not required */
        JSON_FIELD_TIME,
        JSON_FIELD_WORD,   /* an enum whose values index `words` */
        JSON_FIELD_OBJECT, /* json_t *: an object as it is, owned; null is NULL */
        JSON_FIELD_PART,   /* a struct within the struct, by `fields` */
        /* a pointer to structs of `item_size` and, at `count_offset`, a size_t of how many: an
         * array of objects */
        JSON_FIELD_LIST,
};

struct json_field {
        const char *name;
        enum json_field_type type;
        bool required; /* there and not null; else it may be missing */
        size_t offset;
        int64_t least;
        bool (*valid)(const char *text); /* of a text; NULL: any */
        const char *expected;            /* what `valid` wants, in words */
        const char *const *words;        /* ended by NULL; for a text: it has to be one of them */
        const struct json_field *fields;
        size_t item_size;
        size_t count_offset;
};

/* Adds every field of the table to `into`, in its order. */
void json_fields_write(const struct json_field fields[], const void *object, json_t *into);
/* Fills in `ret`, which has to be zeroed. `where` is put before field names in messages
 * ("disks[1]."). ERROR_CORRUPT; then `ret` is partly filled in and json_fields_done() still has to
 * be called. */
int json_fields_read(const struct json_field fields[], json_t *json, const char *where, void *ret,
                     struct error **err) _must_check_;
/* Frees all that the table's fields own and zeroes them. */
void json_fields_done(const struct json_field fields[], void *object);

/* A new object of all fields; as a document, its "format" first. A new reference. */
json_t *json_fields_to_object(const struct json_field fields[], const void *object);
json_t *json_fields_to_document(int format, const struct json_field fields[], const void *object);
/* Reads a struct of `size` bytes as json_fields_read() does, into `ret` only when all of it is
 * valid; a `json` of NULL is an object without fields. json_fields_done() then frees what it owns.
 */
int json_fields_from_object(const struct json_field fields[], json_t *json, const char *where,
                            void *ret, size_t size, struct error **err) _must_check_;

/* A JSON string, whatever bytes the text has: what isn't UTF-8 is cleaned. NULL gives null. A new
 * reference. */
json_t *json_from_text(const char *text);

/* Parses one JSON object; `what` names the document in messages. Duplicate keys and what exceeds
 * JSON_DOCUMENT_MAX_BYTES are refused. A new reference, or NULL and ERROR_CORRUPT. */
json_t *json_read_document(const char *text, size_t length, const char *what,
                           struct error **err) _must_check_;
/* The object's "format" has to be a number from 1; above `newest` it is ERROR_REFUSED: made by a
 * newer orch. */
int json_check_format(json_t *json, int newest, struct error **err) _must_check_;
/* Indented, with a final newline; or one line without one. The caller frees. */
char *json_write_document(const json_t *json);
char *json_write_line(const json_t *json);

/* Checks of texts that tables use. */
bool json_text_is_uuid(const char *text);   /* 8-4-4-4-12 hex digits */
bool json_text_is_sha256(const char *text); /* 64 lower-case hex digits */
/* one path component, not hidden, at most 255 bytes */
bool json_text_is_file_name(const char *text);

static inline _unused_ void json_freep(json_t **json)
{
        json_decref(*json);
        *json = NULL;
}
#define _cleanup_json_ _cleanup_(json_freep)
