/* Implements bacula_config_compare(). It compares resource by resource, because that is what an
 * operator can act on.
 *
 * A resource is the text between a line "Type {" and a line "}", and is named by its type and its
 * Name. Only the generated layout is recognised: in a file with another layout resources are
 * reported as missing, which is correct for that file. */
#include <string.h>

#include "base/memory.h"
#include "cli/bacula/bacula-config.h"

enum { REPORTED_MAX = 20, SHOWN_BYTES = 120 };

struct resource {
        char *name;       /* Job "orch-run" */
        const char *text; /* from its first line to its last, in the text that was read */
        size_t length;
};

struct resources {
        struct resource *items;
        size_t count;
};

static void resources_done(struct resources *resources)
{
        for (size_t i = 0; i < resources->count; i++)
                free(resources->items[i].name);
        free(resources->items);
}

static size_t line_length(const char *line)
{
        size_t length = strcspn(line, "\n");
        return length + (line[length] == '\n');
}

static bool line_is_word(const char *line, const char *text)
{
        size_t length = strcspn(line, "\n");
        return length == strlen(text) && memcmp(line, text, length) == 0;
}

static char *name_resource(const char *text, size_t length)
{
        static const char key[] = "\n  Name = ";
        size_t type_length = strcspn(text, " ");
        const char *name = memmem(text, length, key, strlen(key));
        const char *value = name ? name + strlen(key) : "(without a name)";
        return xasprintf("%.*s %.*s", (int)type_length, text, (int)strcspn(value, "\n"), value);
}

static void read_resources(const char *text, struct resources *resources)
{
        const char *begin = NULL;
        for (const char *line = text; *line; line += line_length(line)) {
                size_t length = strcspn(line, "\n");
                if (!begin && length > 2 && line[0] >= 'A' && line[0] <= 'Z' &&
                    memcmp(line + length - 2, " {", 2) == 0)
                        begin = line;
                if (!begin || !line_is_word(line, "}"))
                        continue;
                resources->items = xrealloc_array(resources->items, resources->count + 1,
                                                  sizeof *resources->items);
                size_t whole = (size_t)(line - begin) + length;
                resources->items[resources->count++] =
                        (struct resource){ name_resource(begin, whole), begin, whole };
                begin = NULL;
        }
}

static const struct resource *find_resource(const struct resources *resources, const char *name)
{
        for (size_t i = 0; i < resources->count; i++)
                if (streq(resources->items[i].name, name))
                        return &resources->items[i];
        return NULL;
}

/* A line without its indentation, for a message. */
static char *shown_line(const char *line)
{
        line += strspn(line, " ");
        _cleanup_free_ char *text = xstrndup(line, strcspn(line, "\n"));
        return str_one_line(text, SHOWN_BYTES);
}

static void report_difference(const struct resource *wanted, const struct resource *found,
                              char ***report)
{
        const char *ours = wanted->text;
        const char *theirs = found->text;
        while (line_length(ours) == line_length(theirs) &&
               memcmp(ours, theirs, line_length(ours)) == 0) {
                ours += line_length(ours);
                theirs += line_length(theirs);
        }
        _cleanup_free_ char *wanted_line = shown_line(ours);
        _cleanup_free_ char *found_line = shown_line(theirs);
        strv_addf(report, "%s differs: it has `%s`, expected `%s`", wanted->name, found_line,
                  wanted_line);
}

static void report_first_line(const char *wanted, const char *found, char ***report)
{
        size_t number = 1;
        for (; *wanted && *wanted == *found; wanted++, found++)
                number += *wanted == '\n';
        strv_addf(report, "comments or the order of resources differ, first on line %zu", number);
}

static char **shorten_line(char **report)
{
        size_t count = strv_length(report);
        if (count <= REPORTED_MAX)
                return report;
        char **kept = NULL;
        for (size_t i = 0; i < REPORTED_MAX - 1; i++)
                strv_add(&kept, report[i]);
        strv_addf(&kept, "and %zu more differences", count - (REPORTED_MAX - 1));
        strv_free(report);
        return kept;
}

char **bacula_config_compare(const char *wanted, const char *found)
{
        if (streq(wanted, found))
                return NULL;
        _cleanup_(resources_done) struct resources ours = { 0 };
        _cleanup_(resources_done) struct resources theirs = { 0 };
        read_resources(wanted, &ours);
        read_resources(found, &theirs);
        char **report = NULL;
        for (size_t i = 0; i < ours.count; i++) {
                const struct resource *other = find_resource(&theirs, ours.items[i].name);
                if (!other)
                        strv_addf(&report, "%s is missing", ours.items[i].name);
                else if (other->length != ours.items[i].length ||
                         memcmp(other->text, ours.items[i].text, other->length) != 0)
                        report_difference(&ours.items[i], other, &report);
        }
        for (size_t i = 0; i < theirs.count; i++)
                if (!find_resource(&ours, theirs.items[i].name))
                        strv_addf(&report, "%s is no longer generated", theirs.items[i].name);
        if (!report)
                report_first_line(wanted, found, &report);
        return shorten_line(report);
}
