/* Implements schema/records/prune-options.h by a table. */
#include "schema/records/prune-options.h"

#include "schema/json/json-fields.h"

static const struct json_field option_fields[] = {
        { .name = "points",
          .type = JSON_FIELD_TEXTS,
          .offset = offsetof(struct prune_options, points) },
        { 0 },
};

json_t *prune_options_to_json(const struct prune_options *options)
{
        return json_fields_to_object(option_fields, options);
}

int prune_options_from_json(json_t *json, struct prune_options *ret, struct error **err)
{
        return json_fields_from_object(option_fields, json, "options.", ret, sizeof *ret, err);
}

void prune_options_done(struct prune_options *options)
{
        json_fields_done(option_fields, options);
        *options = (struct prune_options){ 0 };
}
