/* The client of the daemon's control API: HTTP and JSON over its unix socket. A client that goes
 * away never hurts a job.
 *
 * Each function returns a `status` of cli.h: STATUS_OK, or what the command has to exit with, with
 * *err then set: STATUS_NO_DAEMON when the daemon cannot be reached, stays mute, or goes away; else
 * the exit status that the daemon put into its answer. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

struct client;

/* `socket` is the path of the daemon's socket. The caller frees. */
struct client *client_new(const char *socket);
struct client *client_free(struct client *client);
DEFINE_FREEP(struct client, client_free)
#define _cleanup_client_ _cleanup_(client_freep)

/* How long the daemon may be silent before it counts as gone (default 60 s: it sends a sign of life
 * every 10 s). */
void client_set_silence_ms(struct client *client, long milliseconds);

/* One word of a path or query, percent-encoded. The caller frees. */
char *client_escape(const char *text);

/* One call with a JSON answer. `body` is NULL for GET, else what is posted (kept by the caller).
 * *ret is the caller's. */
int client_call(struct client *client, const char *path, const json_t *body, json_t **ret,
                struct error **err) _must_check_;

enum client_next { CLIENT_GO_ON, CLIENT_STOP };
struct client_stream {
        /* Called for each line of the stream, the end's included; keepalives are left out.
         * CLIENT_STOP ends the call. */
        enum client_next (*on_line)(const json_t *line, void *data);
        /* Called when SIGINT or SIGTERM comes, unless it is NULL; the call then ends with
         * STATUS_INTERRUPTED and no error. */
        void (*on_interrupt)(void *data);
        /* Called about every `tick_ms`, between two lines; NULL: never. What it takes delays the
         * lines. */
        void (*on_tick)(void *data);
        int64_t tick_ms;
        void *data;
};

/* One call whose answer is a stream of JSON lines. Returns the exit status of the stream's end
 * event; STATUS_INTERRUPTED without an error when a signal or on_line stopped it; or fails as
 * above. Lines that are no JSON object or longer than 1 MiB are skipped with a warning. Blocks
 * SIGINT and SIGTERM while it runs. */
int client_stream(struct client *client, const char *path, const json_t *body,
                  const struct client_stream *stream, struct error **err) _must_check_;
