/* Implements catalog/entry.h and the entries of catalog/catalog.h.
 *
 * An entry is described once, by a table: the database's columns, the JSON of `orch list` and the
 * release of an entry follow it. Names in JSON and column names are the same; that the order of
 * ENTRY_COLUMNS is the table's is checked whenever a catalog is opened. */
#include "catalog/entry.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/strings.h"

#define FIELD(kind, member)                                      \
        {                                                        \
                .name = #member, .type = JSON_FIELD_##kind,      \
                .offset = offsetof(struct catalog_entry, member) \
        }

const struct json_field catalog_entry_fields[] = {
        FIELD(TEXT, vm),
        FIELD(TEXT, hypervisor),
        FIELD(TEXT, point),
        FIELD(TEXT, job),
        FIELD(TEXT, status),
        FIELD(TEXT, level),
        FIELD(TEXT, method),
        FIELD(TEXT, consistency),
        FIELD(TEXT, path),
        FIELD(TEXT, uuid),
        FIELD(SIZE, virtual_bytes),
        FIELD(SIZE, stored_bytes),
        FIELD(TIME, started),
        FIELD(TIME, finished),
        FIELD(NUMBER, duration_seconds),
        FIELD(NUMBER, freeze_milliseconds),
        FIELD(TEXT, parent),
        FIELD(FLAG, held),
        FIELD(TIME, verified),
        FIELD(TIME, proven),
        FIELD(TIME, proof_at),
        FIELD(TEXT, proof),
        FIELD(TEXT, proof_reason),
        FIELD(NUMBER, boot_milliseconds),
        FIELD(TEXTS, proof_evidence),
        FIELD(TEXTS, warnings),
        FIELD(TEXT, error),
        FIELD(TEXT, error_kind),
        { .name = NULL },
};

void catalog_entry_copy(const struct catalog_entry *from, struct catalog_entry *ret)
{
        *ret = *from;
        for (const struct json_field *field = catalog_entry_fields; field->name; field++) {
                void *member = (char *)ret + field->offset;
                if (field->type == JSON_FIELD_TEXT)
                        *(char **)member = xstrdup(*(char **)member);
                else if (field->type == JSON_FIELD_TEXTS)
                        *(char ***)member = strv_copy(*(char ***)member);
        }
}

void catalog_entry_done(struct catalog_entry *entry)
{
        json_fields_done(catalog_entry_fields, entry);
}

void catalog_list_done(struct catalog_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                catalog_entry_done(&list->items[i]);
        free(list->items);
        *list = (struct catalog_list){ 0 };
}

char *catalog_list_to_json(const struct catalog_list *list)
{
        json_t *array = json_array();

        for (size_t i = 0; i < list->count; i++)
                json_array_append_new(array,
                                      json_fields_to_object(catalog_entry_fields, &list->items[i]));
        char *text = json_dumps(array, JSON_INDENT(2));
        json_decref(array);
        return text;
}

void catalog_entry_from_metadata(const struct metadata *metadata, const char *path,
                                 struct catalog_entry *ret)
{
        *ret = (struct catalog_entry){
                .vm = xstrdup(metadata->vm),
                .hypervisor = xstrdup(metadata->hypervisor),
                .point = path ? xstrdup(metadata->point) : NULL,
                .job = xstrdup(metadata->job),
                .status = xstrdup(metadata->status ? metadata->status : "ok"),
                .level = xstrdup(metadata->level),
                .method = xstrdup(metadata->method_used ? metadata->method_used : metadata->method),
                .consistency = xstrdup(metadata->consistency),
                .path = xstrdup(path),
                .uuid = xstrdup(metadata->uuid),
                .virtual_bytes = metadata_virtual_bytes(metadata),
                .stored_bytes = metadata_stored_bytes(metadata),
                .started = metadata->started,
                .finished = metadata->finished,
                .duration_seconds = metadata->finished > metadata->started
                                            ? metadata->finished - metadata->started
                                            : 0,
                .freeze_milliseconds = metadata->freeze_milliseconds,
                .parent = xstrdup(metadata->parent),
                .warnings = strv_copy(metadata->warnings),
                .error = xstrdup(metadata->error),
                .error_kind = xstrdup(metadata->error_kind),
        };
}

/* For a point whose age is only known from its folder's name. */
static int64_t started_from_name(const char *name)
{
        struct tm local = { .tm_isdst = -1 };
        const char *end = strptime(name, "%Y-%m-%d-%H%M%S", &local);
        time_t started;

        if (!end || *end)
                return 0;
        local.tm_isdst = -1;
        started = mktime(&local);
        return started > 0 ? started : 0;
}

void catalog_entry_from_point(const struct point *point, struct catalog_entry *ret)
{
        bool damaged = !point->metadata || point->state.damaged;

        if (point->metadata)
                catalog_entry_from_metadata(point->metadata, point->path, ret);
        else
                *ret = (struct catalog_entry){ .path = xstrdup(point->path),
                                               .started = started_from_name(point->name) };
        xstrdup_replace(&ret->vm, point->vm);
        xstrdup_replace(&ret->hypervisor, point->hypervisor);
        xstrdup_replace(&ret->point, point->name);
        xstrdup_replace(&ret->status, damaged ? "damaged" : "ok");
        if (damaged)
                xstrdup_replace(&ret->error,
                                point->metadata ? point->state.damage : point->problem);
        ret->held = point->state.held;
        ret->verified = point->state.verified;
        ret->proven = point->state.proven;
        ret->proof_at = point->state.proof_at;
        ret->proof = xstrdup(point->state.proof);
        ret->proof_reason = xstrdup(point->state.proof_reason);
        ret->boot_milliseconds = point->state.boot_milliseconds;
        ret->proof_evidence = strv_copy(point->state.proof_evidence);
}

