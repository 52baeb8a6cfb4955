/* Implements schema/config/secrets.h. The file is read in one go into one buffer of fixed size, so
 * that no copy of it is left behind by a buffer that grew; values are copied out once, into their
 * secret. */
#include "schema/config/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/config/text-checks.h"

enum { MAX_FILE_BYTES = 64 * 1024 };

struct secret {
        size_t length;
        char bytes[]; /* length and a NUL */
};

struct entry {
        char *name;
        struct secret *value;
};

struct secrets {
        struct entry *entries;
        size_t n_entries;
};

struct wiped_buffer {
        char bytes[MAX_FILE_BYTES + 1];
};

static struct wiped_buffer *wiped_buffer_free(struct wiped_buffer *buffer)
{
        if (buffer)
                explicit_bzero(buffer, sizeof *buffer);
        free(buffer);
        return NULL;
}
DEFINE_FREEP(struct wiped_buffer, wiped_buffer_free)

static struct secret *secret_allocate(size_t length)
{
        struct secret *secret = xcalloc(1, sizeof *secret + length + 1);
        secret->length = length;
        return secret;
}

struct secret *secret_new(const char *text)
{
        struct secret *secret = secret_allocate(strlen(text));
        memcpy(secret->bytes, text, secret->length);
        return secret;
}

struct secret *secret_free(struct secret *secret)
{
        if (!secret)
                return NULL;
        explicit_bzero(secret->bytes, secret->length);
        free(secret);
        return NULL;
}

const char *secret_expose(const struct secret *secret)
{
        return secret->bytes;
}

static int check_access(int fd, const char *path, struct error **err)
{
        struct stat st;
        if (fstat(fd, &st) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot stat %s", path);
        if (!S_ISREG(st.st_mode))
                return error_set(err, ERROR_CONFIG, "%s is not a regular file", path);
        if (st.st_mode & 077)
                return error_set(err, ERROR_CONFIG,
                                 "%s has mode %04o, so that others than its owner can get at the "
                                 "secrets: chmod 600 %s",
                                 path, (unsigned)st.st_mode & 07777, path);
        if (st.st_uid != 0 && st.st_uid != geteuid())
                return error_set(err, ERROR_CONFIG,
                                 "%s belongs to user %u, neither to root nor to the user that orch "
                                 "runs as: chown it",
                                 path, (unsigned)st.st_uid);
        return 0;
}

static int read_into(int fd, const char *path, struct wiped_buffer *buffer, struct error **err)
{
        size_t length = 0;
        while (length < sizeof buffer->bytes) {
                ssize_t n = read(fd, buffer->bytes + length, sizeof buffer->bytes - length);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errno(err, ERROR_INTERNAL, errno, "cannot read %s", path);
                if (n == 0)
                        break;
                length += (size_t)n;
        }
        if (length == sizeof buffer->bytes)
                return error_set(err, ERROR_CONFIG, "%s is larger than %d bytes", path,
                                 MAX_FILE_BYTES);
        if (memchr(buffer->bytes, '\0', length))
                return error_set(err, ERROR_CONFIG, "%s contains a NUL byte", path);
        buffer->bytes[length] = '\0';
        return 0;
}

/* What follows the closing quote or the value: blanks and a comment at most. */
static bool is_end_of_line(const char *p)
{
        const char *rest = p + strspn(p, " \t\r");
        return *rest == '\0' || (*rest == '#' && rest > p);
}

/* Decodes `text`, the rest of a line, into a secret; NULL when it is not a value. */
static struct secret *parse_value(const char *text)
{
        _cleanup_(secret_freep) struct secret *value = secret_allocate(strlen(text));
        size_t capacity = value->length;
        char quote = *text == '"' || *text == '\'' ? *text++ : '\0';
        size_t length = 0;
        for (; *text && *text != quote; text++) {
                if (!quote && strchr(" \t\r\"'\\$`", *text))
                        break;
                if (quote == '"' && *text == '\\' && text[1] && strchr("\"\\$`", text[1]))
                        text++;
                value->bytes[length++] = *text;
        }
        if (quote && *text++ != quote)
                return NULL;
        if (!is_end_of_line(text))
                return NULL;
        /* The length stays the allocated one until here, so that a refused value is wiped whole. */
        explicit_bzero(value->bytes + length, capacity - length);
        value->length = length;
        return TAKE_PTR(value);
}

/* Returns what is wrong with the line, a constant, or NULL. */
static const char *secrets_parse_line(struct secrets *secrets, char *line)
{
        line += strspn(line, " \t\r");
        if (*line == '\0' || *line == '#')
                return NULL;
        char *equals = strchr(line, '=');
        if (!equals)
                return "expected KEY=\"value\"";
        *equals = '\0';
        if (text_check_variable(line))
                return "what stands before the = is not the name of a variable (no blanks around "
                       "it)";
        for (size_t i = 0; i < secrets->n_entries; i++)
                if (streq(secrets->entries[i].name, line))
                        return "this key is given twice";
        struct secret *value = parse_value(equals + 1);
        if (!value)
                return "the value is not closed, or needs quotes: KEY=\"value\"";
        secrets->entries =
                xrealloc_array(secrets->entries, secrets->n_entries + 1, sizeof *secrets->entries);
        secrets->entries[secrets->n_entries++] =
                (struct entry){ .name = xstrdup(line), .value = value };
        return NULL;
}

static int parse_lines(struct secrets *secrets, char *text, const char *path, struct error **err)
{
        unsigned number = 1;
        for (char *line = text; line; number++) {
                char *newline = strchr(line, '\n');
                if (newline)
                        *newline = '\0';
                const char *flaw = secrets_parse_line(secrets, line);
                if (flaw)
                        return error_set(err, ERROR_CONFIG, "%s:%u: %s", path, number, flaw);
                line = newline ? newline + 1 : NULL;
        }
        return 0;
}

struct secrets *secrets_load(const char *directory, struct error **err)
{
        _cleanup_(secrets_freep) struct secrets *secrets = xcalloc(1, sizeof *secrets);
        _cleanup_free_ char *path = path_join(directory, "secrets.conf");
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT)
                return TAKE_PTR(secrets);
        if (fd < 0) {
                error_set_errno(err, ERROR_CONFIG, errno, "cannot open %s", path);
                return NULL;
        }
        _cleanup_(wiped_buffer_freep) struct wiped_buffer *buffer = xcalloc(1, sizeof *buffer);
        if (check_access(fd, path, err) < 0 || read_into(fd, path, buffer, err) < 0 ||
            parse_lines(secrets, buffer->bytes, path, err) < 0)
                return NULL;
        return TAKE_PTR(secrets);
}

struct secrets *secrets_free(struct secrets *secrets)
{
        if (!secrets)
                return NULL;
        for (size_t i = 0; i < secrets->n_entries; i++) {
                free(secrets->entries[i].name);
                secret_free(secrets->entries[i].value);
        }
        free(secrets->entries);
        free(secrets);
        return NULL;
}

struct secret *secrets_get(const struct secrets *secrets, const char *name)
{
        const char *environment = getenv(name);
        if (environment && *environment)
                return secret_new(environment);
        for (size_t i = 0; secrets && i < secrets->n_entries; i++)
                if (streq(secrets->entries[i].name, name) && secrets->entries[i].value->length)
                        return secret_new(secrets->entries[i].value->bytes);
        return NULL;
}
