/* Implements schema/records/restore-journal.h. What it names is renamed and removed by root on a
 * hypervisor, so paths are absolute and name something in a folder, and what is removed carries
 * orch's name. A disk's path is taken as its owner wrote it: libvirt lets it have ".." in it. */
#include "schema/records/restore-journal.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"

#define DOCUMENT_NAME "restore journal"
enum { JOURNAL_FORMAT = 1 };

static bool journal_is_path(const char *path)
{
        return path[0] == '/' && path[1] && strlen(path) < 4096 && !str_ends_with(path, "/..");
}

static bool is_our_path(const char *path)
{
        const char *base = strrchr(path, '/');
        return journal_is_path(path) && base && strstr(base, "orch-");
}

static bool is_point_path(const char *path)
{
        /* a VM's name may have two dots in it */
        _cleanup_free_ char *framed = xasprintf("/%s/", path);
        return path[0] && path[0] != '/' && !strstr(framed, "/../") && strlen(path) < 1024;
}

static const char *const phase_words[] = {
        [RESTORE_COPYING] = "copying",   [RESTORE_STOPPING] = "stopping",
        [RESTORE_MOVING] = "moving",     [RESTORE_DEFINING] = "defining",
        [RESTORE_STARTING] = "starting", [RESTORE_PULLING] = "pulling",
        [RESTORE_DONE] = "done",         NULL
};

#define SAFE_NAME .valid = name_is_safe, .expected = "a name of letters, digits, '.', '_' and '-'"
#define A_UUID .valid = json_text_is_uuid, .expected = "a UUID"
#define A_PATH .valid = journal_is_path, .expected = "an absolute path"
#define OUR_PATH .valid = is_our_path, .expected = "the absolute path of a file of orch"

#define ITEM(member) .name = #member, .offset = offsetof(struct restore_item, member)
static const struct json_field item_fields[] = {
        { ITEM(temporary), .type = JSON_FIELD_TEXT, .required = true, OUR_PATH },
        { ITEM(path), .type = JSON_FIELD_TEXT, .required = true, A_PATH },
        { ITEM(inode), .type = JSON_FIELD_SIZE },
        { 0 },
};

#define ASIDE(member) .name = #member, .offset = offsetof(struct restore_aside, member)
static const struct json_field aside_fields[] = {
        { ASIDE(path), .type = JSON_FIELD_TEXT, .required = true, A_PATH },
        { ASIDE(aside), .type = JSON_FIELD_TEXT, .required = true, OUR_PATH },
        { 0 },
};

#define FIELD(member) .name = #member, .offset = offsetof(struct restore_journal, member)
static const struct json_field journal_fields[] = {
        { FIELD(job), .type = JSON_FIELD_TEXT, .required = true, SAFE_NAME },
        { FIELD(tag), .type = JSON_FIELD_TEXT, .required = true, SAFE_NAME },
        { FIELD(vm), .type = JSON_FIELD_TEXT, .required = true, SAFE_NAME },
        { FIELD(point), .type = JSON_FIELD_TEXT, .required = true, .valid = is_point_path,
          .expected = "a path below the repository" },
        { FIELD(hypervisor), .type = JSON_FIELD_TEXT, .required = true, SAFE_NAME },
        { FIELD(uuid), .type = JSON_FIELD_TEXT, .required = true, A_UUID },
        { FIELD(name), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(phase), .type = JSON_FIELD_WORD, .required = true, .words = phase_words },
        { FIELD(instant), .type = JSON_FIELD_FLAG },
        { FIELD(items), .type = JSON_FIELD_LIST, .fields = item_fields,
          .item_size = sizeof(struct restore_item),
          .count_offset = offsetof(struct restore_journal, n_items) },
        { FIELD(original_hypervisor), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { FIELD(original_uuid), .type = JSON_FIELD_TEXT, A_UUID },
        { FIELD(original_file), .type = JSON_FIELD_TEXT, .valid = json_text_is_file_name,
          .expected = "the name of a file" },
        { FIELD(original_ran), .type = JSON_FIELD_FLAG },
        { FIELD(original_autostart), .type = JSON_FIELD_FLAG },
        { FIELD(asides), .type = JSON_FIELD_LIST, .fields = aside_fields,
          .item_size = sizeof(struct restore_aside),
          .count_offset = offsetof(struct restore_journal, n_asides) },
        { FIELD(keep_until), .type = JSON_FIELD_TIME },
        { 0 },
};

struct restore_journal *restore_journal_free(struct restore_journal *journal)
{
        if (!journal)
                return NULL;
        json_fields_done(journal_fields, journal);
        free(journal);
        return NULL;
}

char *restore_journal_format(const struct restore_journal *journal)
{
        _cleanup_json_ json_t *json =
                json_fields_to_document(JOURNAL_FORMAT, journal_fields, journal);
        return json_write_document(json);
}

struct restore_journal *restore_journal_parse(const char *text, size_t length, struct error **err)
{
        _cleanup_json_ json_t *json = json_read_document(text, length, DOCUMENT_NAME, err);
        if (!json || json_check_format(json, JOURNAL_FORMAT, err) < 0)
                return NULL;
        _cleanup_(restore_journal_freep) struct restore_journal *journal =
                xcalloc(1, sizeof *journal);
        if (json_fields_read(journal_fields, json, "", journal, err) < 0) {
                error_prefix(err, DOCUMENT_NAME);
                return NULL;
        }
        return TAKE_PTR(journal);
}

void restore_journal_add_item(struct restore_journal *journal, const char *temporary,
                              const char *path)
{
        journal->items =
                xrealloc_array(journal->items, journal->n_items + 1, sizeof *journal->items);
        journal->items[journal->n_items++] =
                (struct restore_item){ .temporary = xstrdup(temporary), .path = xstrdup(path) };
}

void restore_journal_add_aside(struct restore_journal *journal, const char *path, const char *aside)
{
        journal->asides =
                xrealloc_array(journal->asides, journal->n_asides + 1, sizeof *journal->asides);
        journal->asides[journal->n_asides++] =
                (struct restore_aside){ .path = xstrdup(path), .aside = xstrdup(aside) };
}
