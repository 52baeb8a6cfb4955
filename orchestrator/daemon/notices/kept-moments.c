/* Moments that have to survive a restart: <state>/notify/state.json. */
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/notices/notices-internal.h"
#include "schema/json/json-fields.h"

#define KEPT_FORMAT 1

enum { SECONDS_A_DAY = 86400 };

#define KEPT(member) \
        .name = #member, .offset = offsetof(struct kept_moments, member), .type = JSON_FIELD_NUMBER
static const struct json_field kept_fields[] = {
        { KEPT(first_started) },
        { KEPT(last_begun) },
        { KEPT(dead_clock_slot) },
        { KEPT(summary_told) },
        { KEPT(free_bytes) },
        { KEPT(free_at) },
        { 0 },
};

void kept_moments_load(struct notices *notices)
{
        _cleanup_free_ char *path = notices_queue_path(notices, "state.json");
        size_t length = 0;
        _cleanup_free_ char *text = fs_read_file(path, 65536, &length, NULL);
        _cleanup_json_ json_t *json = text ? json_read_document(text, length, path, NULL) : NULL;
        if (!json || json_check_format(json, KEPT_FORMAT, NULL) < 0 ||
            json_fields_read(kept_fields, json, "", &notices->kept, NULL) < 0)
                notices->kept = (struct kept_moments){ 0 };
}

void kept_moments_write(const struct notices *notices)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_json_ json_t *json =
                json_fields_to_document(KEPT_FORMAT, kept_fields, &notices->kept);
        _cleanup_free_ char *text = json_write_document(json);
        _cleanup_free_ char *path = notices_queue_path(notices, "state.json");
        if (fs_write_file(path, 0640, text, strlen(text), &error) < 0)
                log_warning("a restart may repeat messages: %s", error->message);
}

void kept_moments_limit(struct notices *notices, int64_t now)
{
        struct kept_moments *kept = &notices->kept;
        int64_t *const moments[] = { &kept->first_started, &kept->last_begun,
                                     &kept->dead_clock_slot, &kept->summary_told };
        bool changed = false;
        for (size_t i = 0; i < ARRAY_LENGTH(moments); i++) {
                if (*moments[i] <= now + SECONDS_A_DAY)
                        continue;
                *moments[i] = now;
                changed = true;
        }
        if (changed)
                kept_moments_write(notices);
}
