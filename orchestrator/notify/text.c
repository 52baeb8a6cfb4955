/* Implements notify/text.h. */
#include "notify/text.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/strings.h"

#define CUT_MARK "…"
#define ZERO_WIDTH_SPACE "\xE2\x80\x8B"
#define NO_BACKTICK "\xCB\x8B" /* U+02CB, which has the same shape */

/* The bytes of the character that begins here, in valid UTF-8. */
static size_t character_length(const char *text)
{
        unsigned char c = (unsigned char)*text;
        return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* C1 controls, and what reorders or breaks lines: U+200E/F, U+2028…U+202E, U+2066…U+2069. */
static bool is_trick(const char *text, size_t length)
{
        const unsigned char *c = (const unsigned char *)text;
        if (length == 2)
                return c[0] == 0xC2 && c[1] < 0xA0;
        if (length != 3 || c[0] != 0xE2)
                return false;
        if (c[1] == 0x80)
                return c[2] == 0x8E || c[2] == 0x8F || (c[2] >= 0xA8 && c[2] <= 0xAE);
        return c[1] == 0x81 && c[2] >= 0xA6 && c[2] <= 0xA9;
}

/* Returns false when there was no room; the cut is then marked. */
static bool add_piece(struct strbuf *out, const char *piece, size_t length, size_t max_bytes,
                      size_t *cut_at)
{
        if (out->length + strlen(CUT_MARK) <= max_bytes)
                *cut_at = out->length;
        if (out->length + length <= max_bytes) {
                strbuf_append(out, piece, length);
                return true;
        }
        out->length = *cut_at;
        if (out->data)
                out->data[out->length] = '\0';
        if (strlen(CUT_MARK) <= max_bytes)
                strbuf_add(out, CUT_MARK);
        return false;
}

static char *clean_lines(const char *text)
{
        struct strbuf out = { 0 };
        for (const char *line = text; line;) {
                const char *end = strchr(line, '\n');
                _cleanup_free_ char *raw =
                        end ? xstrndup(line, (size_t)(end - line)) : xstrdup(line);
                _cleanup_free_ char *clean = str_one_line(raw, SIZE_MAX);
                strbuf_add(&out, clean);
                if (end)
                        strbuf_add_char(&out, '\n');
                line = end ? end + 1 : NULL;
        }
        return strbuf_take(&out);
}

char *text_clean(const char *text, size_t max_bytes)
{
        _cleanup_free_ char *lines = clean_lines(text);
        struct strbuf out = { 0 };
        size_t cut_at = 0;
        for (const char *c = lines; *c;) {
                size_t length = character_length(c);
                bool trick = is_trick(c, length);
                if (!add_piece(&out, trick ? "?" : c, trick ? 1 : length, max_bytes, &cut_at))
                        break;
                c += length;
        }
        return strbuf_take(&out);
}

static bool is_call(const char *text)
{
        static const char *const words[] = { "@here", "@channel", "@everyone" };
        for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
                if (strncasecmp(text, words[i], strlen(words[i])) == 0)
                        return true;
        return false;
}

char *text_for_slack(const char *text, size_t max_bytes)
{
        struct strbuf out = { 0 };
        size_t cut_at = 0;
        for (const char *c = text; *c;) {
                size_t length = character_length(c);
                const char *piece = *c == '&'                 ? "&amp;"
                                    : *c == '<'               ? "&lt;"
                                    : *c == '>'               ? "&gt;"
                                    : *c == '`'               ? NO_BACKTICK
                                    : *c == '@' && is_call(c) ? "@" ZERO_WIDTH_SPACE
                                                              : NULL;
                if (!add_piece(&out, piece ? piece : c, piece ? strlen(piece) : length, max_bytes,
                               &cut_at))
                        break;
                c += length;
        }
        return strbuf_take(&out);
}
