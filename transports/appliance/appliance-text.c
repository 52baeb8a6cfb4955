/* Implements transports/appliance/appliance-text.h. Until its end a line is kept by columns, as in
 * a terminal, so that text after a carriage return or a backspace overwrites what is there. No
 * other function of a terminal is needed for output that comes line by line. */
#include "transports/appliance/appliance-text.h"

#include <stdint.h>
#include <string.h>

#include "base/memory.h"

enum { LONGEST_SHOWN = 120, MAX_LINES_BEFORE_ECHO = 3 };

struct line {
        struct strbuf text;
        size_t column;
        size_t written; /* the column after the last written character */
        /* partly overwritten: trailing blanks may have erased a pager's mark */
        bool rewritten;
};

static void put_byte(struct line *line, char c)
{
        if (line->column < line->text.length) {
                line->text.data[line->column] = c;
                line->rewritten = true;
        } else {
                strbuf_add_char(&line->text, c);
        }
        line->written = ++line->column;
}

static bool is_blank(const char *text, size_t length)
{
        for (size_t i = 0; i < length; i++)
                if (text[i] != ' ')
                        return false;
        return true;
}

static void cut_text(struct line *line, size_t length)
{
        line->text.length = length;
        line->text.data[length] = '\0';
}

/* Appends the line. Trailing blanks that erased a longer text are not part of it. */
static void flush_line(struct line *line, struct strbuf *into, bool with_end)
{
        size_t written = line->written;
        if (line->rewritten && is_blank(line->text.data, line->text.length))
                cut_text(line, 0);
        else if (line->rewritten && written < line->text.length &&
                 is_blank(line->text.data + written, line->text.length - written))
                cut_text(line, written);
        strbuf_append(into, line->text.data ? line->text.data : "", line->text.length);
        if (with_end)
                strbuf_add_char(into, '\n');
        strbuf_reset(&line->text);
        line->column = 0;
        line->written = 0;
        line->rewritten = false;
}

/* The length of the escape sequence at raw[0] (ECMA-48: CSI, or a string such as OSC, or two
 * bytes); all remaining bytes if it is not complete. The end of the line ends it, so that a
 * sequence never changes the text of the next line. *ret_erase: it erases to the end of the line.
 */
static size_t escape_length(const char *raw, size_t length, bool *ret_erase)
{
        size_t i = 2;
        *ret_erase = false;
        if (length < 2 || raw[1] == '\n')
                return 1;
        if (raw[1] == '[') {
                while (i < length && raw[i] != '\n' &&
                       ((unsigned char)raw[i] < 0x40 || (unsigned char)raw[i] > 0x7E))
                        i++;
                if (i < length && raw[i] == '\n')
                        return i;
                *ret_erase = i < length && raw[i] == 'K' && (i == 2 || (i == 3 && raw[2] == '0'));
        } else if (strchr("]PX^_", raw[1])) {
                while (i < length && raw[i] != '\a' && raw[i] != '\x1b' && raw[i] != '\n')
                        i++;
                if (i + 1 < length && raw[i] == '\x1b' && raw[i + 1] == '\\')
                        i++;
                else if (i < length && raw[i] != '\a')
                        return i;
        } else {
                return strchr("()*+ #%", raw[1]) && length > 2 && raw[2] != '\n' ? 3 : 2;
        }
        return i < length ? i + 1 : length;
}

static size_t take_control(struct line *line, const char *raw, size_t length, struct strbuf *into)
{
        bool erase = false;
        size_t taken = 1;
        switch (raw[0]) {
        case '\n':
                flush_line(line, into, true);
                break;
        case '\r':
                line->column = 0;
                break;
        case '\b':
                line->column -= line->column > 0;
                break;
        case '\x1b':
                taken = escape_length(raw, length, &erase);
                if (erase && line->column < line->text.length)
                        cut_text(line, line->column);
                break;
        default:
                break;
        }
        return taken;
}

void appliance_text_clean(const char *raw, size_t length, struct strbuf *into)
{
        struct line line = { 0 };
        for (size_t i = 0; i < length;) {
                unsigned char c = (unsigned char)raw[i];
                if ((c < 0x20 && c != '\t') || c == 0x7F) {
                        i += take_control(&line, raw + i, length - i, into);
                        continue;
                }
                put_byte(&line, raw[i++]);
        }
        flush_line(&line, into, false);
        strbuf_done(&line.text);
}

static size_t trimmed_line(const char *text, size_t length)
{
        while (length && text[length - 1] == ' ')
                length--;
        return length;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
        size_t n = strlen(end);
        return length >= n && memcmp(text + length - n, end, n) == 0;
}

