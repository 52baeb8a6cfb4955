/* Implements base/memory.h. */
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(void)
{
        static const char message[] = "orch: out of memory\n";
        (void)!write(STDERR_FILENO, message, sizeof message - 1);
        abort();
}

void *xmalloc(size_t size)
{
        void *pointer = malloc(size ? size : 1);
        if (!pointer)
                out_of_memory();
        return pointer;
}

void *xcalloc(size_t count, size_t size)
{
        void *pointer = calloc(count ? count : 1, size ? size : 1);
        if (!pointer)
                out_of_memory();
        return pointer;
}

void *xrealloc_array(void *pointer, size_t count, size_t size)
{
        void *resized = reallocarray(pointer, count ? count : 1, size ? size : 1);
        if (!resized)
                out_of_memory();
        return resized;
}

char *xstrdup(const char *text)
{
        return text ? xmemdup(text, strlen(text) + 1) : NULL;
}

char *xstrndup(const char *text, size_t length)
{
        size_t used = strnlen(text, length);
        char *copy = xmalloc(used + 1);
        memcpy(copy, text, used);
        copy[used] = '\0';
        return copy;
}

void *xmemdup(const void *data, size_t length)
{
        void *copy = xmalloc(length);
        if (length)
                memcpy(copy, data, length);
        return copy;
}

char *xvasprintf(const char *format, va_list ap)
{
        char *text = NULL;
        if (vasprintf(&text, format, ap) < 0)
                out_of_memory();
        return text;
}

char *xasprintf(const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        char *text = xvasprintf(format, ap);
        va_end(ap);
        return text;
}

void xstrdup_replace(char **slot, const char *text)
{
        char *copy = xstrdup(text);
        free(*slot);
        *slot = copy;
}
