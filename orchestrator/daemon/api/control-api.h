/* The control API's server: HTTP/1.1 on the unix socket (and /metrics alone on metrics.listen), by
 * libmicrohttpd without threads of its own: its epoll descriptor sits in the daemon's loop. What
 * the routes answer is in api-*.c; schema/openapi.yaml describes them.
 *
 * Access: the socket is made with mode 0660, and a peer must be root, the daemon's own user, or of
 * the socket's group. */
#pragma once

#include <stdint.h>

#include "base/error.h"

struct api_route;
struct daemon;
struct control_api;

/* Binds the socket (a temporary name, listening, then renamed into place). ERROR_REFUSED when
 * another daemon listens there. Serves nothing yet. `routes` ends with one that has no method, and
 * outlives the server. */
struct control_api *control_api_new(struct daemon *daemon, const struct api_route *routes,
                                    struct error **err) _must_check_;
/* From now on requests are taken. */
int control_api_start(struct control_api *api, struct error **err) _must_check_;
/* Closes all connections and removes the socket. All requests have to have been answered. Returns
 * NULL. */
struct control_api *control_api_free(struct control_api *api);
DEFINE_FREEP(struct control_api, control_api_free)

/* To be called before each wait of the loop: does the server's work. Returns for how long the loop
 * may wait at most; -1: for ever. */
int control_api_turn(struct control_api *api);
/* Sends a keepalive to every stream that has been silent for that long. */
void control_api_keep_alive(struct control_api *api, int64_t silent_ms);
/* Whether there are streams or answers that clients have not read to their end. */
bool control_api_is_busy(const struct control_api *api);
