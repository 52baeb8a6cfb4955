/* Implements daemon/api/metrics-server.h by a second libmicrohttpd server in the loop, which
 * answers every request at once. */
#include "daemon/api/metrics-server.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/metrics.h"
#include "daemon/state/state.h"

enum { CONNECTIONS_MAX = 16, IDLE_SECONDS = 10, LISTEN_BACKLOG = 16 };

struct metrics_server {
        struct daemon *daemon;
        int listen_fd; /* until the library has it */
        struct MHD_Daemon *server;
        struct loop_source *source;
};

static void on_metrics_io(void *data, uint32_t events)
{
        (void)data;
        (void)events;
        /* The work is done in metrics_server_turn(), before the next wait. */
}

static enum MHD_Result send_plain_text(struct MHD_Connection *connection, unsigned status,
                                       char *text)
{
        struct MHD_Response *response =
                MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
        if (!response)
                return MHD_NO;
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, METRICS_CONTENT_TYPE);
        enum MHD_Result r = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
        return r;
}

static enum MHD_Result on_metrics_request(void *data, struct MHD_Connection *connection,
                                          const char *url, const char *method, const char *version,
                                          const char *upload, size_t *upload_size, void **slot)
{
        (void)version;
        (void)upload;
        static char seen; /* the first call has the head alone */
        struct metrics_server *server = data;
        if (!*slot) {
                *slot = &seen;
                return MHD_YES;
        }
        if (*upload_size) {
                *upload_size = 0;
                return MHD_YES;
        }
        if (strcmp(url, "/metrics") != 0)
                return send_plain_text(connection, MHD_HTTP_NOT_FOUND,
                                       xstrdup("only /metrics is here\n"));
        if (strcmp(method, "GET") != 0)
                return send_plain_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                                       xstrdup("only GET\n"));
        return send_plain_text(connection, MHD_HTTP_OK, metrics_text(server->daemon));
}

static int bind_address(struct metrics_server *server, const char *listen_at, struct error **err)
{
        const char *colon = strrchr(listen_at, ':');
        bool brackets = listen_at[0] == '[';
        _cleanup_free_ char *address =
                xstrndup(listen_at + brackets, (size_t)(colon - listen_at) - 2 * brackets);
        const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                        .ai_socktype = SOCK_STREAM };
        struct addrinfo *found = NULL;
        int r = getaddrinfo(address, colon + 1, &hints, &found);
        if (r != 0)
                return error_set(err, ERROR_CONFIG,
                                 "metrics.listen: %s: expected a numeric address, such as "
                                 "127.0.0.1:9188 or [::1]:9188",
                                 listen_at);
        const int on = 1;
        server->listen_fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        bool bound = server->listen_fd >= 0 &&
                     setsockopt(server->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                     bind(server->listen_fd, found->ai_addr, found->ai_addrlen) == 0 &&
                     listen(server->listen_fd, LISTEN_BACKLOG) == 0;
        int errnum = errno;
        freeaddrinfo(found);
        return bound ? 0
                     : error_set_errno(err, ERROR_INTERNAL, errnum,
                                       "metrics.listen: cannot listen on %s", listen_at);
}

struct metrics_server *metrics_server_new(struct daemon *daemon, const char *listen_at,
                                          struct error **err)
{
        _cleanup_(metrics_server_freep) struct metrics_server *server = xcalloc(1, sizeof *server);
        server->daemon = daemon;
        server->listen_fd = -1;
        if (bind_address(server, listen_at, err) < 0)
                return NULL;
        server->server = MHD_start_daemon(
                MHD_USE_EPOLL, 0, NULL, NULL, on_metrics_request, server, MHD_OPTION_LISTEN_SOCKET,
                server->listen_fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
        if (!server->server) {
                error_set(err, ERROR_INTERNAL, "cannot start the server on %s", listen_at);
                return NULL;
        }
        (void)TAKE_FD(server->listen_fd);
        const union MHD_DaemonInfo *info =
                MHD_get_daemon_info(server->server, MHD_DAEMON_INFO_EPOLL_FD);
        server->source =
                loop_add_io(daemon->loop, info->epoll_fd, EPOLLIN, on_metrics_io, server, err);
        return server->source ? TAKE_PTR(server) : NULL;
}

struct metrics_server *metrics_server_free(struct metrics_server *server)
{
        if (!server)
                return NULL;
        loop_source_free(server->source);
        if (server->server)
                MHD_stop_daemon(server->server);
        closep(&server->listen_fd);
        free(server);
        return NULL;
}

int metrics_server_turn(struct metrics_server *server)
{
        if (!server)
                return -1;
        MHD_UNSIGNED_LONG_LONG timeout = 0;
        (void)MHD_run(server->server);
        if (MHD_get_timeout(server->server, &timeout) != MHD_YES)
                return -1;
        return timeout > INT32_MAX ? INT32_MAX : (int)timeout;
}
