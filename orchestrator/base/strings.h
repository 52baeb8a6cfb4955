/* Growing strings (strbuf), NULL-terminated string vectors (strv), and the few text helpers that
 * all rooms use. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* A growing byte string. `data` is NULL or NUL-terminated at data[length]. Start with `struct
 * strbuf b = {0};`. */
struct strbuf {
        char *data;
        size_t length;
        size_t capacity;
};

void strbuf_append(struct strbuf *buf, const void *data, size_t length);
void strbuf_add(struct strbuf *buf, const char *text);
void strbuf_addf(struct strbuf *buf, const char *format, ...) _printf_(2, 3);
void strbuf_add_char(struct strbuf *buf, char c);
/* Drops the first `count` bytes. */
void strbuf_consume(struct strbuf *buf, size_t count);
/* Sets the length to 0 and keeps the memory. */
void strbuf_reset(struct strbuf *buf);
/* Returns the string (never NULL: "" when empty) and leaves the buffer empty. The caller frees. */
char *strbuf_take(struct strbuf *buf);
/* Frees what the buffer owns; for _cleanup_. */
void strbuf_done(struct strbuf *buf);
#define _cleanup_strbuf_ _cleanup_(strbuf_done)

/* Vectors of strings, ended by NULL. The holder owns the vector and each string. NULL is an empty
 * vector. */
size_t strv_length(char *const *strv);
bool strv_contains(char *const *strv, const char *text);
/* Appends a copy of text. */
void strv_add(char ***strv, const char *text);
void strv_addf(char ***strv, const char *format, ...) _printf_(2, 3);
char **strv_copy(char *const *strv);
char **strv_free(char **strv);
/* Joins with `separator`; "" for an empty one. The caller frees. */
char *strv_join(char *const *strv, const char *separator);
static inline _unused_ void strv_freep(char ***strv)
{
        *strv = strv_free(*strv);
}
#define _cleanup_strv_ _cleanup_(strv_freep)

bool streq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts_with(const char *text, const char *prefix);
bool str_ends_with(const char *text, const char *suffix);
/* True for NULL and "". */
bool str_empty(const char *text);

/* Quotes one word for a POSIX shell so that it stands for exactly `text`, whatever bytes it has.
 * The caller frees. */
char *shell_quote(const char *text);
/* Quotes an argv into one command line; it is the only function in the project that makes shell
 * input from an argv. The caller frees. */
char *shell_join(const char *const argv[]);

/* "1.5 GiB", binary prefixes, for people. The caller frees. */
char *format_bytes(uint64_t bytes);
/* "1h02m", "3m05s", "12.4s", for people. The caller frees. */
char *format_duration_ms(int64_t milliseconds);

/* Whether `name` is a safe path component and name: [A-Za-z0-9][A-Za-z0-9._-]*, at most 120
 * bytes. */
bool name_is_safe(const char *name);
/* Whether `word` selects this name: it is the name itself, or a glob that matches it. */
bool name_matches(const char *word, const char *name);
bool name_is_glob(const char *word);

/* Of `candidates` (NULL-terminated) the one nearest to `text` by edit distance (transpositions
 * count one), or NULL when none is near enough for a suggestion. The result points into candidates.
 */
const char *nearest_word(const char *text, const char *const candidates[]);

/* Makes any bytes printable on one line: control characters become '?' , invalid UTF-8 becomes
 * U+FFFD; the result is cut to at most `max_bytes` at a character boundary. The caller frees. */
char *str_one_line(const char *text, size_t max_bytes);
