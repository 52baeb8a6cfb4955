/* Tables for people: columns as wide as their content (in characters, not bytes), two spaces
 * between, cells cleaned to one line. */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

struct table;

/* `headers` is ended by NULL and outlives the table; one that starts with '>' makes its column
 * right-aligned (the sign is not shown). The caller frees. */
struct table *table_new(const char *const headers[]);
struct table *table_free(struct table *table);
DEFINE_FREEP(struct table, table_free)
#define _cleanup_table_ _cleanup_(table_freep)

/* Appends a cell (copied; NULL or "" shows as "-"); after the last column the next row begins. */
void table_cell(struct table *table, const char *text);
void table_cellf(struct table *table, const char *format, ...) _printf_(2, 3);

/* How many columns a text takes up: the characters of valid UTF-8. */
size_t table_text_width(const char *text);

/* The header and the rows, each ended by a newline and without trailing spaces. The caller
 * frees. */
char *table_format(const struct table *table);
