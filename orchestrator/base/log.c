/* Implements base/log.h: one write(2) a line, so that lines of several processes do not mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>

#include "base/memory.h"
#include "base/strings.h"

static enum log_level most_detailed = LOG_LEVEL_INFO;
static bool journald;
static size_t line_max_bytes = 8192;

void log_init(enum log_level level)
{
        most_detailed = level;
        journald = getenv("JOURNAL_STREAM") != NULL;
}

void log_limit_lines(size_t max_bytes)
{
        line_max_bytes = max_bytes;
}

void log_write(enum log_level level, const char *format, ...)
{
        if (level > most_detailed)
                return;
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *text = xvasprintf(format, ap);
        va_end(ap);
        _cleanup_strbuf_ struct strbuf out = { 0 };
        if (journald)
                strbuf_addf(&out, "<%d>", (int)level);
        else if (level <= LOG_LEVEL_WARNING)
                strbuf_add(&out, level == LOG_LEVEL_ERROR ? "error: " : "warning: ");
        _cleanup_free_ char *line = str_one_line(text, line_max_bytes - out.length);
        strbuf_add(&out, line);
        strbuf_add_char(&out, '\n');
        (void)!write(STDERR_FILENO, out.data, out.length);
}
