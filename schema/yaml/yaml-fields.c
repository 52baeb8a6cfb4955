/* Implements schema/yaml/yaml-fields.h: one function a type, all with the same shape, so that a new
 * type is a line in a table. */
#include "schema/yaml/yaml-fields.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

enum { MAX_TEXT_BYTES = 4096, MAX_MULTILINE_BYTES = 64 * 1024, MAX_LIST_ITEMS = 1000 };

void field_problem(const struct field_reader *reader, const struct yaml_node *node,
                   const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *message = xvasprintf(format, ap);
        va_end(ap);
        problems_add(reader->problems, reader->file, node->line, node->column, "%s", message);
}

void field_expected(const struct field_reader *reader, const char *key,
                    const struct yaml_node *node, const char *expected)
{
        _cleanup_free_ char *found = yaml_node_describe(node);
        field_problem(reader, node, "%s: expected %s, found %s", key, expected, found);
}

/* What keeps a text from being one, or NULL. */
static const char *text_flaw(const struct field *field, const char *text)
{
        if (!*text && !field->may_be_empty)
                return "the text is empty";
        if (strlen(text) > (field->multiline ? MAX_MULTILINE_BYTES : MAX_TEXT_BYTES))
                return "the text is too long";
        for (const char *c = text; *c; c++) {
                bool control = (unsigned char)*c < 0x20 || *c == 0x7F;
                if (control && !(field->multiline && (*c == '\n' || *c == '\t')))
                        return "the text contains a control character or a line break";
        }
        return NULL;
}

static const char *refuse_text(const struct field_reader *reader, const struct field *field,
                               const struct yaml_node *node, const char *expected)
{
        if (field->hidden && node->kind == NODE_SCALAR)
                field_problem(
                        reader, node,
                        "%s: expected %s, found something else (not shown: it may be a secret)",
                        field->name, expected);
        else
                field_expected(reader, field->name, node, expected);
        return NULL;
}

const char *field_text(const struct field_reader *reader, const struct field *field,
                       const struct yaml_node *node)
{
        enum scalar_kind kind = node->kind == NODE_SCALAR ? yaml_scalar_kind(node) : SCALAR_NULL;
        if (kind == SCALAR_NUMBER || kind == SCALAR_BOOL)
                return refuse_text(reader, field, node, "a text (put it in quotes)");
        if (kind == SCALAR_NULL)
                return refuse_text(reader, field, node, "a text");
        const char *flaw = text_flaw(field, node->text);
        if (flaw) {
                field_problem(reader, node, "%s: %s", field->name, flaw);
                return NULL;
        }
        const char *expected = field->check ? field->check(node->text) : NULL;
        return expected ? refuse_text(reader, field, node, expected) : node->text;
}

static void yaml_read_text(const struct field_reader *reader, const struct field *field,
                           const struct yaml_node *node, char **member)
{
        const char *text = field_text(reader, field, node);
        if (text)
                xstrdup_replace(member, text);
}

static void yaml_read_texts(const struct field_reader *reader, const struct field *field,
                            const struct yaml_node *node, char ***member)
{
        if (node->kind != NODE_SEQUENCE || node->count > MAX_LIST_ITEMS) {
                field_expected(reader, field->name, node,
                               node->kind == NODE_SEQUENCE ? "at most 1000 entries"
                                                           : "a list of texts");
                return;
        }
        _cleanup_strv_ char **texts = NULL;
        for (size_t i = 0; i < node->count; i++) {
                const char *text = field_text(reader, field, node->items[i]);
                if (!text)
                        continue;
                if (field->unique && strv_contains(texts, text))
                        field_problem(reader, node->items[i], "%s: \"%s\" is listed twice",
                                      field->name, text);
                else
                        strv_add(&texts, text);
        }
        strv_free(*member);
        *member = TAKE_PTR(texts);
}

/* Decimal digits, a minus where that makes sense, and nothing else: no octal, no sign, no fraction,
 * no quotes. */
static bool parse_whole(const struct yaml_node *node, long *ret)
{
        if (node->kind != NODE_SCALAR || node->quoted)
                return false;
        const char *digits = node->text + (node->text[0] == '-');
        size_t n = strspn(digits, "0123456789");
        if (n == 0 || digits[n] || n > 15 || (digits[0] == '0' && n > 1))
                return false;
        *ret = strtol(node->text, NULL, 10);
        return true;
}

static bool read_whole(const struct field_reader *reader, const struct field *field,
                       const struct yaml_node *node, long *ret)
{
        long value;
        if (parse_whole(node, &value) && value >= field->min && value <= field->max) {
                *ret = value;
                return true;
        }
        const char *hint = "";
        if (node->kind == NODE_SCALAR && node->quoted && node->text[0] &&
            strspn(node->text, "0123456789") == strlen(node->text))
                hint = " without quotes";
        else if (node->kind == NODE_SCALAR && node->text[0] == '0' && node->text[1])
                hint = " in plain decimal digits";
        _cleanup_free_ char *expected =
                xasprintf("a whole number from %ld to %ld%s", field->min, field->max, hint);
        field_expected(reader, field->name, node, expected);
        return false;
}

