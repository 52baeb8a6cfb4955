/* Implements base/log.h: each line is one write(2), so that the lines of several processes do not
 * mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/log-journal.h"
#include "base/memory.h"
#include "base/strings.h"

static enum log_level most_detailed = LOG_LEVEL_INFO;
static bool journald;
static size_t line_max_bytes = 8192;
static enum log_format log_format = LOG_FORMAT_TEXT;
static int journal_fd = -1;

enum { CONTEXT_MAX_BYTES = 256 };

void log_init(enum log_level level)
{
        most_detailed = level;
        journald = getenv("JOURNAL_STREAM") != NULL;
}

void log_limit_lines(size_t max_bytes)
{
        line_max_bytes = max_bytes;
}

void log_set_format(enum log_format format)
{
        log_format = format;
        if (format != LOG_FORMAT_JOURNAL)
                return;
        journal_fd = log_journal_open();
        journald = true;
}

static const char *level_name(enum log_level level)
{
        switch (level) {
        case LOG_LEVEL_ERROR:
                return "error";
        case LOG_LEVEL_WARNING:
                return "warning";
        case LOG_LEVEL_INFO:
                return "info";
        case LOG_LEVEL_DEBUG:
                break;
        }
        return "debug";
}

/* `value` is valid UTF-8 without control characters. */
static void add_json(struct strbuf *out, const char *name, const char *value)
{
        strbuf_addf(out, "%s\"%s\":\"", out->length > 1 ? "," : "", name);
        for (const char *c = value; *c; c++) {
                if (*c == '"' || *c == '\\')
                        strbuf_add_char(out, '\\');
                strbuf_add_char(out, *c);
        }
        strbuf_add_char(out, '"');
}

static void add_json_clean(struct strbuf *out, const char *name, const char *value)
{
        _cleanup_free_ char *clean = value ? str_one_line(value, CONTEXT_MAX_BYTES) : NULL;
        if (clean)
                add_json(out, name, clean);
}

static void format_json(struct strbuf *out, enum log_level level, const struct log_context *context,
                        const char *line)
{
        int64_t now_ms = clock_realtime_ms();
        _cleanup_free_ char *seconds = clock_format_rfc3339(now_ms / 1000);
        _cleanup_free_ char *when =
                xasprintf("%.*s.%03dZ", (int)strcspn(seconds, "Z"), seconds, (int)(now_ms % 1000));
        strbuf_add_char(out, '{');
        add_json(out, "time", when);
        add_json(out, "level", level_name(level));
        add_json_clean(out, "job", context->job);
        add_json_clean(out, "vm", context->vm);
        add_json_clean(out, "hypervisor", context->hypervisor);
        add_json(out, "message", line);
        strbuf_add_char(out, '}');
}

static void format_text(struct strbuf *out, enum log_level level, const char *line)
{
        if (journald)
                strbuf_addf(out, "<%d>", (int)level);
        else if (level <= LOG_LEVEL_WARNING)
                strbuf_addf(out, "%s: ", level_name(level));
        strbuf_add(out, line);
}

static void write_line(enum log_level level, const struct log_context *context, const char *text)
{
        size_t prefix = journald                     ? strlen("<3>")
                        : level <= LOG_LEVEL_WARNING ? strlen(level_name(level)) + strlen(": ")
                                                     : 0;
        _cleanup_free_ char *line = str_one_line(text, line_max_bytes - prefix);
        if (journal_fd >= 0 && log_journal_send(journal_fd, level, context, line))
                return;
        _cleanup_strbuf_ struct strbuf out = { 0 };
        if (log_format == LOG_FORMAT_JSON)
                format_json(&out, level, context, line);
        else
                format_text(&out, level, line);
        strbuf_add_char(&out, '\n');
        (void)!write(STDERR_FILENO, out.data, out.length);
}

static _printf_(3, 0) void write_formatted(enum log_level level, const struct log_context *context,
                                           const char *format, va_list ap)
{
        if (level > most_detailed)
                return;
        _cleanup_free_ char *text = xvasprintf(format, ap);
        write_line(level, context, text);
}

void log_write(enum log_level level, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        write_formatted(level, &(struct log_context){ 0 }, format, ap);
        va_end(ap);
}

void log_write_about(enum log_level level, const struct log_context *context, const char *format,
                     ...)
{
        va_list ap;
        va_start(ap, format);
        write_formatted(level, context, format, ap);
        va_end(ap);
}
