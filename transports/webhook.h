/* A message to a webhook: one POST of JSON by HTTPS, and what came of it. TLS is verified always,
 * redirects are not followed, and every call has a deadline.
 *
 * The address is a secret: it goes to libcurl and into no text. What is said of a failure is made
 * here from the kind of the failure and the server's answer; an answer that repeats a part of the
 * address is not shown. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "schema/config/secrets.h"

/* A larger body is refused. */
#define WEBHOOK_BODY_MAX_BYTES ((size_t)256 << 10)
/* No longer wait is believed of a server. */
#define WEBHOOK_RETRY_AFTER_MAX_SECONDS ((int64_t)86400)

enum webhook_outcome {
        WEBHOOK_ACCEPTED, /* 2xx */
        /* it may pass: no connection, no answer in time, a certificate that is not believed, 408,
         * 425, 429, 5xx */
        WEBHOOK_RETRY,
        WEBHOOK_REFUSED, /* the server (or we) will never take it: any other answer */
};

struct webhook_request {
        const struct secret *address;
        /* certificates that are believed; NULL: $SSL_CERT_FILE, else the system's */
        const char *ca_file;
        const char *body; /* JSON */
        /* sent as Idempotency-Key, so that a receiver can tell a second try; NULL: none */
        const char *id;
        int64_t timeout_ms;
        /* asked about every second; true ends the call as WEBHOOK_RETRY. May be NULL */
        bool (*cancelled)(void *data);
        void *data;
};

struct webhook_result {
        enum webhook_outcome outcome;
        long status;                 /* of HTTP; 0: there was no answer */
        int64_t retry_after_seconds; /* the server asked for it; 0: it did not */
        char *error;                 /* one line; NULL when it was accepted */
};

/* Blocks up to the deadline: not for the daemon's loop. Fills in *ret, to be released with
 * webhook_result_done(). */
void webhook_post(const struct webhook_request *request, struct webhook_result *ret);
void webhook_result_done(struct webhook_result *result);
#define _cleanup_webhook_result_ _cleanup_(webhook_result_done)

/* What an HTTP status means. */
enum webhook_outcome webhook_classify(long status);
/* Whether a text has any part of an address in it that could give it away: its host, a word of its
 * path or query of six bytes or more. */
bool webhook_text_tells(const char *text, const struct secret *address);
