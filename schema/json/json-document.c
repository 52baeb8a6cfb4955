/* Whole JSON documents for schema/json/json-fields.h: text in, text out, and the checks of texts
 * that the tables share. */
#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"

json_t *json_read_document(const char *text, size_t length, const char *what, struct error **err)
{
        if (length > JSON_DOCUMENT_MAX_BYTES) {
                error_set(err, ERROR_CORRUPT, "%s: expected at most %zu bytes, found %zu", what,
                          JSON_DOCUMENT_MAX_BYTES, length);
                return NULL;
        }
        json_error_t problem;
        json_t *json = json_loadb(text ? text : "", length, JSON_REJECT_DUPLICATES, &problem);
        if (!json) {
                _cleanup_free_ char *why = str_one_line(problem.text, 200);
                error_set(err, ERROR_CORRUPT, "%s:%d:%d: not JSON: %s", what, problem.line,
                          problem.column, why);
                return NULL;
        }
        if (!json_is_object(json)) {
                json_decref(json);
                error_set(err, ERROR_CORRUPT, "%s: expected a JSON object", what);
                return NULL;
        }
        return json;
}

int json_check_format(json_t *json, int newest, struct error **err)
{
        json_t *format = json_object_get(json, "format");
        if (!json_is_integer(format) || json_integer_value(format) < 1)
                return error_set(err, ERROR_CORRUPT, "format: expected a whole number from 1");
        if (json_integer_value(format) > newest)
                return error_set(err, ERROR_REFUSED,
                                 "format: found %" JSON_INTEGER_FORMAT
                                 ", made by a newer orch; this one reads up to %d: upgrade it",
                                 json_integer_value(format), newest);
        return 0;
}

static char *json_dump_text(const json_t *json, size_t flags)
{
        char *text = json_dumps(json, flags);
        assert(text); /* only out of memory, or not a JSON tree */
        return text;
}

char *json_write_document(const json_t *json)
{
        _cleanup_free_ char *text = json_dump_text(json, JSON_INDENT(2));
        return xasprintf("%s\n", text);
}

char *json_write_line(const json_t *json)
{
        return json_dump_text(json, JSON_COMPACT);
}

static bool char_is_hex(char c, bool upper_too)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
               (upper_too && c >= 'A' && c <= 'F');
}

bool json_text_is_uuid(const char *text)
{
        static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
        if (strlen(text) != strlen(form))
                return false;
        for (size_t i = 0; form[i]; i++)
                if (form[i] == '-' ? text[i] != '-' : !char_is_hex(text[i], true))
                        return false;
        return true;
}

bool json_text_is_sha256(const char *text)
{
        size_t length = 0;
        while (char_is_hex(text[length], false))
                length++;
        return length == 64 && !text[length];
}

bool json_text_is_file_name(const char *text)
{
        return text[0] && text[0] != '.' && strlen(text) <= 255 && !strpbrk(text, "/\n");
}
