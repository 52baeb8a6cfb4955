/* The error object that every fallible function fills in.
 *
 * Convention: a fallible function returns 0 or -1 (or a pointer or NULL) and takes `struct error
 * **err` last. On failure it sets *err (which must be NULL before the call) unless the caller
 * passed NULL. The *kind* drives policy (is it worth another try? which exit status?); the message
 * is for people and is never parsed. A message says what failed, on what, why, and what to do about
 * it where that is known. */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"

enum error_kind {
        ERROR_CONFIG,      /* a file or a word that a user wrote is wrong */
        ERROR_AUTH,        /* a host key or a credential was not accepted */
        ERROR_UNREACHABLE, /* no connection, or it broke */
        ERROR_TIMEOUT,     /* a deadline passed */
        ERROR_BUSY,        /* somebody else is at work there; may pass */
        ERROR_NOSPACE,     /* a file system is full or would be */
        ERROR_CORRUPT,     /* data is not what it has to be */
        ERROR_CANCELLED,   /* the user or the service manager asked to stop */
        ERROR_REFUSED,     /* orch declines, for safety; a person has to decide */
        ERROR_INTERNAL,    /* the system or a program failed in a way not foreseen */
        _ERROR_KIND_MAX,
};

struct error {
        enum error_kind kind;
        int errnum;    /* the errno behind it, or 0 */
        char *message; /* owned; one or more sentences, no final newline */
};

/* Sets *err (if err is not NULL) to a new error. Always returns -1, so that `return error_set(...)`
 * reads well. */
int error_set(struct error **err, enum error_kind kind, const char *format, ...) _printf_(3, 4);

/* The same with an errno: ": <strerror>" is appended, and ENOSPC/EDQUOT, ETIMEDOUT, ECONNREFUSED
 * and their like refine a kind of ERROR_INTERNAL to NOSPACE, TIMEOUT or UNREACHABLE. Always returns
 * -1. */
int error_set_errno(struct error **err, enum error_kind kind, int errnum, const char *format, ...)
        _printf_(4, 5);

/* Puts "<formatted>: " in front of the message of *err. For adding a name only (VM, host, path,
 * disk). Always returns -1. */
int error_prefix(struct error **err, const char *format, ...) _printf_(2, 3);

/* Moves `from` into *to, or frees it when `to` is NULL. Always returns -1. */
int error_propagate(struct error **to, struct error *from);

/* A deep copy; NULL gives NULL. The caller owns it. */
struct error *error_copy(const struct error *error);

/* Frees the error; NULL is allowed. Returns NULL. */
struct error *error_free(struct error *error);
DEFINE_FREEP(struct error, error_free)

/* "config", "auth", … as used in JSON. Never NULL. */
const char *error_kind_name(enum error_kind kind);

/* The reverse of error_kind_name(); ERROR_INTERNAL for a name that is not known. */
enum error_kind error_kind_from_name(const char *name);

/* The message, or "unknown error" for NULL: for messages that are printed whatever happened. */
const char *error_message(const struct error *error);

#define _cleanup_error_ _cleanup_(error_freep)
