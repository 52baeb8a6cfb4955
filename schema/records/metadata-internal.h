/* Tables of schema/records/metadata.c that messages use too: a check is the same object in the
 * metadata and in an event. */
#pragma once

#include "schema/json/json-fields.h"

extern const struct json_field metadata_check_fields[];
