/* Implements schema/records/verify-options.h by a table. */
#include "schema/records/verify-options.h"

#include "schema/json/json-fields.h"

#define FIELD(member) .name = #member, .offset = offsetof(struct verify_options, member)
static const struct json_field option_fields[] = {
        { FIELD(point), .type = JSON_FIELD_TEXT },  { FIELD(since), .type = JSON_FIELD_TIME },
        { FIELD(alone), .type = JSON_FIELD_FLAG },  { FIELD(compare), .type = JSON_FIELD_FLAG },
        { FIELD(known), .type = JSON_FIELD_TEXTS }, { 0 },
};

json_t *verify_options_to_json(const struct verify_options *options)
{
        return json_fields_to_object(option_fields, options);
}

int verify_options_from_json(json_t *json, struct verify_options *ret, struct error **err)
{
        return json_fields_from_object(option_fields, json, "options.", ret, sizeof *ret, err);
}

void verify_options_done(struct verify_options *options)
{
        json_fields_done(option_fields, options);
        *options = (struct verify_options){ 0 };
}
