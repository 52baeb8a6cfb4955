/* Implements cli/terminal/progress.h. */
#include "cli/terminal/progress.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

enum { BAR_COLUMNS = 20 };

/* Adds a part if it still fits. It counts bytes: only the names of VM and disk may be other than
 * ASCII, and they have at least as many bytes as columns. */
static void add_part(struct strbuf *line, unsigned columns, const char *part)
{
        if (line->length + 2 + strlen(part) > columns)
                return;
        if (line->length)
                strbuf_add(line, "  ");
        strbuf_add(line, part);
}

static void add_bar(struct strbuf *line, unsigned columns, double share)
{
        char bar[BAR_COLUMNS + 1];
        size_t filled = (size_t)(share * BAR_COLUMNS);
        memset(bar, '-', BAR_COLUMNS);
        memset(bar, '#', filled);
        bar[BAR_COLUMNS] = '\0';
        _cleanup_free_ char *part = xasprintf("[%s] %3d%%", bar, (int)(share * 100));
        add_part(line, columns, part);
}

char *progress_line(const struct event *event, const char *vm, unsigned columns)
{
        struct strbuf line = { 0 };
        uint64_t done =
                event->done_bytes < event->total_bytes ? event->done_bytes : event->total_bytes;
        _cleanup_free_ char *name = xasprintf("%s%s%s", vm ? vm : "", vm && event->disk ? " " : "",
                                              event->disk ? event->disk : "");
        _cleanup_free_ char *clean = str_one_line(name, columns > 30 ? columns - 30 : columns);
        strbuf_add(&line, clean);
        if (event->total_bytes)
                add_bar(&line, columns, (double)done / (double)event->total_bytes);
        _cleanup_free_ char *done_text = format_bytes(event->done_bytes);
        _cleanup_free_ char *total_text = format_bytes(event->total_bytes);
        _cleanup_free_ char *amount = event->total_bytes
                                              ? xasprintf("%s of %s", done_text, total_text)
                                              : xstrdup(done_text);
        add_part(&line, columns, amount);
        if (event->bytes_per_second) {
                _cleanup_free_ char *rate = format_bytes(event->bytes_per_second);
                _cleanup_free_ char *part = xasprintf("%s/s", rate);
                add_part(&line, columns, part);
        }
        if (event->remaining_seconds >= 0) {
                _cleanup_free_ char *left = format_duration_ms(event->remaining_seconds * 1000);
                _cleanup_free_ char *part = xasprintf("%s left", left);
                add_part(&line, columns, part);
        }
        return strbuf_take(&line);
}
