/* What a handler of a route sees of a request, and how it answers: at once, or later from a
 * callback (the connection is then suspended, and the request lives until its answer). Each request
 * is answered exactly once. */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "schema/json/json-fields.h"

struct api_request;
struct daemon;
struct stream;

struct api_route {
        const char *method;
        const char *path; /* "/v1/jobs/{id}/log" */
        void (*handle)(struct daemon *daemon, struct api_request *request);
        const char *const *query; /* names of query parameters, ended by NULL; NULL: none */
};
/* All routes; the last one has no method. */
extern const struct api_route api_routes[];

/* The word of the URL for the n-th {…} of the path, from 0. */
const char *api_path_word(const struct api_request *request, size_t n);
/* A query parameter; NULL: not given. */
const char *api_query(const struct api_request *request, const char *name);
/* Reads the body, a JSON object (an empty body is an empty object), by a table into `ret` (zeroed).
 * A field that is not in the table is refused with the nearest one that is. ERROR_CONFIG;
 * json_fields_done() must be called in any case. */
int api_body(const struct api_request *request, const struct json_field fields[], void *ret,
             struct error **err) _must_check_;

struct daemon *api_daemon(const struct api_request *request);

/* 200. Takes ownership of the JSON. */
void api_answer_json(struct api_request *request, json_t *json);
/* 200. Takes ownership of the text. */
void api_answer_text(struct api_request *request, const char *content_type, char *text);
/* 200, application/x-ndjson. Takes ownership of the stream. */
void api_answer_stream(struct api_request *request, struct stream *stream);
/* Status code and exit status by the error's kind. */
void api_answer_error(struct api_request *request, const struct error *error);
/* The share is unavailable: refused, whatever the kind of the error. */
void api_answer_unavailable(struct api_request *request, const struct error *error);
/* 404 */
void api_answer_not_found(struct api_request *request, const char *format, ...) _printf_(2, 3);

/* The handlers. */
void api_status(struct daemon *daemon, struct api_request *request);
void api_schedule(struct daemon *daemon, struct api_request *request);
void api_hypervisors(struct daemon *daemon, struct api_request *request);
void api_run(struct daemon *daemon, struct api_request *request);
void api_backup(struct daemon *daemon, struct api_request *request);
void api_check(struct daemon *daemon, struct api_request *request);
void api_hypervisors_check(struct daemon *daemon, struct api_request *request);
void api_hold(struct daemon *daemon, struct api_request *request);
void api_release(struct daemon *daemon, struct api_request *request);
void api_prune(struct daemon *daemon, struct api_request *request);
void api_discover(struct daemon *daemon, struct api_request *request);
void api_test_restore(struct daemon *daemon, struct api_request *request);
void api_verify(struct daemon *daemon, struct api_request *request);
void api_recover(struct daemon *daemon, struct api_request *request);
void api_restore(struct daemon *daemon, struct api_request *request);
void api_points(struct daemon *daemon, struct api_request *request);
void api_point(struct daemon *daemon, struct api_request *request);
void api_job_log(struct daemon *daemon, struct api_request *request);
void api_job_cancel(struct daemon *daemon, struct api_request *request);
void api_cancel(struct daemon *daemon, struct api_request *request);
void api_pause(struct daemon *daemon, struct api_request *request);
void api_resume(struct daemon *daemon, struct api_request *request);
void api_reload(struct daemon *daemon, struct api_request *request);
void api_notify_failure(struct daemon *daemon, struct api_request *request);
void api_notify_test(struct daemon *daemon, struct api_request *request);
void api_metrics(struct daemon *daemon, struct api_request *request);
