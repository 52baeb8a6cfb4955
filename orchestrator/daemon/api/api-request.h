/* The request behind daemon/api/api.h, shared by the server (control-api.c) and api-request.c. */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/strings.h"
#include "daemon/api/api.h"

/* A larger body is refused. */
#define API_BODY_MAX_BYTES ((size_t)1 << 20)

struct api_request {
        struct daemon *daemon;
        struct MHD_Connection *connection;
        const struct api_route *route;
        char **words; /* the words of the URL for the {…} of its path */
        struct strbuf body;
        bool body_too_large;
        bool handled;   /* the handler has been called */
        bool suspended; /* its connection is; there is no answer yet */
        bool answered;
        unsigned status;
        const char *content_type;
        char *text;
        struct stream *stream;
};

struct api_request *api_request_new(struct daemon *daemon, struct MHD_Connection *connection);
struct api_request *api_request_free(struct api_request *request);
/* Finds the route in the table and fills in the words. Answers with 404 or 405 when there is none,
 * and returns false. */
bool api_request_find_route(struct api_request *request, const struct api_route *routes,
                            const char *method, const char *url);
void api_answer_status(struct api_request *request, unsigned status, int exit_status,
                       const char *kind, const char *message);
