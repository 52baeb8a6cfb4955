/* Implements daemon/api/control-api.h over libmicrohttpd in its external epoll mode.
 *
 * A connection is suspended while its request waits for an answer, and while its stream has no line
 * to send. The library does not notice a peer that closes while it is suspended, hence the
 * keepalives. Every suspended connection has to be resumed before the server is stopped. */
#include "daemon/api/control-api.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/api/api-request.h"
#include "daemon/api/peer.h"
#include "daemon/state/state.h"
#include "daemon/state/stream-lines.h"
#include "daemon/state/stream.h"
#include "schema/records/exit-status.h"

enum {
        CONNECTIONS_MAX = 64,
        IDLE_SECONDS = 60,
        BLOCK_BYTES = 32768,
        ROUNDS_PER_TURN = 8,
        LISTEN_BACKLOG = 64
};

/* A stream on its way to a client. */
struct delivery {
        struct control_api *api;
        struct stream *stream;
        struct MHD_Connection *connection;
        bool suspended;
        struct delivery *next;
        struct delivery *previous;
};

struct control_api {
        struct daemon *daemon;
        const struct api_route *routes;
        char *path;
        int listen_fd;
        bool bound;
        gid_t group; /* of the socket's file */
        struct MHD_Daemon *server;
        struct loop_source *source;
        struct delivery *deliveries;
        size_t n_requests; /* being answered */
};

static void on_api_io(void *data, uint32_t events)
{
        (void)data;
        (void)events;
        /* The work is done in control_api_turn(), before the next wait. */
}

static void delivery_readable(void *data)
{
        struct delivery *delivery = data;
        if (stream_is_cut(delivery->stream)) {
                const union MHD_ConnectionInfo *info = MHD_get_connection_info(
                        delivery->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
                log_warning("a client of the control API reads too slowly and is disconnected");
                if (info)
                        shutdown(info->connect_fd, SHUT_RDWR);
        }
        if (delivery->suspended) {
                delivery->suspended = false;
                MHD_resume_connection(delivery->connection);
        }
}

static ssize_t delivery_read(void *data, uint64_t position, char *buffer, size_t size)
{
        (void)position;
        struct delivery *delivery = data;
        ssize_t n = stream_read(delivery->stream, buffer, size);
        if (n == -1)
                return MHD_CONTENT_READER_END_OF_STREAM;
        if (n < 0)
                return MHD_CONTENT_READER_END_WITH_ERROR;
        if (n == 0) {
                delivery->suspended = true;
                MHD_suspend_connection(delivery->connection);
        }
        return n;
}

static void delivery_free(void *data)
{
        struct delivery *delivery = data;
        if (delivery->previous)
                delivery->previous->next = delivery->next;
        else
                delivery->api->deliveries = delivery->next;
        if (delivery->next)
                delivery->next->previous = delivery->previous;
        stream_free(delivery->stream);
        free(delivery);
}

static struct MHD_Response *stream_response(struct control_api *api, struct api_request *request)
{
        struct delivery *delivery = xcalloc(1, sizeof *delivery);
        delivery->api = api;
        delivery->stream = TAKE_PTR(request->stream);
        delivery->connection = request->connection;
        delivery->next = api->deliveries;
        if (api->deliveries)
                api->deliveries->previous = delivery;
        api->deliveries = delivery;
        stream_on_readable(delivery->stream, delivery_readable, delivery);
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, delivery_read,
                                                 delivery, delivery_free);
}

static enum MHD_Result send_answer(struct control_api *api, struct api_request *request)
{
        struct MHD_Response *response;
        if (request->stream) {
                response = stream_response(api, request);
        } else {
                char *text = TAKE_PTR(request->text);
                response =
                        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
        }
        if (!response)
                return MHD_NO;
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                      request->content_type);
        enum MHD_Result r = MHD_queue_response(request->connection, request->status, response);
        MHD_destroy_response(response);
        return r;
}

