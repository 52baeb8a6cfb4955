/* Implements cli/terminal/listing.h. */
#include "cli/terminal/listing.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "cli/terminal/table.h"
#include "cli/terminal/values.h"

enum { MOST_CANDIDATES_NAMED = 10 };

static const char *latest_of(const json_t *points, const char *vm, struct error **err)
{
        const json_t *point;
        for (size_t i = 0; (point = json_array_get(points, i)); i++)
                if (streq(value_text(point, "status"), "ok") && *value_text(point, "point"))
                        return value_text(point, "point");
        error_set(err, ERROR_CONFIG,
                  "%s has no good point; `orch list %s --failed` shows the failed attempts", vm,
                  vm);
        return NULL;
}

const char *listing_resolve(const json_t *points, const char *vm, const char *word,
                            struct error **err)
{
        if (!word || streq(word, "latest"))
                return latest_of(points, vm, err);
        const char *found = NULL;
        size_t n_found = 0;
        _cleanup_strv_ char **candidates = NULL;
        const json_t *point;
        for (size_t i = 0; (point = json_array_get(points, i)); i++) {
                const char *name = value_text(point, "point");
                if (*name && streq(name, word))
                        return name;
                if (!*name || !str_starts_with(name, word))
                        continue;
                found = name;
                if (n_found++ < MOST_CANDIDATES_NAMED)
                        strv_add(&candidates, name);
        }
        if (n_found == 1)
                return found;
        _cleanup_free_ char *shown = str_one_line(word, 80);
        _cleanup_free_ char *names = strv_join(candidates, ", ");
        if (n_found == 0)
                error_set(err, ERROR_CONFIG,
                          "%s has no point '%s'; `orch list %s` shows its points", vm, shown, vm);
        else
                error_set(err, ERROR_CONFIG, "'%s' matches %zu points of %s: %s%s", shown, n_found,
                          vm, names, n_found > MOST_CANDIDATES_NAMED ? ", …" : "");
        return NULL;
}

static void add_note(struct strbuf *notes, const char *note)
{
        if (notes->length)
                strbuf_add(notes, ", ");
        strbuf_add(notes, note);
}

static void cell_notes(struct table *table, const json_t *point)
{
        _cleanup_strbuf_ struct strbuf notes = { 0 };
        if (value_bool(point, "held"))
                add_note(&notes, "held");
        if (streq(value_text(point, "proof"), "not-bootable"))
                add_note(&notes, "NOT BOOTABLE");
        else if (streq(value_text(point, "proof"), "tests-failed"))
                add_note(&notes, "fails its tests");
        if (*value_text(point, "verified"))
                add_note(&notes, "verified");
        size_t n_warnings = json_array_size(value_array(point, "warnings"));
        if (n_warnings) {
                _cleanup_free_ char *count = format_count((int64_t)n_warnings, "warning");
                add_note(&notes, count);
        }
        if (*value_text(point, "error"))
                add_note(&notes, value_text(point, "error"));
        table_cell(table, notes.data);
}

/* The time of the boot test, to the minute. */
static void cell_proven(struct table *table, const json_t *point)
{
        _cleanup_free_ char *when =
                *value_text(point, "proven") ? value_local_time(point, "proven") : NULL;
        char *seconds = when ? strrchr(when, ':') : NULL;
        if (seconds)
                *seconds = '\0';
        table_cell(table, when);
}

static void add_point_row(struct table *table, const json_t *point)
{
        bool failed = !*value_text(point, "point");
        _cleanup_free_ char *started = value_local_time(point, "started");
        _cleanup_free_ char *virtual_size = value_bytes(point, "virtual_bytes");
        _cleanup_free_ char *stored = value_bytes(point, "stored_bytes");
        int64_t seconds = value_integer(point, "duration_seconds", -1);
        _cleanup_free_ char *took = seconds < 0 ? NULL : format_duration_ms(seconds * 1000);
        table_cell(table, value_text(point, "vm"));
        if (failed)
                table_cellf(table, "(job %s)", value_text(point, "job"));
        else
                table_cell(table, value_text(point, "point"));
        table_cell(table, started);
        table_cell(table, value_text(point, "status"));
        table_cell(table, value_text(point, "level"));
        table_cell(table, value_text(point, "consistency"));
        table_cell(table, failed ? NULL : virtual_size);
        table_cell(table, failed ? NULL : stored);
        table_cell(table, took);
        cell_proven(table, point);
        cell_notes(table, point);
}

char *listing_table(const json_t *points)
{
        static const char *const headers[] = { "VM",    "POINT",       "STARTED", "STATUS",
                                               "LEVEL", "CONSISTENCY", ">SIZE",   ">STORED",
                                               ">TOOK", "PROVEN",      "NOTES",   NULL };
        _cleanup_table_ struct table *table = table_new(headers);
        const json_t *point;
        for (size_t i = 0; (point = json_array_get(points, i)); i++) {
                add_point_row(table, point);
        }
        return table_format(table);
}