size_t appliance_text_echo_length(const char *text, const char *prompt, const char *command)
{
        const char *line = text;
        for (int i = 0; i < MAX_LINES_BEFORE_ECHO && *line; i++) {
                size_t end = strcspn(line, "\n");
                size_t length = trimmed_line(line, end);
                size_t before = ends_with(line, length, command)
                                        ? trimmed_line(line, length - strlen(command))
                                        : SIZE_MAX;
                if (before == 0 || (before != SIZE_MAX && ends_with(line, before, prompt)))
                        return (size_t)(line - text) + end + (line[end] == '\n');
                if (length && !ends_with(line, length, prompt))
                        return 0;
                line += end + (line[end] == '\n');
        }
        return 0;
}

const char *appliance_text_pager_mark(const struct appliance_profile *profile, const char *raw,
                                      size_t length)
{
        for (size_t i = 0; profile->pager && profile->pager[i]; i++)
                if (memmem(raw, length, profile->pager[i], strlen(profile->pager[i])))
                        return profile->pager[i];
        return NULL;
}

/* Returns the next line. False at the end. */
static bool next_line(const char **rest, const char **ret_line, size_t *ret_length)
{
        if (!**rest)
                return false;
        *ret_line = *rest;
        *ret_length = strcspn(*rest, "\n");
        *rest += *ret_length + ((*rest)[*ret_length] == '\n');
        return true;
}

char *appliance_text_refusal(const struct appliance_profile *profile, const char *text)
{
        _cleanup_line_patterns_ struct line_patterns errors;
        line_patterns_init(&errors, profile->errors);
        const char *line;
        size_t length;
        while (next_line(&text, &line, &length)) {
                if (!line_patterns_match(&errors, line, length))
                        continue;
                _cleanup_free_ char *copy = xstrndup(line, length);
                return str_one_line(copy, LONGEST_SHOWN);
        }
        return NULL;
}

bool appliance_text_has_line(const char *text, const char *pattern)
{
        _cleanup_line_patterns_ struct line_patterns patterns;
        line_patterns_init_one(&patterns, pattern);
        const char *line;
        size_t length;
        while (next_line(&text, &line, &length))
                if (line_patterns_match(&patterns, line, length))
                        return true;
        return false;
}

static bool is_empty(const char *line, size_t length)
{
        return strspn(line, " \t") >= length;
}

static int expect_line(const char *pattern, const char *line, size_t length, const char *which,
                       struct error **err)
{
        if (!pattern)
                return 0;
        _cleanup_line_patterns_ struct line_patterns patterns;
        line_patterns_init_one(&patterns, pattern);
        if (line_patterns_match(&patterns, line, length))
                return 0;
        _cleanup_free_ char *copy = xstrndup(line, length);
        _cleanup_free_ char *shown = str_one_line(copy, LONGEST_SHOWN);
        return error_set(err, ERROR_CORRUPT,
                         "the output is not complete: its %s line \"%s\" does not match %s", which,
                         shown, pattern);
}

int appliance_text_validate(const struct appliance_profile *profile,
                            const struct appliance_capture *capture, const char *text,
                            struct error **err)
{
        _cleanup_free_ char *refusal = appliance_text_refusal(profile, text);
        if (refusal)
                return error_set(err, ERROR_CORRUPT, "the appliance reported: %s", refusal);
        const char *first = NULL;
        const char *last = NULL;
        size_t first_length = 0;
        size_t last_length = 0;
        const char *line;
        size_t length;
        while (next_line(&text, &line, &length)) {
                if (is_empty(line, length))
                        continue;
                if (!first) {
                        first = line;
                        first_length = length;
                }
                last = line;
                last_length = length;
        }
        if (!first)
                return error_set(err, ERROR_CORRUPT, "there was no output");
        return expect_line(capture->begins, first, first_length, "first", err) < 0 ||
                               expect_line(capture->ends, last, last_length, "last", err) < 0
                       ? -1
                       : 0;
}

/* Returns the next line that is not ignored. */
static bool next_telling_line(const struct line_patterns *ignored, const char **rest,
                              const char **ret_line, size_t *ret_length)
{
        while (next_line(rest, ret_line, ret_length))
                if (!line_patterns_match(ignored, *ret_line, *ret_length))
                        return true;
        return false;
}

bool appliance_text_differs(const struct appliance_profile *profile, const char *before,
                            const char *after)
{
        _cleanup_line_patterns_ struct line_patterns ignored;
        line_patterns_init(&ignored, profile->ignore_changes);
        for (;;) {
                const char *a;
                const char *b;
                size_t a_length;
                size_t b_length;
                bool more_a = next_telling_line(&ignored, &before, &a, &a_length);
                bool more_b = next_telling_line(&ignored, &after, &b, &b_length);
                if (!more_a || !more_b)
                        return more_a != more_b;
                if (a_length != b_length || memcmp(a, b, a_length) != 0)
                        return true;
        }
}
