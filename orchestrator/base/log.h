/* Diagnostics on stderr. Only the top levels (worker, daemon, CLI) log above debug, so each fact is
 * logged once.
 *
 * Under journald each line starts with its priority ("<3>"); on a terminal with the level's word
 * where it matters. */
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

/* No line is longer than this many bytes from now on, without its newline (default: 8192). */
void log_limit_lines(size_t max_bytes);

enum log_format {
        LOG_FORMAT_TEXT, /* lines for a person */
        /* an object a line: time (RFC 3339, UTC, milliseconds), level, message, and job, vm,
         * hypervisor where known */
        LOG_FORMAT_JSON,
        /* to journald by its own protocol, with fields: ORCH_JOB, ORCH_VM, ORCH_HYPERVISOR beside
         * the usual ones */
        LOG_FORMAT_JOURNAL,
};

/* The form of what follows (default: text). The journal's socket is opened here; where there is
 * none, or a line cannot be handed over, lines go to stderr with their priority in front, which
 * journald reads as well. */
void log_set_format(enum log_format format);

/* What a line is about: each may be NULL. */
struct log_context {
        const char *job;
        const char *vm;
        const char *hypervisor;
};
/* As log_write(), with the context as fields of its own where the format has fields; a text says it
 * in its own words. */
void log_write_about(enum log_level level, const struct log_context *context, const char *format,
                     ...) _printf_(3, 4);

/* One line; control characters are cleaned, so that nothing from outside can forge a line. */
void log_write(enum log_level level, const char *format, ...) _printf_(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