static const void *member_of(const struct catalog_entry *entry, const struct json_field *field)
{
        return (const char *)entry + field->offset;
}

static char *format_texts(char *const *texts)
{
        json_t *array = json_array();

        for (size_t i = 0; i < strv_length(texts); i++)
                json_array_append_new(array, json_from_text(texts[i]));
        char *text = json_dumps(array, JSON_COMPACT);
        json_decref(array);
        return text;
}

/* Anything but an array of strings gives an empty list: the catalog is an index, and the share is
 * authoritative. */
static char **parse_texts(const char *text)
{
        json_t *array = text ? json_loads(text, 0, NULL) : NULL;
        char **texts = NULL;
        json_t *item;
        size_t i;

        json_array_foreach(array, i, item) if (json_is_string(item))
                strv_add(&texts, json_string_value(item));
        json_decref(array);
        return texts;
}

static void read_column(sqlite3_stmt *statement, int column, const struct json_field *field,
                        struct catalog_entry *ret)
{
        char *member = (char *)ret + field->offset;
        sqlite3_int64 number;

        switch (field->type) {
        case JSON_FIELD_TEXT:
                *(char **)(void *)member = database_column_text(statement, column);
                return;
        case JSON_FIELD_TEXTS:
                *(char ***)(void *)member =
                        parse_texts((const char *)sqlite3_column_text(statement, column));
                return;
        case JSON_FIELD_FLAG:
                *(bool *)(void *)member = sqlite3_column_int(statement, column) != 0;
                return;
        default:
                number = sqlite3_column_int64(statement, column);
                memcpy(member, &number, sizeof number); /* int64_t and uint64_t alike */
        }
}

void entry_read_row(sqlite3_stmt *statement, struct catalog_entry *ret)
{
        *ret = (struct catalog_entry){ 0 };
        for (int i = 0; catalog_entry_fields[i].name; i++)
                read_column(statement, i, &catalog_entry_fields[i], ret);
}

static int bind_column(struct catalog *catalog, sqlite3_stmt *statement, int index,
                       const struct json_field *field, const struct catalog_entry *entry,
                       struct error **err)
{
        const void *member = member_of(entry, field);

        switch (field->type) {
        case JSON_FIELD_TEXT:
                return database_bind_text(catalog, statement, index, *(char *const *)member, err);
        case JSON_FIELD_TEXTS: {
                char *text = format_texts(*(char *const *const *)member);
                /* SQLite frees it, also on failure */
                int result = sqlite3_bind_text(statement, index, text, -1, free);
                return result == SQLITE_OK
                               ? 0
                               : database_error(catalog, result, "cannot hand over a value", err);
        }
        case JSON_FIELD_FLAG:
                return database_bind_number(catalog, statement, index, *(const bool *)member, err);
        case JSON_FIELD_SIZE: {
                uint64_t size = *(const uint64_t *)member;
                return database_bind_number(catalog, statement, index,
                                            size > INT64_MAX ? INT64_MAX : (int64_t)size, err);
        }
        default:
                return database_bind_number(catalog, statement, index, *(const int64_t *)member,
                                            err);
        }
}

int entry_insert(struct catalog *catalog, const struct catalog_entry *entry, struct error **err)
{
        _cleanup_statement_ sqlite3_stmt *statement =
                database_prepare(catalog,
                                 "INSERT OR REPLACE INTO entry (" ENTRY_COLUMNS ") VALUES "
                                 "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                                 "?, ?, ?, ?, ?, ?, ?)",
                                 err);
        if (!statement)
                return -1;
        for (int i = 0; catalog_entry_fields[i].name; i++)
                if (bind_column(catalog, statement, i + 1, &catalog_entry_fields[i], entry, err) <
                    0)
                        return -1;
        return database_finish(catalog, statement, err);
}

static bool texts_equal(char *const *a, char *const *b)
{
        size_t length = strv_length(a);

        if (length != strv_length(b))
                return false;
        for (size_t i = 0; i < length; i++)
                if (!streq(a[i], b[i]))
                        return false;
        return true;
}

bool entry_equal(const struct catalog_entry *a, const struct catalog_entry *b)
{
        for (const struct json_field *field = catalog_entry_fields; field->name; field++) {
                const void *left = member_of(a, field), *right = member_of(b, field);
                bool equal;

                if (field->type == JSON_FIELD_TEXT)
                        equal = streq(*(char *const *)left, *(char *const *)right);
                else if (field->type == JSON_FIELD_TEXTS)
                        equal = texts_equal(*(char *const *const *)left,
                                            *(char *const *const *)right);
                else if (field->type == JSON_FIELD_FLAG)
                        equal = *(const bool *)left == *(const bool *)right;
                else
                        equal = memcmp(left, right, sizeof(int64_t)) == 0;
                if (!equal)
                        return false;
        }
        return true;
}
