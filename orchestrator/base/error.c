/* Implements base/error.h. Nothing here fails: out of memory aborts (base/memory.h). */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/memory.h"

static const char *const kind_names[_ERROR_KIND_MAX] = {
        [ERROR_CONFIG] = "config",
        [ERROR_AUTH] = "auth",
        [ERROR_UNREACHABLE] = "unreachable",
        [ERROR_TIMEOUT] = "timeout",
        [ERROR_BUSY] = "busy",
        [ERROR_NOSPACE] = "nospace",
        [ERROR_CORRUPT] = "corrupt",
        [ERROR_CANCELLED] = "cancelled",
        [ERROR_REFUSED] = "refused",
        [ERROR_INTERNAL] = "internal",
};

static struct error *error_new(enum error_kind kind, int errnum, char *message)
{
        struct error *error = xcalloc(1, sizeof *error);
        error->kind = kind;
        error->errnum = errnum;
        error->message = message;
        return error;
}

static enum error_kind kind_refined_by_errno(enum error_kind kind, int errnum)
{
        if (kind != ERROR_INTERNAL)
                return kind;
        switch (errnum) {
        case ENOSPC:
        case EDQUOT:
                return ERROR_NOSPACE;
        case ETIMEDOUT:
                return ERROR_TIMEOUT;
        case ECONNREFUSED:
        case ECONNRESET:
        case EHOSTUNREACH:
        case ENETUNREACH:
        case ENOTCONN:
        case EPIPE:
                return ERROR_UNREACHABLE;
        default:
                return kind;
        }
}

int error_set(struct error **err, enum error_kind kind, const char *format, ...)
{
        if (!err)
                return -1;
        va_list ap;
        va_start(ap, format);
        *err = error_new(kind, 0, xvasprintf(format, ap));
        va_end(ap);
        return -1;
}

int error_set_errno(struct error **err, enum error_kind kind, int errnum, const char *format, ...)
{
        if (!err)
                return -1;
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *what = xvasprintf(format, ap);
        va_end(ap);
        *err = error_new(kind_refined_by_errno(kind, errnum), errnum,
                         xasprintf("%s: %s", what, strerror(errnum)));
        return -1;
}

int error_prefix(struct error **err, const char *format, ...)
{
        if (!err || !*err)
                return -1;
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *prefix = xvasprintf(format, ap);
        va_end(ap);
        _cleanup_free_ char *old = TAKE_PTR((*err)->message);
        (*err)->message = xasprintf("%s: %s", prefix, old);
        return -1;
}

int error_propagate(struct error **to, struct error *from)
{
        if (to)
                *to = from;
        else
                error_free(from);
        return -1;
}

struct error *error_copy(const struct error *error)
{
        if (!error)
                return NULL;
        return error_new(error->kind, error->errnum, xstrdup(error->message));
}

struct error *error_free(struct error *error)
{
        if (!error)
                return NULL;
        free(error->message);
        free(error);
        return NULL;
}

const char *error_kind_name(enum error_kind kind)
{
        return kind >= 0 && kind < _ERROR_KIND_MAX ? kind_names[kind] : "internal";
}

enum error_kind error_kind_from_name(const char *name)
{
        for (int kind = 0; name && kind < _ERROR_KIND_MAX; kind++)
                if (strcmp(kind_names[kind], name) == 0)
                        return (enum error_kind)kind;
        return ERROR_INTERNAL;
}

const char *error_message(const struct error *error)
{
        return error && error->message ? error->message : "unknown error";
}
