/* Implements schema/config/text-checks.h. The JSON Schemas express the same rules with patterns, as
 * far as patterns can. */
#include "schema/config/text-checks.h"

#include <fcntl.h>
#include <regex.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* Not empty, begins with one of `first`, consists of `first` and `more`, at most `max` bytes. */
static bool consists_of(const char *text, const char *first, const char *more, size_t max)
{
        size_t length = strlen(text);
        if (length == 0 || length > max || !strchr(first, text[0]))
                return false;
        for (const char *c = text; *c; c++)
                if (!strchr(first, *c) && !strchr(more, *c))
                        return false;
        return true;
}

const char *text_check_name(const char *text)
{
        if (!name_is_safe(text))
                return "a name of letters, digits, '.', '_' and '-' that begins with a letter or "
                       "digit, at most 120 bytes";
        return streq(text, "metadata") || streq(text, "latest")
                       ? "another name (metadata and latest are reserved)"
                       : NULL;
}

const char *text_check_hypervisor(const char *text)
{
        return streq(text, "auto")
                       ? "another name (auto stands for a hypervisor that is to be found)"
                       : text_check_name(text);
}

const char *text_check_home(const char *text)
{
        return streq(text, "auto") ? NULL : text_check_name(text);
}

const char *text_check_domain(const char *text)
{
        return strlen(text) <= 255 && !strchr(text, '/') && !streq(text, ".") && !streq(text, "..")
                       ? NULL
                       : "the name of a libvirt domain: at most 255 bytes, without '/'";
}

static bool has_component(const char *path, const char *component)
{
        size_t length = strlen(component);
        for (const char *p = path; *p;) {
                size_t n = strcspn(p, "/");
                if (n == length && strncmp(p, component, n) == 0)
                        return true;
                p += n;
                p += *p == '/';
        }
        return false;
}

const char *text_check_absolute_path(const char *text)
{
        bool fine = text[0] == '/' && strspn(text, "/") < strlen(text) && strlen(text) <= 1024 &&
                    !has_component(text, ".") && !has_component(text, "..");
        return fine ? NULL : "an absolute path such as /mnt/backup, without \".\" and \"..\"";
}

void path_tidy_slashes(char *path)
{
        char *to = path;
        for (const char *from = path; *from; from++)
                if (*from != '/' || to == path || to[-1] != '/')
                        *to++ = *from;
        if (to > path + 1 && to[-1] == '/')
                to--;
        *to = '\0';
}

const char *text_check_path(const char *text)
{
        bool fine = strspn(text, "/") < strlen(text) && strlen(text) <= 1024 &&
                    !has_component(text, "..") && !str_ends_with(text, "/");
        return fine ? NULL : "the path of a file, without \"..\"";
}

const char *text_check_address(const char *text)
{
        return consists_of(text, LETTERS DIGITS ":", ".-_%", 253) ? NULL
                                                                  : "a host name or an IP address";
}

const char *text_check_user(const char *text)
{
        return consists_of(text, LETTERS DIGITS "_", ".-@$", 64) ? NULL : "a login name";
}

const char *text_check_variable(const char *text)
{
        return consists_of(text, LETTERS "_", DIGITS, 120)
                       ? NULL
                       : "the name of a variable, such as SLACK_FAILURE_WEBHOOK (the value belongs "
                         "into secrets.conf)";
}

const char *text_check_target(const char *text)
{
        return consists_of(text, LETTERS, DIGITS, 32) ? NULL : "a disk's target, such as vdb";
}

const char *text_check_pattern(const char *text)
{
        regex_t pattern;
        if (regcomp(&pattern, text, REG_EXTENDED | REG_NOSUB) != 0)
                return "a POSIX extended regular expression";
        regfree(&pattern);
        return NULL;
}

const char *text_check_word(const char *text)
{
        return consists_of(text, LETTERS DIGITS, "._-+@", 120)
                       ? NULL
                       : "a word of letters, digits, and \"._-+@\" after the first";
}