static void read_real(const struct field_reader *reader, const struct field *field,
                      const struct yaml_node *node, double *member)
{
        bool plain = node->kind == NODE_SCALAR && !node->quoted &&
                     strspn(node->text, "0123456789.") == strlen(node->text) &&
                     strlen(node->text) <= 15 && yaml_scalar_kind(node) == SCALAR_NUMBER;
        double value = plain ? strtod(node->text, NULL) : -1;
        if (plain && value >= (double)field->min && value <= (double)field->max) {
                *member = value;
                return;
        }
        _cleanup_free_ char *expected =
                xasprintf("a number from %ld to %ld, such as 1.2", field->min, field->max);
        field_expected(reader, field->name, node, expected);
}

static void read_bool(const struct field_reader *reader, const struct field *field,
                      const struct yaml_node *node, bool *member)
{
        if (node->kind == NODE_SCALAR && yaml_scalar_kind(node) == SCALAR_BOOL)
                *member = node->text[0] == 't' || node->text[0] == 'T';
        else
                field_expected(reader, field->name, node, "true or false");
}

int field_word(const struct field_reader *reader, const char *key, const struct yaml_node *node,
               const char *const words[])
{
        bool is_text = node->kind == NODE_SCALAR && yaml_scalar_kind(node) == SCALAR_TEXT;
        for (int i = 0; is_text && words[i]; i++)
                if (streq(words[i], node->text))
                        return i;
        _cleanup_strbuf_ struct strbuf list = { 0 };
        for (size_t i = 0; words[i]; i++)
                strbuf_addf(&list, "%s%s", i ? ", " : "", words[i]);
        const char *nearest = is_text ? nearest_word(node->text, words) : NULL;
        _cleanup_free_ char *found = yaml_node_describe(node);
        if (nearest)
                field_problem(reader, node,
                              "%s: expected one of %s; found %s, did you mean \"%s\"?", key,
                              list.data, found, nearest);
        else
                field_problem(reader, node, "%s: expected one of %s; found %s", key, list.data,
                              found);
        return -1;
}

static void yaml_read_field(const struct field_reader *reader, const struct field *field,
                            const struct yaml_node *node, void *member)
{
        long value;
        int word;
        switch (field->type) {
        case FIELD_TEXT:
                yaml_read_text(reader, field, node, member);
                break;
        case FIELD_TEXTS:
                yaml_read_texts(reader, field, node, member);
                break;
        case FIELD_UNSIGNED:
                if (read_whole(reader, field, node, &value))
                        *(unsigned *)member = (unsigned)value;
                break;
        case FIELD_INT:
                if (read_whole(reader, field, node, &value))
                        *(int *)member = (int)value;
                break;
        case FIELD_REAL:
                read_real(reader, field, node, member);
                break;
        case FIELD_BOOL:
                read_bool(reader, field, node, member);
                break;
        case FIELD_WORD:
                word = field_word(reader, field->name, node, field->words);
                if (word >= 0)
                        *(unsigned *)member = (unsigned)word;
                break;
        case FIELD_MAPPING:
                fields_read(reader, field->fields, field->name, node, NULL, member);
                break;
        case FIELD_CUSTOM:
                field->read(reader, field, node, member);
                break;
        case FIELD_OWN:
                break;
        }
}

/* The key that was meant: by its letters, else by how it begins (`retention` for
 * `retention_weeks`). */
static const char *nearest_key(const char *text, char *const names[])
{
        if (!names)
                return NULL;
        const char *nearest = nearest_word(text, (const char *const *)names);
        for (size_t i = 0; !nearest && strlen(text) >= 4 && names[i]; i++)
                if (str_starts_with(names[i], text))
                        nearest = names[i];
        return nearest;
}

static void refuse_unknown_key(const struct field_reader *reader, const struct field *fields,
                               const char *what, const struct yaml_node *key)
{
        _cleanup_strv_ char **names = NULL;
        for (const struct field *field = fields; field->name; field++) {
                bool own = field->type == FIELD_OWN;
                if (own ? str_starts_with(key->text, field->name) : streq(field->name, key->text))
                        return;
                if (!own)
                        strv_add(&names, field->name);
        }
        _cleanup_free_ char *clean = str_one_line(key->text, 60);
        _cleanup_free_ char *list = strv_join(names, ", ");
        const char *nearest = nearest_key(key->text, names);
        if (nearest)
                field_problem(reader, key, "unknown key \"%s\" in %s, did you mean \"%s\"?", clean,
                              what, nearest);
        else
                field_problem(reader, key, "unknown key \"%s\" in %s; the valid ones are: %s",
                              clean, what, list);
}

bool fields_read(const struct field_reader *reader, const struct field *fields, const char *what,
                 const struct yaml_node *mapping, const struct yaml_node *fallback, void *object)
{
        if (mapping->kind != NODE_MAPPING) {
                field_expected(reader, what, mapping, "a mapping (\"key: value\")");
                return false;
        }
        for (size_t i = 0; i < mapping->count; i++)
                refuse_unknown_key(reader, fields, what, mapping->pairs[i].key);
        for (const struct field *field = fields; field->name; field++) {
                const struct yaml_node *node = yaml_mapping_get(mapping, field->name);
                if (!node)
                        node = yaml_mapping_get(fallback, field->name);
                if (node)
                        yaml_read_field(reader, field, node, (char *)object + field->offset);
                else if (field->required)
                        field_problem(reader, mapping, "the key \"%s\" is missing in %s",
                                      field->name, what);
        }
        return true;
}
