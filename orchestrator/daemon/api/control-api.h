/* The server of the control API: HTTP/1.1 on the unix socket, by libmicrohttpd without threads of
 * its own: its epoll descriptor is a source of the daemon's loop. The routes are in api-*.c;
 * schema/openapi.yaml describes them.
 *
 * Access: the socket has mode 0660, and a peer must be root, the daemon's own user, or of the
 * socket's group. */
#pragma once

#include <stdint.h>

#include "base/error.h"

struct api_route;
struct daemon;
struct control_api;

/* Binds the socket (under a temporary name, listening, then renamed into place). ERROR_REFUSED when
 * another daemon listens there. Serves nothing yet. `routes` ends with a route without a method,
 * and outlives the server. */
struct control_api *control_api_new(struct daemon *daemon, const struct api_route *routes,
                                    struct error **err) _must_check_;
/* Requests are served from now on. */
int control_api_start(struct control_api *api, struct error **err) _must_check_;
/* Closes all connections and removes the socket. All requests must have been answered. Returns
 * NULL. */
struct control_api *control_api_free(struct control_api *api);
DEFINE_FREEP(struct control_api, control_api_free)

/* To be called before each wait of the loop: does the server's work. Returns how many milliseconds
 * the loop may wait at most; -1: without a limit. */
int control_api_turn(struct control_api *api);
/* Sends a keepalive to every stream that has sent nothing for `silent_ms`. */
void control_api_keep_alive(struct control_api *api, int64_t silent_ms);
/* Whether there are streams or answers that clients have not read completely. */
bool control_api_is_busy(const struct control_api *api);
