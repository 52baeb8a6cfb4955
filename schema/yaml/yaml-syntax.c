/* Translates what stopped the YAML parser into messages with which a user finds the mistake:
 * libyaml's terse phrases become sentences. Tabs and bad encodings, which an editor does not show,
 * get messages of their own. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/yaml/yaml-internal.h"

static const struct {
        const char *phrase; /* libyaml's */
        const char *sentence;
} sentences[] = {
        { "mapping values are not allowed in this context",
          "a \": \" where no key can stand: put a value that contains it in quotes, or check the "
          "indentation" },
        { "did not find expected key",
          "expected a key here: check the indentation, and quotes that are not closed" },
        { "did not find expected '-' indicator",
          "expected a list item (\"- …\") here: check the indentation" },
        { "could not find expected ':'", "expected \"key: value\", found no colon: check the line "
                                         "and quotes that are not closed" },
        { "found character that cannot start any token",
          "a value must not begin with this character: put it in quotes" },
        { "found unexpected end of stream",
          "the file ends in the middle of a quoted text: a closing quote is missing" },
        { "did not find expected ',' or ']'", "expected a comma or the \"]\" that ends the list" },
        { "did not find expected ',' or '}'",
          "expected a comma or the \"}\" that ends the mapping" },
        { "block sequence entries are not allowed in this context",
          "a list item (\"- …\") cannot stand here: check the indentation" },
        { "found undefined tag handle",
          "tags (\"!name\") are not allowed here: put a text that begins with ! in quotes" },
};

static const char *line_start(const struct yaml_source *source, size_t line)
{
        const char *p = source->text;
        const char *end = p + source->length;
        while (line > 0 && p < end) {
                const char *newline = memchr(p, '\n', (size_t)(end - p));
                if (!newline)
                        return end;
                p = newline + 1;
                line--;
        }
        return p;
}

/* Whether there is a tab in the blanks that begin the line; *ret_column from 0. */
static bool indented_by_tab(const struct yaml_source *source, size_t line, unsigned *ret_column)
{
        const char *start = line_start(source, line);
        const char *end = source->text + source->length;
        for (const char *p = start; p < end && (*p == ' ' || *p == '\t' || *p == '-'); p++) {
                if (*p != '\t')
                        continue;
                *ret_column = (unsigned)(p - start);
                return true;
        }
        return false;
}

static void report_encoding(const struct yaml_source *source, const yaml_parser_t *parser)
{
        unsigned line = 1;
        unsigned column = 1;
        for (size_t i = 0; i < parser->problem_offset && i < source->length; i++) {
                if (source->text[i] == '\n') {
                        line++;
                        column = 1;
                } else if (((unsigned char)source->text[i] & 0xC0) != 0x80) {
                        column++;
                }
        }
        if (strstr(parser->problem, "control") || strstr(parser->problem, "Unicode character"))
                problems_add(source->problems, source->file, line, column,
                             "a control character (code %d): remove it, or write it as an escape "
                             "in double quotes",
                             parser->problem_value);
        else
                problems_add(source->problems, source->file, line, column,
                             "not valid UTF-8: save the file in that encoding");
}

void yaml_report_syntax(const struct yaml_source *source, const yaml_parser_t *parser)
{
        if (parser->error == YAML_READER_ERROR) {
                report_encoding(source, parser);
                return;
        }
        unsigned line = (unsigned)parser->problem_mark.line + 1;
        unsigned column = (unsigned)parser->problem_mark.column + 1;
        const char *phrase = parser->problem ? parser->problem : "cannot be read";
        unsigned tab_column = 0;
        if (indented_by_tab(source, parser->problem_mark.line, &tab_column)) {
                problems_add(source->problems, source->file, line, tab_column + 1,
                             "a tab is used for indentation: YAML allows only spaces there");
                return;
        }
        for (size_t i = 0; i < ARRAY_LENGTH(sentences); i++)
                if (streq(sentences[i].phrase, phrase))
                        phrase = sentences[i].sentence;
        if (parser->context && parser->context_mark.line != parser->problem_mark.line)
                problems_add(source->problems, source->file, line, column,
                             "not valid YAML: %s (in what begins on line %u)", phrase,
                             (unsigned)parser->context_mark.line + 1);
        else
                problems_add(source->problems, source->file, line, column, "not valid YAML: %s",
                             phrase);
}
