/* Diagnostics on stderr. Only the top levels (worker, daemon, CLI) log above debug, so each fact is
 * logged once.
 *
 * Under journald each line starts with its priority ("<3>"); on a terminal it starts with the name
 * of the level where that matters. */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

enum log_level {
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_INFO = 6,
        LOG_LEVEL_DEBUG = 7
};

/* Sets the most detailed level that is printed (default: INFO). Chooses journald prefixes when
 * JOURNAL_STREAM is set. */
void log_init(enum log_level level);

/* Sets the longest line in bytes, without its newline (default: 8192); longer ones are cut. */
void log_limit_lines(size_t max_bytes);

enum log_format {
        LOG_FORMAT_TEXT, /* lines for a person */
        /* one JSON object for each line: time (RFC 3339, UTC, milliseconds), level, message, and
         * job, vm, hypervisor where known */
        LOG_FORMAT_JSON,
        /* journald's native protocol, with the fields ORCH_JOB, ORCH_VM and ORCH_HYPERVISOR beside
         * the usual ones */
        LOG_FORMAT_JOURNAL,
};

/* Sets the form of all following lines (default: text). The journal's socket is opened here. When
 * there is no socket, or journald does not take a line, the line goes to stderr with its priority
 * in front, which journald reads as well. */
void log_set_format(enum log_format format);

/* The subject of a line. Each field may be NULL. */
struct log_context {
        const char *job;
        const char *vm;
        const char *hypervisor;
};
/* Like log_write(). Where the format has fields, the context becomes fields; in text form it is not
 * printed, so the message has to name its subject. */
void log_write_about(enum log_level level, const struct log_context *context, const char *format,
                     ...) _printf_(3, 4);

/* Writes one line. Control characters are replaced, so that no foreign text can forge a line. */
void log_write(enum log_level level, const char *format, ...) _printf_(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
