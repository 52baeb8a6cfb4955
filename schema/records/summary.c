/* Implements schema/records/summary.h by tables. */
#include "schema/records/summary.h"

#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"

#define SUMMARY_FORMAT 1
#define DOCUMENT_NAME "last-run-summary.json"

static const char *const status_words[] = { "ok", "failed", "cancelled", "skipped", NULL };

#define SAFE_NAME .valid = name_is_safe, .expected = "a name of letters, digits, '.', '_' and '-'"

#define VM(member) .name = #member, .offset = offsetof(struct summary_vm, member)
static const struct json_field vm_fields[] = {
        { VM(vm), .type = JSON_FIELD_TEXT, .required = true, SAFE_NAME },
        { VM(hypervisor), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { VM(job), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { VM(status), .type = JSON_FIELD_TEXT, .required = true, .words = status_words },
        { VM(point), .type = JSON_FIELD_TEXT, SAFE_NAME },
        { VM(error), .type = JSON_FIELD_TEXT },
        { VM(error_kind), .type = JSON_FIELD_TEXT },
        { VM(warnings), .type = JSON_FIELD_TEXTS, .required = true },
        { VM(stored_bytes), .type = JSON_FIELD_SIZE, .required = true },
        { VM(duration_seconds), .type = JSON_FIELD_NUMBER, .required = true },
        { 0 },
};

#define FIELD(member) .name = #member, .offset = offsetof(struct summary, member)
static const struct json_field summary_fields[] = {
        { FIELD(orch_version), .type = JSON_FIELD_TEXT, .required = true },
        { FIELD(repository_uuid), .type = JSON_FIELD_TEXT, .required = true,
          .valid = json_text_is_uuid, .expected = "a UUID" },
        { FIELD(started), .type = JSON_FIELD_TIME, .required = true },
        { FIELD(finished), .type = JSON_FIELD_TIME, .required = true },
        { FIELD(duration_seconds), .type = JSON_FIELD_NUMBER, .required = true },
        { FIELD(total), .type = JSON_FIELD_SIZE, .required = true },
        { FIELD(succeeded), .type = JSON_FIELD_SIZE, .required = true },
        { FIELD(failed), .type = JSON_FIELD_SIZE, .required = true },
        { FIELD(skipped), .type = JSON_FIELD_SIZE, .required = true },
        { FIELD(cancelled), .type = JSON_FIELD_SIZE, .required = true },
        { FIELD(stored_bytes), .type = JSON_FIELD_SIZE, .required = true },
        { FIELD(vms), .type = JSON_FIELD_LIST, .required = true, .fields = vm_fields,
          .item_size = sizeof(struct summary_vm), .count_offset = offsetof(struct summary, n_vms) },
        { 0 },
};

struct summary *summary_new(void)
{
        struct summary *summary = xcalloc(1, sizeof *summary);
        summary->orch_version = xstrdup(ORCH_VERSION);
        return summary;
}

struct summary *summary_free(struct summary *summary)
{
        if (!summary)
                return NULL;
        json_fields_done(summary_fields, summary);
        free(summary);
        return NULL;
}

struct summary_vm *summary_add_vm(struct summary *summary)
{
        summary->vms = xrealloc_array(summary->vms, summary->n_vms + 1, sizeof *summary->vms);
        struct summary_vm *vm = &summary->vms[summary->n_vms++];
        *vm = (struct summary_vm){ 0 };
        return vm;
}

void summary_finish(struct summary *summary, int64_t finished)
{
        summary->finished = finished;
        summary->duration_seconds = finished > summary->started ? finished - summary->started : 0;
        summary->total = summary->n_vms;
        summary->succeeded = summary->failed = summary->skipped = summary->cancelled =
                summary->stored_bytes = 0;
        for (size_t i = 0; i < summary->n_vms; i++) {
                const struct summary_vm *vm = &summary->vms[i];
                summary->succeeded += streq(vm->status, "ok");
                summary->failed += streq(vm->status, "failed");
                summary->skipped += streq(vm->status, "skipped");
                summary->cancelled += streq(vm->status, "cancelled");
                summary->stored_bytes += vm->stored_bytes;
        }
}

char *summary_format(const struct summary *summary)
{
        _cleanup_json_ json_t *json =
                json_fields_to_document(SUMMARY_FORMAT, summary_fields, summary);
        return json_write_document(json);
}

struct summary *summary_parse(const char *text, size_t length, struct error **err)
{
        _cleanup_json_ json_t *json = json_read_document(text, length, DOCUMENT_NAME, err);
        if (!json)
                return NULL;
        _cleanup_(summary_freep) struct summary *summary = xcalloc(1, sizeof *summary);
        if (json_check_format(json, SUMMARY_FORMAT, err) < 0 ||
            json_fields_read(summary_fields, json, "", summary, err) < 0) {
                error_prefix(err, DOCUMENT_NAME);
                return NULL;
        }
        return TAKE_PTR(summary);
}
