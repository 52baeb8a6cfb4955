/* What changes the daemon itself: POST /v1/pause, /v1/resume, /v1/reload. */
#include "base/clock.h"
#include "daemon/api/api.h"
#include "daemon/cycle/cycle.h"
#include "daemon/cycle/pause.h"
#include "daemon/state/state.h"

struct pause_body {
        int64_t until;
};
static const struct json_field pause_fields[] = {
        { .name = "until", .type = JSON_FIELD_TIME, .offset = offsetof(struct pause_body, until) },
        { 0 },
};
static const struct json_field no_fields[] = { { 0 } };

static void answer_paused(const struct daemon *daemon, struct api_request *request)
{
        json_t *json = json_object();
        json_object_set_new(json, "paused", json_boolean(daemon->paused.on));
        _cleanup_free_ char *until =
                daemon->paused.until ? clock_format_rfc3339(daemon->paused.until) : NULL;
        json_object_set_new(json, "until", json_from_text(until));
        api_answer_json(request, json);
}

void api_pause(struct daemon *daemon, struct api_request *request)
{
        struct pause_body body = { 0 };
        _cleanup_error_ struct error *error = NULL;
        if (api_body(request, pause_fields, &body, &error) == 0 && body.until &&
            body.until <= clock_realtime_s())
                error_set(&error, ERROR_CONFIG, "until: expected a time in the future");
        if (error) {
                api_answer_error(request, error);
                return;
        }
        pause_begin(daemon, body.until);
        answer_paused(daemon, request);
}

void api_resume(struct daemon *daemon, struct api_request *request)
{
        _cleanup_error_ struct error *error = NULL;
        if (api_body(request, no_fields, &error, &error) < 0) {
                api_answer_error(request, error);
                return;
        }
        pause_end(daemon);
        answer_paused(daemon, request);
}

void api_reload(struct daemon *daemon, struct api_request *request)
{
        _cleanup_error_ struct error *error = NULL;
        if (api_body(request, no_fields, &error, &error) < 0 ||
            daemon_reload_inventory(daemon, &error) < 0) {
                api_answer_error(request, error);
                return;
        }
        cycle_check_trigger(daemon);
        json_t *json = json_object();
        json_object_set_new(
                json, "vms",
                json_integer((json_int_t)inventory_keeper_get(daemon->inventory)->n_vms));
        api_answer_json(request, json);
}
