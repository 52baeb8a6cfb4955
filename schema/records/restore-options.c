/* Implements schema/records/restore-options.h: a table, and what of it does not go together. */
#include "schema/records/restore-options.h"

#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"

enum { NETWORK_NAME_MAX = 120 };

static bool is_network_name(const char *name, size_t length)
{
        if (length == 0 || length > NETWORK_NAME_MAX || name[0] == '-' ||
            strspn(name, ".") >= length)
                return false;
        for (size_t i = 0; i < length; i++)
                if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f || name[i] == '/' ||
                    name[i] == '=' || name[i] == ',')
                        return false;
        return true;
}

static bool restore_options_is_path(const char *path)
{
        return path[0] == '/' && strlen(path) < 4096 && !strstr(path, "/../") &&
               !str_ends_with(path, "/..");
}

static bool is_folder_or_pool(const char *text)
{
        return restore_options_is_path(text) || name_is_safe(text);
}

static const char *const format_words[] = { "qcow2", "raw", NULL };

#define FIELD(member) .name = #member, .offset = offsetof(struct restore_options, member)
#define SAFE_NAME .valid = name_is_safe, .expected = "a name of letters, digits, '.', '_' and '-'"
static const struct json_field fields[] = {
        { FIELD(point), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { FIELD(to), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { FIELD(name), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { FIELD(network), .type = JSON_FIELD_TEXTS },
        { FIELD(disks), .type = JSON_FIELD_TEXTS },
        { FIELD(images), .type = JSON_FIELD_TEXT, .valid = is_folder_or_pool,
          .expected = "an absolute path or a libvirt pool" },
        { FIELD(format), .type = JSON_FIELD_TEXT, .words = format_words },
        { .name = "export",
          .type = JSON_FIELD_TEXT,
          .offset = offsetof(struct restore_options, export_folder),
          .valid = restore_options_is_path,
          .expected = "an absolute path" },
        { FIELD(start), .type = JSON_FIELD_FLAG },
        { FIELD(instant), .type = JSON_FIELD_FLAG },
        { FIELD(replace), .type = JSON_FIELD_FLAG },
        { FIELD(original_gone), .type = JSON_FIELD_FLAG },
        { FIELD(dry_run), .type = JSON_FIELD_FLAG },
        { 0 },
};

static int restore_options_check_known(json_t *json, struct error **err)
{
        _cleanup_strv_ char **names = NULL;
        for (const struct json_field *field = fields; field->name; field++)
                strv_add(&names, field->name);
        const char *key;
        json_t *value;
        json_object_foreach(json, key, value)
        {
                if (strv_contains(names, key))
                        continue;
                _cleanup_free_ char *shown = str_one_line(key, 60);
                const char *nearest = nearest_word(key, (const char *const *)names);
                return error_set(err, ERROR_CONFIG, "a restore has no field '%s'%s%s", shown,
                                 nearest ? "; nearest: " : "", nearest ? nearest : "");
        }
        return 0;
}

static int restore_options_check_network(const struct restore_options *options, struct error **err)
{
        size_t count = strv_length(options->network);
        for (size_t i = 0; i < count; i++) {
                const char *text = options->network[i];
                const char *equals = strchr(text, '=');
                bool valid = equals ? is_network_name(text, (size_t)(equals - text)) &&
                                              is_network_name(equals + 1, strlen(equals + 1))
                                    : is_network_name(text, strlen(text)) && count == 1;
                if (!valid) {
                        _cleanup_free_ char *shown = str_one_line(text, 100);
                        return error_set(err, ERROR_CONFIG,
                                         "network: expected keep, none, one network, or any number "
                                         "of OLD=NEW, found '%s'",
                                         shown);
                }
        }
        return 0;
}

static int restore_options_check_disks(const struct restore_options *options, struct error **err)
{
        for (size_t i = 0; options->disks && options->disks[i]; i++)
                if (!name_is_safe(options->disks[i])) {
                        _cleanup_free_ char *shown = str_one_line(options->disks[i], 60);
                        return error_set(err, ERROR_CONFIG,
                                         "disks: expected targets such as vda, found '%s'", shown);
                }
        return 0;
}

static int check_together(const struct restore_options *options, struct error **err)
{
        const char *beside_export = options->to              ? "to"
                                    : options->images        ? "images"
                                    : options->start         ? "start"
                                    : options->instant       ? "instant"
                                    : options->replace       ? "replace"
                                    : options->original_gone ? "original_gone"
                                                             : NULL;
        if (options->export_folder && beside_export)
                return error_set(err, ERROR_CONFIG,
                                 "export and %s do not go together: an export defines nothing on a "
                                 "hypervisor",
                                 beside_export);
        if (options->instant && streq(options->format, "raw"))
                return error_set(err, ERROR_CONFIG,
                                 "instant and format raw do not go together: a disk that stands on "
                                 "the point meanwhile is a qcow2");
        if (options->replace && options->name)
                return error_set(err, ERROR_CONFIG,
                                 "replace and name do not go together: a VM of another name "
                                 "replaces nothing");
        if (options->replace && (!options->point || streq(options->point, "latest")))
                return error_set(err, ERROR_CONFIG,
                                 "replace wants its point named (`orch list` shows them): nothing "
                                 "is replaced by "
                                 "what happens to be the latest");
        return 0;
}

int restore_options_read(json_t *json, struct restore_options *ret, struct error **err)
{
        struct restore_options options = { 0 };
        _cleanup_error_ struct error *error = NULL;
        if (json && json_fields_read(fields, json, "", &options, &error) < 0)
                error->kind = ERROR_CONFIG;
        if (!error && json && restore_options_check_known(json, &error) == 0 &&
            restore_options_check_network(&options, &error) == 0 &&
            restore_options_check_disks(&options, &error) == 0)
                (void)!check_together(&options, &error);
        if (error) {
                restore_options_done(&options);
                return error_propagate(err, TAKE_PTR(error));
        }
        *ret = options;
        return 0;
}

json_t *restore_options_write(const struct restore_options *options)
{
        return json_fields_to_object(fields, options);
}

void restore_options_done(struct restore_options *options)
{
        json_fields_done(fields, options);
        *options = (struct restore_options){ 0 };
}

void restore_options_network(const struct restore_options *options,
                             enum rewrite_network *ret_network,
                             struct rewrite_network_map **ret_map, size_t *ret_n_map,
                             char ***ret_texts)
{
        size_t count = strv_length(options->network);
        const char *only = count == 1 ? options->network[0] : NULL;
        *ret_map = NULL;
        *ret_n_map = 0;
        *ret_texts = NULL;
        if (streq(only, "keep") || (count == 0 && !options->name)) {
                *ret_network = REWRITE_NETWORK_KEEP;
                return;
        }
        if (streq(only, "none") || count == 0) {
                *ret_network = REWRITE_NETWORK_NONE;
                return;
        }
        *ret_network = REWRITE_NETWORK_MAP;
        char **texts = strv_copy(options->network);
        struct rewrite_network_map *map = xcalloc(count, sizeof *map);
        for (size_t i = 0; i < count; i++) {
                char *equals = strchr(texts[i], '=');
                map[i] = (struct rewrite_network_map){ .from = equals ? texts[i] : NULL,
                                                       .to = equals ? equals + 1 : texts[i] };
                if (equals)
                        *equals = '\0';
        }
        *ret_map = map;
        *ret_n_map = count;
        *ret_texts = texts;
}
