/* Tables for a terminal. A column is as wide as its widest cell (in characters, not bytes), two
 * spaces separate columns, and each cell is cleaned to one line. */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

struct table;

/* `headers` is NULL-terminated and has to outlive the table. A header that starts with '>' makes
 * its column right-aligned; the sign is not shown. The caller frees. */
struct table *table_new(const char *const headers[]);
struct table *table_free(struct table *table);
DEFINE_FREEP(struct table, table_free)
#define _cleanup_table_ _cleanup_(table_freep)

/* Appends a cell; after the last column the next row begins. The text is copied; NULL and "" are
 * shown as "-". */
void table_cell(struct table *table, const char *text);
void table_cellf(struct table *table, const char *format, ...) _printf_(2, 3);

/* How many columns a text occupies: the number of its characters, as valid UTF-8. */
size_t table_text_width(const char *text);

/* The header and the rows; each line ends with a newline and has no trailing spaces. The caller
 * frees. */
char *table_format(const struct table *table);
