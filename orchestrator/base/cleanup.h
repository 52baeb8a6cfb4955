/* Scope-bound clean-up: a variable marked _cleanup_(f) has f(&variable) called when it goes out of
 * scope.
 *
 * Every owning type T supplies a destructor `T_free()` that accepts NULL and half-built objects and
 * returns NULL, and a `T_freep()` made from it by DEFINE_FREEP. Ownership leaves a scope by
 * TAKE_PTR / TAKE_FD. */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _unused_ __attribute__((unused))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _must_check_ __attribute__((warn_unused_result))

/* Hands over the pointer and leaves NULL behind, so that the clean-up of the old owner does
 * nothing. */
#define TAKE_PTR(p)                        \
        ({                                 \
                __typeof__(p) *_pp = &(p); \
                __typeof__(p) _v = *_pp;   \
                *_pp = NULL;               \
                _v;                        \
        })

/* The same for a file descriptor; leaves -1 behind. */
#define TAKE_FD(fd)               \
        ({                        \
                int *_pf = &(fd); \
                int _f = *_pf;    \
                *_pf = -1;        \
                _f;               \
        })

/* Makes `name_freep(type **)` for use in _cleanup_ from `name_free(type *)`. */
#define DEFINE_FREEP(type, free_function)                            \
        static inline _unused_ void free_function##p(type **pointer) \
        {                                                            \
                *pointer = free_function(*pointer);                  \
        }

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static inline _unused_ void freep(void *pointer)
{
        free(*(void **)pointer);
}

static inline _unused_ void closep(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

static inline _unused_ void fclosep(FILE **file)
{
        if (*file)
                fclose(*file);
        *file = NULL;
}

static inline _unused_ void closedirp(DIR **dir)
{
        if (*dir)
                closedir(*dir);
        *dir = NULL;
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
