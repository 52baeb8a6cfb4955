/* Implements repository/mount.h.
 *
 * A mount is identified by its mount point, and several mounts can be stacked on one: the last of
 * them is visible. A mount can also be listed but hidden, when a sibling (the same parent mount)
 * was later mounted over a folder above it. Lines that do not parse are ignored. */
#include "repository/mount.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

struct mount {
        long id;
        long parent;
        char *point;
        char *type;
        char *source;
        char *options; /* of the file system; vers= for nfs */
};

struct mount_table {
        struct mount *items;
        size_t count;
};

static void mount_done(struct mount *mount)
{
        free(mount->point);
        free(mount->type);
        free(mount->source);
        free(mount->options);
        *mount = (struct mount){ 0 };
}

static void mount_table_done(struct mount_table *table)
{
        for (size_t i = 0; i < table->count; i++)
                mount_done(&table->items[i]);
        free(table->items);
}

static bool is_octal(char c)
{
        return c >= '0' && c <= '7';
}

/* The kernel writes space, tab, newline and backslash as \ooo. */
static char *mount_unescape(const char *text)
{
        _cleanup_strbuf_ struct strbuf buf = { 0 };
        for (const char *p = text; *p; p++) {
                if (p[0] == '\\' && is_octal(p[1]) && is_octal(p[2]) && is_octal(p[3])) {
                        strbuf_add_char(
                                &buf, (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0')));
                        p += 3;
                } else {
                        strbuf_add_char(&buf, *p);
                }
        }
        return strbuf_take(&buf);
}

/* "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG…] - TYPE SOURCE SUPEROPTIONS" */
static bool mount_parse_line(char *line, struct mount *ret)
{
        char *fields[6];
        for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
                fields[i] = strsep(&line, " ");
                if (!fields[i] || !line)
                        return false;
        }
        for (const char *tag; (tag = strsep(&line, " "));) {
                if (streq(tag, "-"))
                        break;
        }
        const char *type = strsep(&line, " ");
        const char *source = strsep(&line, " ");
        char *end_of_id;
        char *end_of_parent;
        long id = strtol(fields[0], &end_of_id, 10);
        long parent = strtol(fields[1], &end_of_parent, 10);
        if (!type || !source || !line || *end_of_id || *end_of_parent)
                return false;
        *ret = (struct mount){
                .id = id,
                .parent = parent,
                .point = mount_unescape(fields[4]),
                .type = mount_unescape(type),
                .source = mount_unescape(source),
                .options = xstrdup(line),
        };
        return true;
}

static void parse_table(const char *mountinfo, struct mount_table *ret)
{
        _cleanup_free_ char *copy = xstrdup(mountinfo);
        char *rest = copy;
        for (char *line; (line = strsep(&rest, "\n"));) {
                struct mount mount;
                if (!mount_parse_line(line, &mount))
                        continue;
                ret->items = xrealloc_array(ret->items, ret->count + 1, sizeof *ret->items);
                ret->items[ret->count++] = mount;
        }
}

/* Whether `below` is a path strictly below `above`. Both are normalised. */
static bool path_is_below(const char *below, const char *above)
{
        if (streq(above, "/"))
                return !streq(below, "/");
        return str_starts_with(below, above) && below[strlen(above)] == '/';
}

static const struct mount *find_exact(const struct mount_table *table, const char *path)
{
        for (size_t i = table->count; i > 0; i--)
                if (streq(table->items[i - 1].point, path))
                        return &table->items[i - 1];
        return NULL;
}

static const struct mount *mount_find_parent(const struct mount_table *table,
                                             const struct mount *mount)
{
        for (size_t i = 0; i < table->count; i++)
                if (table->items[i].id == mount->parent && &table->items[i] != mount)
                        return &table->items[i];
        return NULL;
}

static const struct mount *find_hiding(const struct mount_table *table, const struct mount *mount)
{
        size_t steps = 0;
        for (; mount && steps <= table->count; mount = mount_find_parent(table, mount), steps++)
                for (size_t i = 0; i < table->count; i++) {
                        const struct mount *other = &table->items[i];
                        if (other->parent == mount->parent && other->id != mount->id &&
                            path_is_below(mount->point, other->point))
                                return other;
                }
        return NULL;
}

static const struct mount *find_containing(const struct mount_table *table, const char *path)
{
        const struct mount *found = NULL;
        for (size_t i = 0; i < table->count; i++)
                if (path_is_below(path, table->items[i].point) &&
                    (!found || strlen(table->items[i].point) >= strlen(found->point)))
                        found = &table->items[i];
        return found;
}

static bool has_version_4(const char *options)
{
        for (const char *p = options; (p = strstr(p, "vers=4")); p++) {
                char after = p[strlen("vers=4")];
                if ((p == options || p[-1] == ',') &&
                    (after == '\0' || after == ',' || after == '.'))
                        return true;
        }
        return false;
}

static bool is_nfs4(const struct mount *mount)
{
        return streq(mount->type, "nfs4") ||
               (streq(mount->type, "nfs") && has_version_4(mount->options));
}

static int refuse_unmounted(const struct mount_table *table, const char *path, struct error **err)
{
        const struct mount *around = find_containing(table, path);
        if (around && str_starts_with(around->type, "nfs"))
                return error_set(err, ERROR_REFUSED,
                                 "%s is not a mount point: it is a folder of the share mounted on "
                                 "%s; repository.path must name the mount point itself",
                                 path, around->point);
        return error_set(err, ERROR_REFUSED,
                         "%s is not a mount point (the share is not mounted; mount it first)",
                         path);
}

static int refuse_type(const struct mount *mount, struct error **err)
{
        if (streq(mount->type, "nfs"))
                return error_set(err, ERROR_REFUSED,
                                 "%s is mounted over NFS version 3 or older (from %s); orch needs "
                                 "the locks of NFSv4: mount it "
                                 "with vers=4.1",
                                 mount->point, mount->source);
        return error_set(err, ERROR_REFUSED,
                         "%s is a mount of type %s (from %s), not an NFSv4 mount as "
                         "repository.fstype: nfs requires; mount the share there, or set "
                         "repository.fstype: any to use this file system",
                         mount->point, mount->type, mount->source);
}

int mount_check(const char *mountinfo, const char *path, enum repository_fstype fstype,
                char **ret_type, struct error **err)
{
        _cleanup_(mount_table_done) struct mount_table table = { 0 };
        parse_table(mountinfo, &table);
        if (streq(path, "/"))
                return error_set(err, ERROR_REFUSED,
                                 "the root file system cannot be the repository: it needs a mount "
                                 "of its own");
        const struct mount *mount = find_exact(&table, path);
        if (!mount)
                return refuse_unmounted(&table, path, err);
        const struct mount *hiding = find_hiding(&table, mount);
        if (hiding)
                return error_set(err, ERROR_REFUSED,
                                 "the mount on %s is hidden: another file system (%s) was mounted "
                                 "over it on %s",
                                 path, hiding->type, hiding->point);
        if (fstype == REPOSITORY_FSTYPE_NFS && !is_nfs4(mount) && !streq(mount->type, "autofs"))
                return refuse_type(mount, err);
        *ret_type = xstrdup(mount->type);
        return 0;
}

char *mount_normalise(const char *path)
{
        if (path[0] != '/')
                return NULL;
        _cleanup_free_ char *copy = xstrdup(path);
        _cleanup_strbuf_ struct strbuf buf = { 0 };
        char *rest = copy;
        for (const char *word; (word = strsep(&rest, "/"));) {
                if (streq(word, "") || streq(word, "."))
                        continue;
                if (streq(word, "..")) {
                        char *slash = buf.data ? strrchr(buf.data, '/') : NULL;
                        buf.length = slash ? (size_t)(slash - buf.data) : 0;
                        if (buf.data)
                                buf.data[buf.length] = '\0';
                        continue;
                }
                strbuf_addf(&buf, "/%s", word);
        }
        if (buf.length == 0)
                strbuf_add(&buf, "/");
        return strbuf_take(&buf);
}