static enum MHD_Result check_query_name(void *data, enum MHD_ValueKind kind, const char *name,
                                        const char *value)
{
        (void)kind;
        (void)value;
        struct api_request *request = data;
        const char *const *known = request->route->query;
        if (request->answered || (known && strv_contains((char *const *)known, name)))
                return MHD_YES;
        const char *nearest = known ? nearest_word(name, known) : NULL;
        _cleanup_free_ char *shown = str_one_line(name, 60);
        _cleanup_free_ char *message = xasprintf("unknown query parameter '%s'%s%s%s", shown,
                                                 nearest ? "; nearest: '" : "",
                                                 nearest ? nearest : "", nearest ? "'" : "");
        api_answer_status(request, MHD_HTTP_BAD_REQUEST, STATUS_USAGE, "config", message);
        return MHD_YES;
}

static void handle_request(struct control_api *api, struct api_request *request, const char *method,
                           const char *url)
{
        request->handled = true;
        _cleanup_error_ struct error *error = NULL;
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (peer_check(info->connect_fd, api->group, method, url, &error) < 0) {
                api_answer_error(request, error);
                return;
        }
        if (api->daemon->phase >= DAEMON_CLOSING) {
                api_answer_status(request, MHD_HTTP_SERVICE_UNAVAILABLE, STATUS_REFUSED,
                                  "cancelled", "the daemon is stopping");
                return;
        }
        if (request->body_too_large) {
                api_answer_status(request, MHD_HTTP_CONTENT_TOO_LARGE, STATUS_USAGE, "config",
                                  "the request is larger than 1 MiB");
                return;
        }
        if (!api_request_find_route(request, api->routes, method, url))
                return;
        MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, check_query_name,
                                  request);
        if (!request->answered)
                request->route->handle(api->daemon, request);
}

static enum MHD_Result on_api_request(void *data, struct MHD_Connection *connection,
                                      const char *url, const char *method, const char *version,
                                      const char *upload, size_t *upload_size, void **request_slot)
{
        (void)version;
        struct control_api *api = data;
        struct api_request *request = *request_slot;
        if (!request) {
                *request_slot = api_request_new(api->daemon, connection);
                api->n_requests++;
                return MHD_YES;
        }
        if (*upload_size) {
                if (request->body.length + *upload_size > API_BODY_MAX_BYTES)
                        request->body_too_large = true;
                else
                        strbuf_append(&request->body, upload, *upload_size);
                *upload_size = 0;
                return MHD_YES;
        }
        if (!request->handled)
                handle_request(api, request, method, url);
        if (request->answered)
                return send_answer(api, request);
        request->suspended = true;
        MHD_suspend_connection(connection);
        return MHD_YES;
}

static void on_completed(void *data, struct MHD_Connection *connection, void **request_slot,
                         enum MHD_RequestTerminationCode code)
{
        (void)connection;
        (void)code;
        struct control_api *api = data;
        if (!*request_slot)
                return;
        *request_slot = api_request_free(*request_slot);
        api->n_requests--;
}

_printf_(2, 0) static void on_library_message(void *data, const char *format, va_list ap)
{
        (void)data;
        _cleanup_free_ char *text = xvasprintf(format, ap);
        log_debug("HTTP server: %s", text);
}

static int socket_address(const char *path, struct sockaddr_un *ret, struct error **err)
{
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof ret->sun_path)
                return error_set(
                        err, ERROR_CONFIG,
                        "the socket's path %s is longer than the %zu bytes that a socket can have",
                        path, sizeof ret->sun_path - 1);
        memcpy(ret->sun_path, path, strlen(path));
        return 0;
}

static int refuse_if_answered(const char *path, struct error **err)
{
        struct sockaddr_un address;
        if (socket_address(path, &address, err) < 0)
                return -1;
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot make a socket");
        /* EAGAIN: the backlog of the listener is full, so there is one. */
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN)
                return error_set(err, ERROR_REFUSED,
                                 "another daemon answers on %s; `orch status` shows it", path);
        if (errno != ENOENT && errno != ECONNREFUSED)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot determine whether a daemon listens on %s", path);
        return 0;
}

/* It listens before it gets its name, so that no client finds a socket that refuses; a stale socket
 * is replaced by the same rename. */
