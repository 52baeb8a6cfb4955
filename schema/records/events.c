/* Events: what a worker writes to its stdout, one JSON object on each line. Each type has a table
 * of its own fields beside the common ones, so that an event carries nothing that its type has no
 * use for. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"
#include "schema/records/messages.h"
#include "schema/records/metadata-internal.h"

#define DOCUMENT_NAME "event"

static const char *const type_words[] = {
        [EVENT_STEP] = "step",     [EVENT_PROGRESS] = "progress",
        [EVENT_CHECK] = "check",   [EVENT_WARNING] = "warning",
        [EVENT_LOG] = "log",       [EVENT_REMOVED] = "removed",
        [EVENT_STATE] = "state",   [EVENT_DOMAIN] = "domain",
        [EVENT_RESULT] = "result", NULL,
};
static const char *const state_words[] = {
        [STEP_BEGIN] = "begin",   [STEP_DONE] = "done",       [STEP_FAILED] = "failed",
        [STEP_UNDONE] = "undone", [STEP_SKIPPED] = "skipped", NULL,
};
static const char *const status_words[] = { "ok", "failed", "cancelled", "skipped", NULL };

#define FIELD(member) .name = #member, .offset = offsetof(struct event, member)
/* A part's offsets start at the part. */
#define FIELD_IN_DOMAIN(member) \
        .name = #member,        \
        .offset = offsetof(struct event, domain.member) - offsetof(struct event, domain)
static const struct json_field common_fields[] = {
        { FIELD(type), .type = JSON_FIELD_WORD, .required = true, .words = type_words },
        { FIELD(time_ms), .type = JSON_FIELD_NUMBER, .required = true },
        { 0 },
};
static const struct json_field step_fields[] = {
        { FIELD(step), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(state), .type = JSON_FIELD_WORD, .required = true, .words = state_words },
        { FIELD(text), .type = JSON_FIELD_TEXT },
        { FIELD(duration_ms), .type = JSON_FIELD_NUMBER, .required = true },
        { 0 },
};
static const struct json_field progress_fields[] = {
        { FIELD(disk), .type = JSON_FIELD_TEXT },
        { FIELD(done_bytes), .type = JSON_FIELD_SIZE, .required = true },
        { FIELD(total_bytes), .type = JSON_FIELD_SIZE, .required = true },
        { FIELD(bytes_per_second), .type = JSON_FIELD_SIZE, .required = true },
        { FIELD(remaining_seconds), .type = JSON_FIELD_NUMBER, .required = true, .least = -1 },
        { 0 },
};
static const struct json_field check_fields[] = {
        { FIELD(check), .type = JSON_FIELD_PART, .required = true,
          .fields = metadata_check_fields },
        { 0 },
};
static const struct json_field text_fields[] = {
        { FIELD(text), .type = JSON_FIELD_TEXT, .required = true },
        { 0 },
};
static const struct json_field domain_part_fields[] = {
        { FIELD_IN_DOMAIN(name), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD_IN_DOMAIN(uuid), .type = JSON_FIELD_TEXT, .required = true,
          .valid = json_text_is_uuid, .expected = "a UUID" },
        { FIELD_IN_DOMAIN(state), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD_IN_DOMAIN(vm), .type = JSON_FIELD_TEXT },
        { 0 },
};
static const struct json_field domain_fields[] = {
        { FIELD(domain), .type = JSON_FIELD_PART, .required = true, .fields = domain_part_fields },
        { 0 },
};
static const struct json_field warning_fields[] = {
        { FIELD(text), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(alert), .type = JSON_FIELD_FLAG },
        { 0 },
};
static const struct json_field point_state_fields[] = {
        { FIELD(path), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(point_state), .type = JSON_FIELD_OBJECT },
        { 0 },
};
static const struct json_field result_fields[] = {
        { FIELD(status), .type = JSON_FIELD_TEXT, .required = true, .words = status_words },
        { FIELD(error), .type = JSON_FIELD_TEXT },
        { FIELD(path), .type = JSON_FIELD_TEXT },
        { FIELD(duration_ms), .type = JSON_FIELD_NUMBER, .required = true },
        { 0 },
};

