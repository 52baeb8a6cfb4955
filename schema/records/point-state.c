/* state.json of a point: what is learnt after it was published. */
#include <string.h>

#include "base/memory.h"
#include "schema/json/json-fields.h"
#include "schema/records/metadata.h"

#define STATE_FORMAT 1
#define DOCUMENT_NAME "state.json"

#define FIELD(member) .name = #member, .offset = offsetof(struct point_state, member)
static const char *const proof_words[] = { "booted", "tests-failed", "not-bootable", NULL };
static const struct json_field state_fields[] = {
        { FIELD(held), .type = JSON_FIELD_FLAG, .required = true },
        { FIELD(held_reason), .type = JSON_FIELD_TEXT },
        { FIELD(verified), .type = JSON_FIELD_TIME },
        { FIELD(stat_digest), .type = JSON_FIELD_TEXT },
        { FIELD(proven), .type = JSON_FIELD_TIME },
        { FIELD(damaged), .type = JSON_FIELD_FLAG, .required = true },
        { FIELD(damage), .type = JSON_FIELD_TEXT },
        { FIELD(proof_at), .type = JSON_FIELD_TIME },
        { FIELD(proof), .type = JSON_FIELD_TEXT, .words = proof_words },
        { FIELD(proof_reason), .type = JSON_FIELD_TEXT },
        { FIELD(proof_job), .type = JSON_FIELD_TEXT },
        { FIELD(boot_milliseconds), .type = JSON_FIELD_NUMBER },
        { FIELD(proof_evidence), .type = JSON_FIELD_TEXTS },
        { 0 },
};

json_t *point_state_to_json(const struct point_state *state)
{
        return json_fields_to_document(STATE_FORMAT, state_fields, state);
}

char *point_state_format(const struct point_state *state)
{
        _cleanup_json_ json_t *json = point_state_to_json(state);
        return json_write_document(json);
}

int point_state_from_json(json_t *json, struct point_state *ret, struct error **err)
{
        struct point_state state = { 0 };
        if (json_check_format(json, STATE_FORMAT, err) < 0 ||
            json_fields_read(state_fields, json, "", &state, err) < 0) {
                point_state_done(&state);
                return error_prefix(err, DOCUMENT_NAME);
        }
        *ret = state;
        return 0;
}

int point_state_parse(const char *text, size_t length, struct point_state *ret, struct error **err)
{
        _cleanup_json_ json_t *json = json_read_document(text, length, DOCUMENT_NAME, err);
        return json ? point_state_from_json(json, ret, err) : -1;
}

void point_state_done(struct point_state *state)
{
        json_fields_done(state_fields, state);
        *state = (struct point_state){ 0 };
}
