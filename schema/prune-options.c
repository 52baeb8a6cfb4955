/* Implements schema/prune-options.h by a table. */
#include "schema/prune-options.h"

#include "schema/json-fields.h"

static const struct json_field option_fields[] = {
        { .name = "points", .type = JSON_FIELD_TEXTS, .offset = offsetof(struct prune_options, points) },
        { 0 },
};

json_t *prune_options_to_json(const struct prune_options *options)
{
        json_t *json = json_object();
        json_fields_write(option_fields, options, json);
        return json;
}

int prune_options_from_json(json_t *json, struct prune_options *ret, struct error **err)
{
        struct prune_options options = { 0 };
        if (json && json_fields_read(option_fields, json, "options.", &options, err) < 0) {
                prune_options_done(&options);
                return -1;
        }
        *ret = options;
        return 0;
}

void prune_options_done(struct prune_options *options)
{
        json_fields_done(option_fields, options);
        *options = (struct prune_options){ 0 };
}
