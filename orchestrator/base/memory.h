/* Allocation that aborts when memory is out: recovery has to survive a crash anyway, and code
 * without a branch for this case is easier to read. The caller limits sizes that come from outside
 * before it allocates. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/cleanup.h"

/* Each returns memory that the caller frees with free(). xstrdup(NULL) gives NULL. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc_array(void *pointer, size_t count, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t length);
void *xmemdup(const void *data, size_t length);
char *xasprintf(const char *format, ...) _printf_(1, 2);
char *xvasprintf(const char *format, va_list ap) _printf_(1, 0);

/* Frees *slot and stores a copy of text (NULL allowed) there. */
void xstrdup_replace(char **slot, const char *text);
