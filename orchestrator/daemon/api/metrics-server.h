/* GET /metrics on a TCP address (metrics.listen), and nothing else: no other route of the control
 * API is reachable over the network. */
#pragma once

#include "base/error.h"

struct daemon;
struct metrics_server;

/* `listen`: ADDRESS:PORT with a numeric address, since resolving a name could block. */
struct metrics_server *metrics_server_new(struct daemon *daemon, const char *listen,
                                          struct error **err) _must_check_;
struct metrics_server *metrics_server_free(struct metrics_server *server);
DEFINE_FREEP(struct metrics_server, metrics_server_free)

/* As control_api_turn(); NULL is allowed. */
int metrics_server_turn(struct metrics_server *server);
