/* Implements daemon/api/api.h: routing, bodies and answers. An answer is only stored here; the
 * server sends it once the connection is resumed. */
#include "daemon/api/api-request.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/memory.h"
#include "daemon/state/state.h"
#include "daemon/state/stream.h"
#include "schema/records/exit-status.h"

struct api_request *api_request_new(struct daemon *daemon, struct MHD_Connection *connection)
{
        struct api_request *request = xcalloc(1, sizeof *request);
        request->daemon = daemon;
        request->connection = connection;
        return request;
}

struct api_request *api_request_free(struct api_request *request)
{
        if (!request)
                return NULL;
        strv_free(request->words);
        strbuf_done(&request->body);
        free(request->text);
        stream_free(request->stream);
        free(request);
        return NULL;
}

/* "/v1/jobs/{id}/log" against "/v1/jobs/20261120-3f9a/log". */
static bool path_matches(const char *pattern, const char *url, char ***ret_words)
{
        while (*pattern && *url) {
                if (*pattern != '{') {
                        if (*pattern++ != *url++)
                                return false;
                        continue;
                }
                pattern = strchr(pattern, '}') + 1;
                size_t length = strcspn(url, "/");
                if (!length)
                        return false;
                _cleanup_free_ char *word = xstrndup(url, length);
                strv_add(ret_words, word);
                url += length;
        }
        return !*pattern && !*url;
}

bool api_request_find_route(struct api_request *request, const struct api_route *routes,
                            const char *method, const char *url)
{
        bool path_known = false;
        for (const struct api_route *route = routes; route->method; route++) {
                _cleanup_strv_ char **words = NULL;
                if (!path_matches(route->path, url, &words))
                        continue;
                path_known = true;
                if (!streq(route->method, method))
                        continue;
                request->route = route;
                request->words = TAKE_PTR(words);
                return true;
        }
        if (path_known)
                api_answer_status(request, MHD_HTTP_METHOD_NOT_ALLOWED, STATUS_USAGE, "config",
                                  "this path does not take that method");
        else
                api_answer_status(request, MHD_HTTP_NOT_FOUND, STATUS_USAGE, "config",
                                  "the daemon does not know this path");
        return false;
}

struct daemon *api_daemon(const struct api_request *request)
{
        return request->daemon;
}

const char *api_path_word(const struct api_request *request, size_t n)
{
        assert(n < strv_length(request->words));
        return request->words[n];
}

const char *api_query(const struct api_request *request, const char *name)
{
        return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static int check_fields_known(json_t *json, const struct json_field fields[], struct error **err)
{
        const char *names[32] = { 0 };
        for (size_t i = 0; fields[i].name; i++) {
                assert(i + 1 < ARRAY_LENGTH(names));
                names[i] = fields[i].name;
        }
        const char *key;
        json_t *value;
        json_object_foreach(json, key, value)
        {
                if (strv_contains((char *const *)names, key))
                        continue;
                _cleanup_free_ char *shown = str_one_line(key, 60);
                const char *nearest = nearest_word(key, names);
                return error_set(err, ERROR_CONFIG, "unknown field '%s' in the request%s%s%s",
                                 shown, nearest ? "; nearest: '" : "", nearest ? nearest : "",
                                 nearest ? "'" : "");
        }
        return 0;
}

int api_body(const struct api_request *request, const struct json_field fields[], void *ret,
             struct error **err)
{
        struct error *error = NULL;
        const char *text = request->body.length ? request->body.data : "{}";
        _cleanup_json_ json_t *json = json_read_document(text, strlen(text), "request", &error);
        if (json && strlen(text) < request->body.length)
                error_set(&error, ERROR_CONFIG, "the request has a NUL byte");
        if (!error && check_fields_known(json, fields, &error) == 0)
                (void)!json_fields_read(fields, json, "", ret, &error);
        if (!error)
                return 0;
        error->kind = ERROR_CONFIG;
        return error_propagate(err, error);
}

/* Stores the answer; a connection that was suspended for it is resumed. */
static void store_answer(struct api_request *request, unsigned status, const char *content_type,
                         char *text, struct stream *stream)
{
        assert(!request->answered);
        request->answered = true;
        request->status = status;
        request->content_type = content_type;
        request->text = text;
        request->stream = stream;
        if (!request->suspended)
                return;
        request->suspended = false;
        MHD_resume_connection(request->connection);
}

void api_answer_text(struct api_request *request, const char *content_type, char *text)
{
        store_answer(request, MHD_HTTP_OK, content_type, text, NULL);
}

void api_answer_json(struct api_request *request, json_t *json)
{
        char *text = json_write_line(json);
        json_decref(json);
        store_answer(request, MHD_HTTP_OK, "application/json", text, NULL);
}

void api_answer_stream(struct api_request *request, struct stream *stream)
{
        store_answer(request, MHD_HTTP_OK, "application/x-ndjson", NULL, stream);
}

void api_answer_status(struct api_request *request, unsigned status, int exit_status,
                       const char *kind, const char *message)
{
        _cleanup_json_ json_t *json = json_object();
        json_t *error = json_object();
        json_object_set_new(error, "kind", json_string(kind));
        json_object_set_new(error, "message", json_from_text(message));
        json_object_set_new(json, "error", error);
        json_object_set_new(json, "exit_status", json_integer(exit_status));
        store_answer(request, status, "application/json", json_write_line(json), NULL);
}

void api_answer_error(struct api_request *request, const struct error *error)
{
        static const struct {
                unsigned status;
                int exit_status;
        } by_kind[_ERROR_KIND_MAX] = {
                [ERROR_CONFIG] = { MHD_HTTP_BAD_REQUEST, STATUS_USAGE },
                [ERROR_AUTH] = { MHD_HTTP_FORBIDDEN, STATUS_REFUSED },
                [ERROR_UNREACHABLE] = { MHD_HTTP_SERVICE_UNAVAILABLE, STATUS_REFUSED },
                [ERROR_TIMEOUT] = { MHD_HTTP_SERVICE_UNAVAILABLE, STATUS_REFUSED },
                [ERROR_BUSY] = { MHD_HTTP_CONFLICT, STATUS_REFUSED },
                [ERROR_NOSPACE] = { MHD_HTTP_SERVICE_UNAVAILABLE, STATUS_REFUSED },
                [ERROR_CORRUPT] = { MHD_HTTP_INTERNAL_SERVER_ERROR, STATUS_JOB_FAILED },
                [ERROR_CANCELLED] = { MHD_HTTP_SERVICE_UNAVAILABLE, STATUS_REFUSED },
                [ERROR_REFUSED] = { MHD_HTTP_CONFLICT, STATUS_REFUSED },
                [ERROR_INTERNAL] = { MHD_HTTP_INTERNAL_SERVER_ERROR, STATUS_JOB_FAILED },
        };
        api_answer_status(request, by_kind[error->kind].status, by_kind[error->kind].exit_status,
                          error_kind_name(error->kind), error->message);
}

void api_answer_unavailable(struct api_request *request, const struct error *error)
{
        api_answer_status(request,
                          error->kind == ERROR_REFUSED ? MHD_HTTP_CONFLICT
                                                       : MHD_HTTP_SERVICE_UNAVAILABLE,
                          STATUS_REFUSED, error_kind_name(error->kind), error->message);
}

void api_answer_not_found(struct api_request *request, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *message = xvasprintf(format, ap);
        va_end(ap);
        api_answer_status(request, MHD_HTTP_NOT_FOUND, STATUS_USAGE, "config", message);
}
