/* Implements base/strings.h. */
#include "base/strings.h"

#include <assert.h>
#include <ctype.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <string.h>

#include "base/memory.h"

static void strbuf_reserve(struct strbuf *buf, size_t more)
{
        size_t wanted = buf->length + more + 1;
        assert(wanted > buf->length);
        if (wanted <= buf->capacity)
                return;
        size_t capacity = buf->capacity ? buf->capacity : 64;
        while (capacity < wanted)
                capacity *= 2;
        buf->data = xrealloc_array(buf->data, capacity, 1);
        buf->capacity = capacity;
}

void strbuf_append(struct strbuf *buf, const void *data, size_t length)
{
        strbuf_reserve(buf, length);
        if (length)
                memcpy(buf->data + buf->length, data, length);
        buf->length += length;
        buf->data[buf->length] = '\0';
}

void strbuf_add(struct strbuf *buf, const char *text)
{
        strbuf_append(buf, text, strlen(text));
}

void strbuf_addf(struct strbuf *buf, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *text = xvasprintf(format, ap);
        va_end(ap);
        strbuf_add(buf, text);
}

void strbuf_add_char(struct strbuf *buf, char c)
{
        strbuf_append(buf, &c, 1);
}

void strbuf_consume(struct strbuf *buf, size_t count)
{
        assert(count <= buf->length);
        if (!count)
                return;
        memmove(buf->data, buf->data + count, buf->length - count + 1);
        buf->length -= count;
}

void strbuf_reset(struct strbuf *buf)
{
        buf->length = 0;
        if (buf->data)
                buf->data[0] = '\0';
}

char *strbuf_take(struct strbuf *buf)
{
        strbuf_reserve(buf, 0);
        buf->data[buf->length] = '\0';
        char *text = buf->data;
        *buf = (struct strbuf){ 0 };
        return text;
}

void strbuf_done(struct strbuf *buf)
{
        free(buf->data);
        *buf = (struct strbuf){ 0 };
}

size_t strv_length(char *const *strv)
{
        size_t n = 0;
        while (strv && strv[n])
                n++;
        return n;
}

bool strv_contains(char *const *strv, const char *text)
{
        for (size_t i = 0; strv && strv[i]; i++)
                if (strcmp(strv[i], text) == 0)
                        return true;
        return false;
}

static void strv_push(char ***strv, char *owned)
{
        size_t n = strv_length(*strv);
        *strv = xrealloc_array(*strv, n + 2, sizeof **strv);
        (*strv)[n] = owned;
        (*strv)[n + 1] = NULL;
}

void strv_add(char ***strv, const char *text)
{
        strv_push(strv, xstrdup(text));
}

void strv_addf(char ***strv, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        strv_push(strv, xvasprintf(format, ap));
        va_end(ap);
}

char **strv_copy(char *const *strv)
{
        char **copy = NULL;
        for (size_t i = 0; strv && strv[i]; i++)
                strv_add(&copy, strv[i]);
        return copy;
}

char **strv_free(char **strv)
{
        for (size_t i = 0; strv && strv[i]; i++)
                free(strv[i]);
        free(strv);
        return NULL;
}

char *strv_join(char *const *strv, const char *separator)
{
        struct strbuf buf = { 0 };
        for (size_t i = 0; strv && strv[i]; i++) {
                if (i)
                        strbuf_add(&buf, separator);
                strbuf_add(&buf, strv[i]);
        }
        return strbuf_take(&buf);
}

