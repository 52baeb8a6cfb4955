/* The list of all mistakes found in a file that a user wrote: they are reported in one go, sorted
 * by place. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct problem {
        char *file;    /* as the user named it */
        unsigned line; /* from 1; 0: the file as a whole */
        unsigned column;
        bool warning;  /* does not make the file invalid */
        char *message; /* what was found, what was expected, the nearest valid key */
};

struct problems {
        struct problem *items;
        size_t count;
        size_t n_errors;  /* those that are not warnings */
        size_t n_dropped; /* found after PROBLEMS_MAX others: counted, not kept */
};

enum { PROBLEMS_MAX = 500 };

/* Adds a problem. The same text at the same place is added once only: a mistake in an alias or a
 * default is found once for each use. */
void problems_add(struct problems *problems, const char *file, unsigned line, unsigned column,
                  const char *format, ...) _printf_(5, 6);
void problems_add_warning(struct problems *problems, const char *file, unsigned line,
                          unsigned column, const char *format, ...) _printf_(5, 6);
/* "file:line:column: message\n" for each, by line and column; the caller frees. */
char *problems_format(const struct problems *problems);
/* One ERROR_CONFIG error that holds all of them (not the warnings). Returns -1. */
int problems_to_error(const struct problems *problems, struct error **err);
void problems_done(struct problems *problems);
#define _cleanup_problems_ _cleanup_(problems_done)
