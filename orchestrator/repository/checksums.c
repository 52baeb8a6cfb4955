/* Implements repository/checksums.h. */
#include "repository/checksums.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "repository/share-files.h"

enum { HEX_LENGTH = 64 };

static void checksum_done(struct checksum *item)
{
        free(item->name);
        free(item->sha256);
        *item = (struct checksum){ 0 };
}

void checksums_done(struct checksums *list)
{
        for (size_t i = 0; i < list->count; i++)
                checksum_done(&list->items[i]);
        free(list->items);
        *list = (struct checksums){ 0 };
}

/* The index of the first entry whose name is not below `name`. */
static size_t position_of(const struct checksums *list, const char *name)
{
        size_t i = 0;
        while (i < list->count && strcmp(list->items[i].name, name) < 0)
                i++;
        return i;
}

void checksums_set(struct checksums *list, const char *name, const char *sha256,
                   const struct stat *st)
{
        struct checksum item = { .name = xstrdup(name), .sha256 = xstrdup(sha256) };
        if (st) {
                item.inode = st->st_ino;
                item.bytes = (uint64_t)st->st_size;
                item.modified = st->st_mtim;
        }
        size_t at = position_of(list, name);
        if (at < list->count && streq(list->items[at].name, name)) {
                checksum_done(&list->items[at]);
        } else {
                list->items = xrealloc_array(list->items, list->count + 1, sizeof *list->items);
                memmove(&list->items[at + 1], &list->items[at],
                        (list->count - at) * sizeof *list->items);
                list->count++;
        }
        list->items[at] = item;
}

const struct checksum *checksums_find(const struct checksums *list, const char *name)
{
        size_t at = position_of(list, name);
        return at < list->count && streq(list->items[at].name, name) ? &list->items[at] : NULL;
}

static void checksums_add_escaped(struct strbuf *buf, const char *name)
{
        for (const char *p = name; *p; p++) {
                if (*p == '\\')
                        strbuf_add(buf, "\\\\");
                else if (*p == '\n')
                        strbuf_add(buf, "\\n");
                else if (*p == '\r')
                        strbuf_add(buf, "\\r");
                else
                        strbuf_add_char(buf, *p);
        }
}

/* Returns NULL for an escape sequence that sha256sum never writes. */
static char *checksums_unescape(const char *name)
{
        _cleanup_strbuf_ struct strbuf buf = { 0 };
        for (const char *p = name; *p; p++) {
                if (*p != '\\') {
                        strbuf_add_char(&buf, *p);
                        continue;
                }
                p++;
                if (*p != '\\' && *p != 'n' && *p != 'r')
                        return NULL;
                strbuf_add_char(&buf, *p == 'n' ? '\n' : *p == 'r' ? '\r' : '\\');
        }
        return strbuf_take(&buf);
}

char *checksums_format(const struct checksums *list)
{
        _cleanup_strbuf_ struct strbuf buf = { 0 };
        for (size_t i = 0; i < list->count; i++) {
                const struct checksum *item = &list->items[i];
                strbuf_addf(&buf, "%s%s  ", strpbrk(item->name, "\\\n\r") ? "\\" : "",
                            item->sha256);
                checksums_add_escaped(&buf, item->name);
                strbuf_add_char(&buf, '\n');
        }
        return strbuf_take(&buf);
}

/* "<hex>  <name>" or "<hex> *<name>", with a backslash in front where the name is escaped. */
static bool checksums_parse_line(const char *line, struct checksums *list)
{
        bool escaped = line[0] == '\\';
        const char *hex = line + (escaped ? 1 : 0);
        if (strspn(hex, "0123456789abcdef") != HEX_LENGTH)
                return false;
        const char *rest = hex + HEX_LENGTH;
        if (rest[0] != ' ' || (rest[1] != ' ' && rest[1] != '*') || rest[2] == '\0')
                return false;
        _cleanup_free_ char *name = escaped ? checksums_unescape(rest + 2) : xstrdup(rest + 2);
        if (!name || checksums_find(list, name))
                return false;
        _cleanup_free_ char *sha256 = xstrndup(hex, HEX_LENGTH);
        checksums_set(list, name, sha256, NULL);
        return true;
}

int checksums_parse(const char *text, size_t length, struct checksums *ret, struct error **err)
{
        _cleanup_checksums_ struct checksums list = { 0 };
        if (strnlen(text, length) != length)
                return error_set(err, ERROR_CORRUPT, CHECKSUMS_NAME " contains a NUL byte");
        _cleanup_free_ char *copy = xstrndup(text, length);
        char *rest = copy;
        unsigned number = 0;
        for (const char *line; (line = strsep(&rest, "\n"));) {
                number++;
                if (!rest && *line == '\0')
                        break;
                if (!rest || !checksums_parse_line(line, &list))
                        return error_set(err, ERROR_CORRUPT,
                                         CHECKSUMS_NAME " line %u is not a line of sha256sum",
                                         number);
        }
        if (list.count == 0)
                return error_set(err, ERROR_CORRUPT, CHECKSUMS_NAME " is empty");
        *ret = list;
        list = (struct checksums){ 0 };
        return 0;
}

int checksums_read(int point_fd, const char *path, struct checksums *ret, struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        size_t length = 0;
        _cleanup_free_ char *text =
                share_read_file(point_fd, CHECKSUMS_NAME, CHECKSUMS_MAX_BYTES, &length, &error);
        if (!text && error->errnum == ENOENT)
                return error_set(err, ERROR_CORRUPT, "%s/" CHECKSUMS_NAME " is missing", path);
        if (!text)
                return error_propagate(err, TAKE_PTR(error));
        return checksums_parse(text, length, ret, err) < 0 ? error_prefix(err, "%s", path) : 0;
}
