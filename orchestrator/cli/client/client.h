/* The client of the daemon's control API: HTTP and JSON over its unix socket. Jobs do not depend on
 * it: if a client ends, they continue.
 *
 * Each function returns a `status` of cli.h: STATUS_OK, or the command's exit status with *err set.
 * It is STATUS_NO_DAEMON if the daemon cannot be reached, is silent for too long or stops;
 * otherwise it is the exit status in the daemon's answer. */
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

/* How long the daemon may be silent before a call fails. The default is 60 s; the daemon sends a
 * keepalive every 10 s. */
void client_set_silence_ms(struct client *client, long milliseconds);

/* Percent-encodes one word of a path or query. The caller frees. */
char *client_escape(const char *text);

/* Makes a call whose answer is one JSON value. `body` is NULL for GET, otherwise it is posted; the
 * caller keeps it. The caller owns *ret. */
int client_call(struct client *client, const char *path, const json_t *body, json_t **ret,
                struct error **err) _must_check_;

enum client_next { CLIENT_GO_ON, CLIENT_STOP };
struct client_stream {
        /* Called for each line of the stream, including the end event, but not for keepalives.
         * CLIENT_STOP ends the call. */
        enum client_next (*on_line)(const json_t *line, void *data);
        /* Called on SIGINT or SIGTERM, unless NULL; the call then ends with STATUS_INTERRUPTED and
         * no error. */
        void (*on_interrupt)(void *data);
        /* Called about every `tick_ms`, between two lines; NULL: never. Lines wait while it runs.
         */
        void (*on_tick)(void *data);
        int64_t tick_ms;
        void *data;
};

/* Makes a call whose answer is a stream of JSON lines. Returns the exit status of the stream's end
 * event; STATUS_INTERRUPTED without an error if a signal or on_line stopped it; or fails as above.
 * Lines that are not a JSON object, or longer than 1 MiB, are skipped with a warning. SIGINT and
 * SIGTERM are blocked while it runs. */
int client_stream(struct client *client, const char *path, const json_t *body,
                  const struct client_stream *stream, struct error **err) _must_check_;