static int bind_socket(struct control_api *api, struct error **err)
{
        _cleanup_free_ char *temporary = xasprintf("%s.%d", api->path, (int)getpid());
        struct sockaddr_un address;
        if (refuse_if_answered(api->path, err) < 0 || socket_address(temporary, &address, err) < 0)
                return -1;
        api->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (api->listen_fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot make a socket");
        (void)unlink(temporary);
        mode_t old = umask(0117);
        int r = bind(api->listen_fd, (const struct sockaddr *)&address, sizeof address);
        int errnum = errno;
        umask(old);
        if (r < 0)
                return error_set_errno(
                        err, ERROR_INTERNAL, errnum,
                        "cannot make the socket %s (is its folder there and writable?)", api->path);
        if (listen(api->listen_fd, LISTEN_BACKLOG) < 0 || rename(temporary, api->path) < 0) {
                error_set_errno(err, ERROR_INTERNAL, errno, "cannot listen on %s", api->path);
                (void)unlink(temporary);
                return -1;
        }
        api->bound = true;
        struct stat st;
        api->group = stat(api->path, &st) == 0 ? st.st_gid : getegid();
        return 0;
}

struct control_api *control_api_new(struct daemon *daemon, const struct api_route *routes,
                                    struct error **err)
{
        _cleanup_(control_api_freep) struct control_api *api = xcalloc(1, sizeof *api);
        api->daemon = daemon;
        api->routes = routes;
        api->path = xstrdup(daemon->settings->socket);
        api->listen_fd = -1;
        if (bind_socket(api, err) < 0)
                return NULL;
        return TAKE_PTR(api);
}

int control_api_start(struct control_api *api, struct error **err)
{
        api->server = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
                                       0, NULL, NULL, on_api_request, api, MHD_OPTION_LISTEN_SOCKET,
                                       api->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
                                       (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                       (unsigned)IDLE_SECONDS, MHD_OPTION_NOTIFY_COMPLETED,
                                       on_completed, api, MHD_OPTION_EXTERNAL_LOGGER,
                                       on_library_message, NULL, MHD_OPTION_END);
        const union MHD_DaemonInfo *info =
                api->server ? MHD_get_daemon_info(api->server, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
        if (!info)
                return error_set(err, ERROR_INTERNAL, "cannot start the server of the control API");
        api->source = loop_add_io(api->daemon->loop, info->epoll_fd, EPOLLIN, on_api_io, api, err);
        return api->source ? 0 : -1;
}

int control_api_turn(struct control_api *api)
{
        if (!api->server)
                return -1;
        /* Several rounds, since one round sends at most one block to each client; not more, so that
         * the other sources of the loop get their turn. */
        MHD_UNSIGNED_LONG_LONG timeout = 0;
        for (int round = 0; round < ROUNDS_PER_TURN && timeout == 0; round++) {
                (void)MHD_run(api->server);
                if (MHD_get_timeout(api->server, &timeout) != MHD_YES)
                        return -1;
        }
        return timeout > INT32_MAX ? INT32_MAX : (int)timeout;
}

void control_api_keep_alive(struct control_api *api, int64_t silent_ms)
{
        int64_t now = clock_monotonic_ms();
        _cleanup_free_ char *line = line_keepalive();
        for (struct delivery *delivery = api->deliveries; delivery; delivery = delivery->next)
                if (now - stream_last_push_ms(delivery->stream) >= silent_ms)
                        stream_push(delivery->stream, line, "keepalive");
}

bool control_api_is_busy(const struct control_api *api)
{
        return api->n_requests > 0;
}

struct control_api *control_api_free(struct control_api *api)
{
        if (!api)
                return NULL;
        loop_source_free(api->source);
        if (api->server) {
                /* What a client has not read by now is lost; no connection may be suspended when
                 * the server ends. */
                for (struct delivery *delivery = api->deliveries; delivery;
                     delivery = delivery->next)
                        stream_cut(delivery->stream);
                (void)MHD_run(api->server);
                MHD_stop_daemon(api->server);
        } else {
                closep(&api->listen_fd);
        }
        if (api->bound)
                (void)unlink(api->path);
        free(api->path);
        free(api);
        return NULL;
}