bool streq(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts_with(const char *text, const char *prefix)
{
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends_with(const char *text, const char *suffix)
{
        size_t n = strlen(text);
        size_t m = strlen(suffix);
        return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

bool str_empty(const char *text)
{
        return !text || !*text;
}

char *shell_quote(const char *text)
{
        static const char plain[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
        if (*text && strspn(text, plain) == strlen(text))
                return xstrdup(text);
        struct strbuf buf = { 0 };
        strbuf_add_char(&buf, '\'');
        for (const char *c = text; *c; c++) {
                if (*c == '\'')
                        strbuf_add(&buf, "'\\''");
                else
                        strbuf_add_char(&buf, *c);
        }
        strbuf_add_char(&buf, '\'');
        return strbuf_take(&buf);
}

char *shell_join(const char *const argv[])
{
        struct strbuf buf = { 0 };
        for (size_t i = 0; argv[i]; i++) {
                _cleanup_free_ char *word = shell_quote(argv[i]);
                if (i)
                        strbuf_add_char(&buf, ' ');
                strbuf_add(&buf, word);
        }
        return strbuf_take(&buf);
}

char *format_bytes(uint64_t bytes)
{
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
        double value = (double)bytes;
        size_t unit = 0;
        while (value >= 1024 && unit + 1 < ARRAY_LENGTH(units)) {
                value /= 1024;
                unit++;
        }
        return unit == 0 ? xasprintf("%llu B", (unsigned long long)bytes)
                         : xasprintf("%.1f %s", value, units[unit]);
}

char *format_duration_ms(int64_t milliseconds)
{
        if (milliseconds < 0)
                milliseconds = 0;
        if (milliseconds < 60 * 1000)
                return xasprintf("%.1fs", (double)milliseconds / 1000.0);
        long long seconds = milliseconds / 1000;
        if (seconds < 3600)
                return xasprintf("%lldm%02llds", seconds / 60, seconds % 60);
        return xasprintf("%lldh%02lldm", seconds / 3600, seconds % 3600 / 60);
}

static bool is_name_char(char c)
{
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool name_is_safe(const char *name)
{
        if (!name || !is_name_char(name[0]))
                return false;
        size_t n = 1;
        for (; name[n]; n++)
                if (!is_name_char(name[n]) && name[n] != '.' && name[n] != '_' && name[n] != '-')
                        return false;
        return n <= 120;
}

bool name_is_glob(const char *word)
{
        return strpbrk(word, "*?[");
}

bool name_matches(const char *word, const char *name)
{
        return streq(word, name) || fnmatch(word, name, 0) == 0;
}

/* Optimal string alignment distance over short words; SIZE_MAX when either is too long to be a key
 * or a verb. */
static size_t edit_distance(const char *a, const char *b)
{
        enum { LONGEST = 48 };
        size_t n = strlen(a);
        size_t m = strlen(b);
        if (n > LONGEST || m > LONGEST)
                return SIZE_MAX;
        size_t d[LONGEST + 1][LONGEST + 1];
        for (size_t i = 0; i <= n; i++)
                d[i][0] = i;
        for (size_t j = 0; j <= m; j++)
                d[0][j] = j;
        for (size_t i = 1; i <= n; i++) {
                for (size_t j = 1; j <= m; j++) {
                        bool same = tolower((unsigned char)a[i - 1]) ==
                                    tolower((unsigned char)b[j - 1]);
                        size_t best = d[i - 1][j - 1] + (same ? 0 : 1);
                        if (d[i - 1][j] + 1 < best)
                                best = d[i - 1][j] + 1;
                        if (d[i][j - 1] + 1 < best)
                                best = d[i][j - 1] + 1;
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                            d[i - 2][j - 2] + 1 < best)
                                best = d[i - 2][j - 2] + 1;
                        d[i][j] = best;
                }
        }
        return d[n][m];
}

const char *nearest_word(const char *text, const char *const candidates[])
{
        const char *best = NULL;
        size_t best_distance = strlen(text) / 3 + 2;
        for (size_t i = 0; candidates[i]; i++) {
                size_t distance = edit_distance(text, candidates[i]);
                if (distance < best_distance) {
                        best = candidates[i];
                        best_distance = distance;
                }
        }
        return best;
}

/* The length of the valid UTF-8 sequence at p (RFC 3629: no surrogates, no overlong forms), or
 * 0. */
static size_t utf8_sequence_length(const unsigned char *p)
{
        if (p[0] < 0x80)
                return 1;
        size_t n = (p[0] >= 0xC2 && p[0] <= 0xDF)   ? 2
                   : (p[0] >= 0xE0 && p[0] <= 0xEF) ? 3
                   : (p[0] >= 0xF0 && p[0] <= 0xF4) ? 4
                                                    : 0;
        for (size_t i = 1; i < n; i++)
                if ((p[i] & 0xC0) != 0x80)
                        return 0;
        if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
            (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
                return 0;
        return n;
}

char *str_one_line(const char *text, size_t max_bytes)
{
        struct strbuf buf = { 0 };
        const unsigned char *p = (const unsigned char *)text;
        while (*p) {
                size_t n = utf8_sequence_length(p);
                const char *piece = (const char *)p;
                size_t piece_length = n;
                if (n == 0) {
                        piece = "\xEF\xBF\xBD";
                        piece_length = 3;
                        n = 1;
                } else if (n == 1 && (*p < 0x20 || *p == 0x7F)) {
                        piece = *p == '\n' || *p == '\t' || *p == '\r' ? " " : "?";
                } else if (n == 2 && p[0] == 0xC2 &&
                           p[1] < 0xA0) { /* U+0080…U+009F: control characters, too */
                        piece = "?";
                        piece_length = 1;
                }
                if (buf.length + piece_length > max_bytes)
                        break;
                strbuf_append(&buf, piece, piece_length);
                p += n;
        }
        return strbuf_take(&buf);
}
