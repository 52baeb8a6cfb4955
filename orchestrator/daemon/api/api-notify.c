/* POST /v1/notify/test sends a message to one channel or to all and streams the results. POST
 * /v1/notify/failure takes the report of a failed scheduler job. */
#include "base/memory.h"
#include "daemon/api/api.h"
#include "daemon/jobs/batch.h"
#include "daemon/notices/notices.h"
#include "daemon/state/state.h"

struct test_body {
        char *channel;
};
static const struct json_field test_fields[] = {
        { .name = "channel",
          .type = JSON_FIELD_TEXT,
          .offset = offsetof(struct test_body, channel) },
        { 0 },
};

struct test_answer {
        struct api_request *request;
        json_t *channels;
};

static void push_test_result(void *data, const struct outbox_test *result)
{
        struct test_answer *answer = data;
        json_t *json = json_object();
        json_object_set_new(json, "channel", json_from_text(result->channel));
        json_object_set_new(json, "kind", json_string(notify_kind_name(result->kind)));
        json_object_set_new(json, "ok", json_boolean(!result->error));
        json_object_set_new(json, "error", json_from_text(result->error));
        json_object_set_new(json, "duration_ms", json_integer(result->duration_ms));
        json_array_append_new(answer->channels, json);
}

static void on_done(void *data)
{
        struct test_answer *answer = data;
        if (json_array_size(answer->channels)) {
                json_t *json = json_object();
                json_object_set_new(json, "channels", answer->channels);
                api_answer_json(answer->request, json);
        } else {
                _cleanup_error_ struct error *error = NULL;
                json_decref(answer->channels);
                error_set(&error, ERROR_CANCELLED, "the daemon is stopping");
                api_answer_error(answer->request, error);
        }
        free(answer);
}

void api_notify_test(struct daemon *daemon, struct api_request *request)
{
        struct test_body body = { 0 };
        _cleanup_error_ struct error *error = NULL;
        struct test_answer *answer = xcalloc(1, sizeof *answer);
        *answer = (struct test_answer){ .request = request, .channels = json_array() };
        if (api_body(request, test_fields, &body, &error) < 0 ||
            notices_test(daemon->notices, body.channel, push_test_result, on_done, answer, &error) <
                    0) {
                json_decref(answer->channels);
                free(answer);
                api_answer_error(request, error);
        }
        json_fields_done(test_fields, &body);
}

struct failure_body {
        char *job;
        char *text;
        char *bacula_job;
};
static const struct json_field failure_fields[] = {
        { .name = "job",
          .type = JSON_FIELD_TEXT,
          .required = true,
          .offset = offsetof(struct failure_body, job) },
        { .name = "text",
          .type = JSON_FIELD_TEXT,
          .required = true,
          .offset = offsetof(struct failure_body, text) },
        { .name = "bacula_job",
          .type = JSON_FIELD_TEXT,
          .offset = offsetof(struct failure_body, bacula_job) },
        { 0 },
};

void api_notify_failure(struct daemon *daemon, struct api_request *request)
{
        struct failure_body body = { 0 };
        _cleanup_error_ struct error *error = NULL;
        bool queued = false;
        if (api_body(request, failure_fields, &body, &error) < 0 ||
            batch_check_bacula_job(body.bacula_job, &error) < 0 ||
            notices_scheduler_failed(daemon->notices, body.job, body.bacula_job, body.text, &queued,
                                     &error) < 0) {
                api_answer_error(request, error);
        } else {
                json_t *json = json_object();
                json_object_set_new(json, "queued", json_boolean(queued));
                api_answer_json(request, json);
        }
        json_fields_done(failure_fields, &body);
}
