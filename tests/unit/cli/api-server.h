/* A small HTTP server on a unix socket that answers as a test scripts it: the daemon's place in
 * tests of its client. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

/* A piece of a streamed answer, sent after a pause. */
struct api_chunk {
        const char *text; /* NULL ends the script */
        unsigned after_ms;
};

struct api_answer {
        const char *path; /* "/v1/run", with the query; NULL ends the list */
        /* only when this is part of what was posted; NULL: whatever it was */
        const char *posted;
        unsigned status;                /* 0: 200 */
        const char *json;               /* a plain answer, or */
        const struct api_chunk *chunks; /* a stream, which then */
        bool breaks;                    /* is broken off, or */
        bool hangs;                     /* stays open and silent, or (neither) ends in order */
};

struct api_server;

/* Serves `answers` (which outlive it) at a new socket; any other path is answered with 404. */
struct api_server *api_server_start(const struct api_answer answers[]);
struct api_server *api_server_stop(struct api_server *server);
DEFINE_FREEP(struct api_server, api_server_stop)
#define _cleanup_api_server_ _cleanup_(api_server_stopp)

const char *api_server_socket(const struct api_server *server);
/* How many requests came, and what was posted last ("" for nothing). */
size_t api_server_requests(const struct api_server *server);
const char *api_server_posted(const struct api_server *server);
