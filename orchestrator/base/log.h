/* Diagnostics on stderr. Only the top levels (worker, daemon, CLI) log above debug, so each fact is logged once.
 *
 * Under journald each line starts with its priority ("<3>"); on a terminal with the level's word where it matters. */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Sets the most detailed level that is printed (default: INFO). Chooses journald prefixes when JOURNAL_STREAM is set. */
void log_init(enum log_level level);

/* No line is longer than this many bytes from now on, without its newline (default: 8192). */
void log_limit_lines(size_t max_bytes);

/* One line; control characters are cleaned, so that nothing from outside can forge a line. */
void log_write(enum log_level level, const char *format, ...) _printf_(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
