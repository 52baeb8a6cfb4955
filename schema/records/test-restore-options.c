/* Implements schema/records/test-restore-options.h. */
#include "schema/records/test-restore-options.h"

#include <string.h>

#include "base/strings.h"
#include "schema/json/json-fields.h"

enum { NETWORK_NAME_MAX = 120 };

bool test_network_is_sane(const char *name)
{
        if (str_empty(name) || strlen(name) > NETWORK_NAME_MAX || name[0] == '-' ||
            strspn(name, ".") == strlen(name))
                return false;
        for (const unsigned char *c = (const unsigned char *)name; *c; c++)
                if (*c <= ' ' || *c == 0x7f || *c == '/')
                        return false;
        return true;
}

#define FIELD(member) .name = #member, .offset = offsetof(struct test_restore_options, member)
static const struct json_field fields[] = {
        { FIELD(point), .type = JSON_FIELD_TEXT, .valid = name_is_safe,
          .expected = "the name of a point, or the begin of one" },
        { FIELD(network), .type = JSON_FIELD_TEXT, .valid = test_network_is_sane,
          .expected = "the name of a libvirt network" },
        { FIELD(keep), .type = JSON_FIELD_FLAG },
        { FIELD(full), .type = JSON_FIELD_FLAG },
        { FIELD(remove), .type = JSON_FIELD_FLAG },
        { 0 },
};

int test_restore_options_read(json_t *json, struct test_restore_options *ret, struct error **err)
{
        int r = json_fields_from_object(fields, json, "", ret, sizeof *ret, err);
        return r < 0 ? error_prefix(err, "options of a test-restore") : 0;
}

json_t *test_restore_options_write(const struct test_restore_options *options)
{
        return json_fields_to_object(fields, options);
}

void test_restore_options_done(struct test_restore_options *options)
{
        json_fields_done(fields, options);
        *options = (struct test_restore_options){ 0 };
}
