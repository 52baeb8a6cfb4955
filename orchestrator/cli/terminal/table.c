/* Implements cli/terminal/table.h. The cells are in one row-major vector; the widths are computed
 * when the table is formatted. */
#include "cli/terminal/table.h"

#include <assert.h>
#include <stdarg.h>

#include "base/memory.h"
#include "base/strings.h"

struct table {
        const char *const *headers;
        size_t n_columns;
        char **cells;
        size_t n_cells;
        size_t capacity;
};

struct table *table_new(const char *const headers[])
{
        struct table *table = xcalloc(1, sizeof *table);
        table->headers = headers;
        while (headers[table->n_columns])
                table->n_columns++;
        return table;
}

struct table *table_free(struct table *table)
{
        if (!table)
                return NULL;
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i]);
        free(table->cells);
        free(table);
        return NULL;
}

void table_cell(struct table *table, const char *text)
{
        if (table->n_cells == table->capacity) {
                table->capacity = table->capacity ? 2 * table->capacity : 64;
                table->cells = xrealloc_array(table->cells, table->capacity, sizeof *table->cells);
        }
        table->cells[table->n_cells++] = str_empty(text) ? xstrdup("-") : str_one_line(text, 1000);
}

void table_cellf(struct table *table, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *text = xvasprintf(format, ap);
        va_end(ap);
        table_cell(table, text);
}

size_t table_text_width(const char *text)
{
        size_t n = 0;
        for (; *text; text++)
                n += ((unsigned char)*text & 0xC0) != 0x80;
        return n;
}

static const char *column_title(const char *header)
{
        return *header == '>' ? header + 1 : header;
}

static void add_spaces(struct strbuf *out, size_t n)
{
        while (n--)
                strbuf_add_char(out, ' ');
}

static void add_table_row(struct strbuf *out, const struct table *table, const size_t widths[],
                          const char *const cells[], size_t n)
{
        for (size_t i = 0; i < n; i++) {
                bool right = *table->headers[i] == '>';
                size_t padding = widths[i] - table_text_width(cells[i]);
                if (i)
                        strbuf_add(out, "  ");
                if (right)
                        add_spaces(out, padding);
                strbuf_add(out, cells[i]);
                if (!right && i + 1 < n)
                        add_spaces(out, padding);
        }
        strbuf_add_char(out, '\n');
}

char *table_format(const struct table *table)
{
        assert(table->n_columns);
        struct strbuf out = { 0 };
        _cleanup_free_ size_t *widths = xcalloc(table->n_columns, sizeof *widths);
        _cleanup_free_ const char **titles = xcalloc(table->n_columns, sizeof *titles);
        for (size_t i = 0; i < table->n_columns; i++) {
                titles[i] = column_title(table->headers[i]);
                widths[i] = table_text_width(titles[i]);
        }
        for (size_t i = 0; i < table->n_cells; i++) {
                size_t w = table_text_width(table->cells[i]);
                if (w > widths[i % table->n_columns])
                        widths[i % table->n_columns] = w;
        }
        add_table_row(&out, table, widths, titles, table->n_columns);
        for (size_t i = 0; i < table->n_cells; i += table->n_columns) {
                size_t left = table->n_cells - i;
                add_table_row(&out, table, widths, (const char *const *)table->cells + i,
                              left < table->n_columns ? left : table->n_columns);
        }
        return strbuf_take(&out);
}