static const struct json_field *const fields_of[] = {
        [EVENT_STEP] = step_fields,         [EVENT_PROGRESS] = progress_fields,
        [EVENT_CHECK] = check_fields,       [EVENT_WARNING] = warning_fields,
        [EVENT_LOG] = text_fields,          [EVENT_REMOVED] = text_fields,
        [EVENT_STATE] = point_state_fields, [EVENT_DOMAIN] = domain_fields,
        [EVENT_RESULT] = result_fields,
};

struct event *event_new(enum event_type type)
{
        struct event *event = xcalloc(1, sizeof *event);
        event->type = type;
        event->time_ms = clock_realtime_ms();
        event->remaining_seconds = -1;
        event->error_kind = ERROR_INTERNAL;
        return event;
}

struct event *event_free(struct event *event)
{
        if (!event)
                return NULL;
        for (size_t i = 0; i < ARRAY_LENGTH(fields_of); i++)
                json_fields_done(fields_of[i], event);
        json_decref(event->metadata);
        free(event);
        return NULL;
}

/* The two fields of a result that no table can express: the kind of the error, which only an error
 * has, and the metadata as they are. */
static void write_result(const struct event *event, json_t *json)
{
        json_object_set_new(json, "error_kind",
                            event->error ? json_from_text(error_kind_name(event->error_kind))
                                         : json_null());
        json_object_set(json, "metadata", event->metadata ? event->metadata : json_null());
}

static int read_result(json_t *json, struct event *event, struct error **err)
{
        json_t *kind = json_object_get(json, "error_kind");
        if (kind && !json_is_null(kind)) {
                const char *name = json_string_value(kind);
                event->error_kind = error_kind_from_name(name);
                if (!streq(error_kind_name(event->error_kind), name))
                        return error_set(err, ERROR_CORRUPT,
                                         "error_kind: expected the name of a kind of error");
        }
        json_t *metadata = json_object_get(json, "metadata");
        if (metadata && !json_is_null(metadata)) {
                if (!json_is_object(metadata))
                        return error_set(err, ERROR_CORRUPT,
                                         "metadata: expected an object or null");
                event->metadata = json_incref(metadata);
        }
        return 0;
}

char *event_format(const struct event *event)
{
        _cleanup_json_ json_t *json = json_object();
        json_fields_write(common_fields, event, json);
        json_fields_write(fields_of[event->type], event, json);
        if (event->type == EVENT_RESULT)
                write_result(event, json);
        return json_write_line(json);
}

/* What is in it is as strict as the file. */
static int check_point_state(const struct event *event, struct error **err)
{
        _cleanup_point_state_ struct point_state state = { 0 };
        return event->point_state ? point_state_from_json(event->point_state, &state, err) : 0;
}

static int read_event(json_t *json, struct event *event, struct error **err)
{
        if (json_fields_read(common_fields, json, "", event, err) < 0 ||
            json_fields_read(fields_of[event->type], json, "", event, err) < 0)
                return -1;
        if (event->type == EVENT_STATE)
                return check_point_state(event, err);
        return event->type == EVENT_RESULT ? read_result(json, event, err) : 0;
}

struct event *event_parse(const char *text, size_t length, struct error **err)
{
        _cleanup_json_ json_t *json = json_read_document(text, length, DOCUMENT_NAME, err);
        if (!json)
                return NULL;
        _cleanup_(event_freep) struct event *event = event_new(EVENT_LOG);
        if (read_event(json, event, err) < 0) {
                error_prefix(err, DOCUMENT_NAME);
                return NULL;
        }
        return TAKE_PTR(event);
}
