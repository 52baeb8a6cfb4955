/* Questions to a node of schema/yaml/yaml-document.h, and the reading of its file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/yaml/yaml-document.h"

static bool is_one_of(const char *text, const char *const words[])
{
        for (size_t i = 0; words[i]; i++)
                if (strcmp(text, words[i]) == 0)
                        return true;
        return false;
}

static bool is_prefixed_integer(const char *text)
{
        static const char hexadecimal[] = "0123456789abcdefABCDEF";
        const char *digits = text[0] == '0' && text[1] == 'x'   ? hexadecimal
                             : text[0] == '0' && text[1] == 'o' ? "01234567"
                                                                : NULL;
        return digits && text[2] && strspn(text + 2, digits) == strlen(text + 2);
}

/* YAML 1.2's core schema: integers in decimal, 0x and 0o, and decimal fractions with exponent. */
static bool looks_like_number(const char *text)
{
        static const char digits[] = "0123456789";
        static const char *const named[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL };
        if (is_prefixed_integer(text) || is_one_of(text, named))
                return true;
        if (*text == '+' || *text == '-')
                text++;
        if (strncasecmp(text, ".inf", 5) == 0)
                return is_one_of(text, named);
        size_t whole = strspn(text, digits);
        text += whole;
        size_t fraction = 0;
        if (*text == '.') {
                fraction = strspn(text + 1, digits);
                text += fraction + 1;
        }
        if (whole + fraction == 0)
                return false;
        if (*text != 'e' && *text != 'E')
                return *text == '\0';
        text++;
        if (*text == '+' || *text == '-')
                text++;
        size_t exponent = strspn(text, digits);
        return exponent > 0 && text[exponent] == '\0';
}

enum scalar_kind yaml_scalar_kind(const struct yaml_node *scalar)
{
        static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
        static const char *const bools[] = {
                "true", "True", "TRUE", "false", "False", "FALSE", NULL
        };
        if (scalar->quoted)
                return SCALAR_TEXT;
        if (is_one_of(scalar->text, nulls))
                return SCALAR_NULL;
        if (is_one_of(scalar->text, bools))
                return SCALAR_BOOL;
        return looks_like_number(scalar->text) ? SCALAR_NUMBER : SCALAR_TEXT;
}

const struct yaml_node *yaml_mapping_get(const struct yaml_node *mapping, const char *key)
{
        if (!mapping || mapping->kind != NODE_MAPPING)
                return NULL;
        for (size_t i = 0; i < mapping->count; i++)
                if (strcmp(mapping->pairs[i].key->text, key) == 0)
                        return mapping->pairs[i].value;
        return NULL;
}

char *yaml_node_describe(const struct yaml_node *node)
{
        if (node->kind != NODE_SCALAR)
                return xstrdup(node->kind == NODE_SEQUENCE ? "a list" : "a mapping");
        _cleanup_free_ char *text = str_one_line(node->text, 60);
        switch (yaml_scalar_kind(node)) {
        case SCALAR_NULL:
                return xstrdup("nothing");
        case SCALAR_BOOL:
                return xasprintf("the truth value %s", text);
        case SCALAR_NUMBER:
                return xasprintf("the number %s", text);
        case SCALAR_TEXT:
                break;
        }
        return xasprintf("\"%s\"", text);
}

char *yaml_read_file(const char *path, size_t *ret_length, struct problems *problems)
{
        struct stat st;
        if (stat(path, &st) < 0) {
                problems_add(problems, path, 0, 0, "cannot be read: %s", strerror(errno));
                return NULL;
        }
        /* A FIFO or a device would block or never end. */
        if (!S_ISREG(st.st_mode)) {
                problems_add(problems, path, 0, 0, "cannot be read: it is not a regular file");
                return NULL;
        }
        _cleanup_error_ struct error *error = NULL;
        char *text = fs_read_file(path, YAML_MAX_BYTES, ret_length, &error);
        if (!text && error->errnum)
                problems_add(problems, path, 0, 0, "cannot be read: %s", strerror(error->errnum));
        else if (!text)
                problems_add(problems, path, 0, 0, "%s", error_message(error));
        return text;
}
