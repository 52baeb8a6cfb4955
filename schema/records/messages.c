/* Job requests: what the daemon writes to a worker's stdin. One table; events are in events.c. */
#include "schema/records/messages.h"

#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"

#define DOCUMENT_NAME "job request"

static const char *const action_words[] = {
        [JOB_BACKUP] = "backup",
        [JOB_CHECK] = "check",
        [JOB_RECOVER] = "recover",
        [JOB_HYPERVISOR_CHECK] = "hypervisor-check",
        [JOB_VERIFY] = "verify",
        [JOB_RESTORE] = "restore",
        [JOB_TEST_RESTORE] = "test-restore",
        [JOB_PRUNE] = "prune",
        [JOB_DISCOVER] = "discover",
        NULL,
};

#define FIELD(member) .name = #member, .offset = offsetof(struct job_request, member)
#define SAFE_NAME .valid = name_is_safe, .expected = "a name of letters, digits, '.', '_' and '-'"
static const struct json_field request_fields[] = {
        { FIELD(job), .type = JSON_FIELD_TEXT, .required = true, SAFE_NAME },
        { FIELD(action), .type = JSON_FIELD_WORD, .required = true, .words = action_words },
        { FIELD(vm), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { FIELD(hypervisor), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { FIELD(trigger), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(started), .type = JSON_FIELD_TIME, .required = true },
        { FIELD(settings_path), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(settings_text), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(inventory_path), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(inventory_text), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(repository_uuid), .type = JSON_FIELD_TEXT, .required = true,
          .valid = json_text_is_uuid, .expected = "a UUID" },
        { FIELD(pinned_uuid), .type = JSON_FIELD_TEXT, .valid = json_text_is_uuid,
          .expected = "a UUID" },
        { FIELD(pinned_hypervisor), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { FIELD(dry_run), .type = JSON_FIELD_FLAG },
        { FIELD(method), .type = JSON_FIELD_TEXT },
        { FIELD(level), .type = JSON_FIELD_TEXT },
        { FIELD(live_jobs), .type = JSON_FIELD_TEXTS },
        { FIELD(options), .type = JSON_FIELD_OBJECT },
        { 0 },
};

struct job_request *job_request_free(struct job_request *request)
{
        if (!request)
                return NULL;
        json_fields_done(request_fields, request);
        free(request);
        return NULL;
}

char *job_request_format(const struct job_request *request)
{
        _cleanup_json_ json_t *json = json_fields_to_object(request_fields, request);
        return json_write_line(json);
}

bool job_action_is_of_hypervisor(enum job_action action)
{
        return action == JOB_HYPERVISOR_CHECK || action == JOB_DISCOVER;
}

/* A job is about one VM, or about one hypervisor. */
static int check_subject(const struct job_request *request, struct error **err)
{
        bool of_hypervisor = job_action_is_of_hypervisor(request->action);
        if (of_hypervisor ? !request->hypervisor : !request->vm)
                return error_set(err, ERROR_CORRUPT,
                                 "%s: expected a name for the action \"%s\", found nothing",
                                 of_hypervisor ? "hypervisor" : "vm",
                                 job_action_name(request->action));
        return 0;
}

struct job_request *job_request_parse(const char *text, size_t length, struct error **err)
{
        _cleanup_json_ json_t *json = json_read_document(text, length, DOCUMENT_NAME, err);
        if (!json)
                return NULL;
        _cleanup_(job_request_freep) struct job_request *request = xcalloc(1, sizeof *request);
        if (json_fields_read(request_fields, json, "", request, err) < 0 ||
            check_subject(request, err) < 0) {
                error_prefix(err, DOCUMENT_NAME);
                return NULL;
        }
        return TAKE_PTR(request);
}

const char *job_action_name(enum job_action action)
{
        return action_words[action];
}
