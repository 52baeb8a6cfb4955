/* Implements notify/incidents.h. */
#include "notify/incidents.h"

#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"

#define INCIDENTS_FORMAT 1
#define FILE_MAX_BYTES ((size_t)4 << 20)

struct incidents {
        char *path;
        struct incident *items;
        size_t count;
};

#define FIELD(member) .name = #member, .offset = offsetof(struct incident, member)
static const struct json_field incident_fields[] = {
        { FIELD(key), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(since), .type = JSON_FIELD_TIME, .required = true },
        { FIELD(reason), .type = JSON_FIELD_TEXT },
        { FIELD(vms), .type = JSON_FIELD_TEXTS, .required = true },
        { 0 },
};
static const struct json_field document_fields[] = {
        { .name = "incidents",
          .offset = offsetof(struct incidents, items),
          .type = JSON_FIELD_LIST,
          .required = true,
          .fields = incident_fields,
          .item_size = sizeof(struct incident),
          .count_offset = offsetof(struct incidents, count) },
        { 0 },
};

struct incidents *incidents_open(const char *path)
{
        struct incidents *incidents = xcalloc(1, sizeof *incidents);
        incidents->path = xstrdup(path);
        size_t length = 0;
        _cleanup_free_ char *text = fs_read_file(path, FILE_MAX_BYTES, &length, NULL);
        _cleanup_json_ json_t *json = text ? json_read_document(text, length, path, NULL) : NULL;
        if (!json)
                return incidents;
        if (json_check_format(json, INCIDENTS_FORMAT, NULL) < 0 ||
            json_fields_read(document_fields, json, "", incidents, NULL) < 0)
                json_fields_done(document_fields, incidents);
        return incidents;
}

struct incidents *incidents_free(struct incidents *incidents)
{
        if (!incidents)
                return NULL;
        json_fields_done(document_fields, incidents);
        free(incidents->path);
        free(incidents);
        return NULL;
}

static void incidents_save(const struct incidents *incidents)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_json_ json_t *json =
                json_fields_to_document(INCIDENTS_FORMAT, document_fields, incidents);
        _cleanup_free_ char *text = json_write_document(json);
        if (fs_write_file(incidents->path, 0640, text, strlen(text), &error) < 0)
                log_warning("incidents may be reported again after a restart, because their file "
                            "was not written: %s",
                            error->message);
}

static struct incident *incident_find(const struct incidents *incidents, const char *key)
{
        for (size_t i = 0; i < incidents->count; i++)
                if (streq(incidents->items[i].key, key))
                        return &incidents->items[i];
        return NULL;
}

const struct incident *incidents_find(struct incidents *incidents, const char *key, int64_t now)
{
        const struct incident *found = incident_find(incidents, key);
        if (found && now - found->since >= INCIDENT_TOLD_AGAIN_SECONDS) {
                incidents_end(incidents, key);
                return NULL;
        }
        return found;
}

const struct incident *incidents_begin(struct incidents *incidents, const char *key,
                                       const char *reason, int64_t now)
{
        incidents->items =
                xrealloc_array(incidents->items, incidents->count + 1, sizeof *incidents->items);
        struct incident *incident = &incidents->items[incidents->count++];
        *incident =
                (struct incident){ .key = xstrdup(key), .since = now, .reason = xstrdup(reason) };
        incidents_save(incidents);
        return incident;
}

void incidents_add_vm(struct incidents *incidents, const char *key, const char *vm)
{
        struct incident *incident = incident_find(incidents, key);
        if (!incident || strv_contains(incident->vms, vm) ||
            strv_length(incident->vms) >= INCIDENT_VMS_MAX)
                return;
        strv_add(&incident->vms, vm);
        incidents_save(incidents);
}

void incidents_end(struct incidents *incidents, const char *key)
{
        struct incident *incident = incident_find(incidents, key);
        if (!incident)
                return;
        free(incident->key);
        free(incident->reason);
        strv_free(incident->vms);
        memmove(incident, incident + 1,
                (size_t)(incidents->items + incidents->count - incident - 1) * sizeof *incident);
        incidents->count--;
        incidents_save(incidents);
}