/* The host part of an authority ("user@host:port", "[::1]:22"): empty, or well-formed. */
static bool authority_is_valid(const char *authority, size_t length, bool host_required)
{
        if (length == 0)
                return !host_required;
        _cleanup_free_ char *copy = xstrndup(authority, length);
        char *host = strchr(copy, '@');
        if (host) {
                *host++ = '\0';
                if (text_check_user(copy))
                        return false;
        } else {
                host = copy;
        }
        char *end;
        if (*host == '[') {
                end = strchr(host, ']');
                if (!end || end == host + 1 ||
                    strspn(host + 1, LETTERS DIGITS ":.%") != (size_t)(end - host - 1))
                        return false;
                end++;
        } else {
                end = host + strcspn(host, ":");
                char saved = *end;
                *end = '\0';
                if (text_check_address(host))
                        return false;
                *end = saved;
        }
        if (*end == '\0')
                return true;
        size_t digits = strspn(end + 1, DIGITS);
        return *end == ':' && digits > 0 && digits <= 5 && !end[1 + digits];
}

/* Parameters that switch off the verification of the other side. */
static bool query_is_safe(const char *query)
{
        static const char *const refused[] = { "no_verify=1", "known_hosts_verify=ignore",
                                               "known_hosts_verify=auto" };
        for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
                if (strcasestr(query, refused[i]))
                        return false;
        return strspn(query, LETTERS DIGITS "-._~%!$&'()*+,;=:@/?") == strlen(query);
}

const char *text_check_libvirt_uri(const char *text)
{
        static const struct {
                const char *scheme;
                bool host_required;
        } schemes[] = {
                { "qemu+ssh://", true }, { "qemu+libssh://", true }, { "qemu+libssh2://", true },
                { "qemu+tls://", true }, { "qemu+tcp://", true },    { "qemu+unix://", false },
                { "qemu://", false },
        };
        static const char expected[] = "a libvirt URI such as qemu+ssh://root@host/system "
                                       "(transports: ssh, libssh, libssh2, tls, tcp, "
                                       "unix), host verification left on";
        for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
                if (!str_starts_with(text, schemes[i].scheme))
                        continue;
                const char *authority = text + strlen(schemes[i].scheme);
                size_t length = strcspn(authority, "/?#");
                const char *path = authority + length;
                size_t path_length = strcspn(path, "?");
                bool path_fine = (path_length == 7 && strncmp(path, "/system", 7) == 0) ||
                                 (path_length == 8 && strncmp(path, "/session", 8) == 0);
                if (!path_fine || !authority_is_valid(authority, length, schemes[i].host_required))
                        return expected;
                return query_is_safe(path + path_length) ? NULL : expected;
        }
        return expected;
}

const char *text_check_listen(const char *text)
{
        static const char expected[] =
                "ADDRESS:PORT such as 127.0.0.1:9188 or [::1]:9188, or \"\" for none";
        if (!*text)
                return NULL;
        const char *colon = strrchr(text, ':');
        if (!colon || strchr(text, '@') || !authority_is_valid(text, strlen(text), true) ||
            str_ends_with(text, "]"))
                return expected;
        long port = strtol(colon + 1, NULL, 10);
        return colon[1] != '0' && port >= 1 && port <= 65535 ? NULL : expected;
}

const char *text_check_timezone(const char *text)
{
        static const char expected[] =
                "a time zone that this system knows, such as Europe/Berlin (is tzdata installed?)";
        if (streq(text, "UTC"))
                return NULL;
        if (!consists_of(text, LETTERS, DIGITS "+-_/", 64) || str_ends_with(text, "/"))
                return expected;
        _cleanup_free_ char *path = path_join("/usr/share/zoneinfo", text);
        /* the folder holds other files too, and glibc takes what it cannot read for UTC */
        char magic[4];
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        return fd >= 0 && read(fd, magic, sizeof magic) == sizeof magic &&
                               memcmp(magic, "TZif", 4) == 0
                       ? NULL
                       : expected;
}
