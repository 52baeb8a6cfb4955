/* Implements schema/yaml/problems.h: a list that only grows, with one order of output (line,
 * column, then as found). */
#include "schema/yaml/problems.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

static bool is_known(const struct problems *problems, const char *file, unsigned line,
                     unsigned column, const char *message)
{
        for (size_t i = 0; i < problems->count; i++) {
                const struct problem *item = &problems->items[i];
                if (item->line == line && item->column == column && streq(item->message, message) &&
                    streq(item->file, file))
                        return true;
        }
        return false;
}

/* Takes the message over. */
static void problems_insert(struct problems *problems, const char *file, unsigned line,
                            unsigned column, bool warning, char *message)
{
        if (is_known(problems, file, line, column, message)) {
                free(message);
                return;
        }
        if (!warning)
                problems->n_errors++;
        if (problems->count == PROBLEMS_MAX) {
                problems->n_dropped++;
                free(message);
                return;
        }
        problems->items =
                xrealloc_array(problems->items, problems->count + 1, sizeof *problems->items);
        problems->items[problems->count++] = (struct problem){
                .file = xstrdup(file),
                .line = line,
                .column = column,
                .warning = warning,
                .message = message,
        };
}

void problems_add(struct problems *problems, const char *file, unsigned line, unsigned column,
                  const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        problems_insert(problems, file, line, column, false, xvasprintf(format, ap));
        va_end(ap);
}

void problems_add_warning(struct problems *problems, const char *file, unsigned line,
                          unsigned column, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        problems_insert(problems, file, line, column, true, xvasprintf(format, ap));
        va_end(ap);
}

/* By file, line and column; equal places in the order in which they were found: the items lie in
 * one array, so that their addresses give that order. */
static int problem_compare(const void *a, const void *b)
{
        const struct problem *const *pa = a;
        const struct problem *const *pb = b;
        const struct problem *p = *pa;
        const struct problem *q = *pb;
        int by_file = strcmp(p->file ? p->file : "", q->file ? q->file : "");
        if (by_file)
                return by_file;
        if (p->line != q->line)
                return p->line < q->line ? -1 : 1;
        if (p->column != q->column)
                return p->column < q->column ? -1 : 1;
        return (p > q) - (p < q);
}

static void problem_append(struct strbuf *buf, const struct problem *problem)
{
        const char *file = problem->file ? problem->file : "?";
        if (problem->line)
                strbuf_addf(buf, "%s:%u:%u: ", file, problem->line, problem->column);
        else
                strbuf_addf(buf, "%s: ", file);
        strbuf_addf(buf, "%s%s", problem->warning ? "warning: " : "", problem->message);
}

static char *format_sorted(const struct problems *problems, bool with_warnings)
{
        _cleanup_free_ const struct problem **sorted = xcalloc(problems->count + 1, sizeof *sorted);
        for (size_t i = 0; i < problems->count; i++)
                sorted[i] = &problems->items[i];
        qsort(sorted, problems->count, sizeof(const struct problem *), problem_compare);
        struct strbuf buf = { 0 };
        for (size_t i = 0; i < problems->count; i++) {
                if (sorted[i]->warning && !with_warnings)
                        continue;
                if (buf.length)
                        strbuf_add_char(&buf, '\n');
                problem_append(&buf, sorted[i]);
        }
        if (problems->n_dropped)
                strbuf_addf(&buf, "\nand %zu more", problems->n_dropped);
        return strbuf_take(&buf);
}

char *problems_format(const struct problems *problems)
{
        _cleanup_free_ char *lines = format_sorted(problems, true);
        return xasprintf("%s%s", lines, *lines ? "\n" : "");
}

int problems_to_error(const struct problems *problems, struct error **err)
{
        _cleanup_free_ char *lines = format_sorted(problems, false);
        return error_set(err, ERROR_CONFIG, "%s", lines);
}

void problems_done(struct problems *problems)
{
        for (size_t i = 0; i < problems->count; i++) {
                free(problems->items[i].file);
                free(problems->items[i].message);
        }
        free(problems->items);
        *problems = (struct problems){ 0 };
}
