/* Sends a message to a webhook: one POST of JSON by HTTPS. TLS is always verified, redirects are
 * not followed, and every call has a deadline.
 *
 * The address is a secret: it is passed to libcurl and appears in no text. An error message is made
 * here from the kind of the failure and the server's answer; an answer that contains a part of the
 * address is not shown. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "schema/config/secrets.h"

/* A larger body is refused. */
#define WEBHOOK_BODY_MAX_BYTES ((size_t)256 << 10)
/* A longer Retry-After of a server is ignored. */
#define WEBHOOK_RETRY_AFTER_MAX_SECONDS ((int64_t)86400)

enum webhook_outcome {
        WEBHOOK_ACCEPTED, /* 2xx */
        /* a temporary failure: no connection, no answer in time, an untrusted certificate, 408,
           425, 429, 5xx */
        WEBHOOK_RETRY,
        WEBHOOK_REFUSED, /* a permanent failure: any other answer, or a request that we cannot send
                          */
};

struct webhook_request {
        const struct secret *address;
        /* trusted certificates; NULL: $SSL_CERT_FILE, else the system's */
        const char *ca_file;
        const char *body; /* JSON */
        /* sent as Idempotency-Key, so that a receiver can recognise a repeated message; NULL: none
         */
        const char *id;
        int64_t timeout_ms;
        /* called about every second; true ends the call with WEBHOOK_RETRY. May be NULL */
        bool (*cancelled)(void *data);
        void *data;
};

struct webhook_result {
        enum webhook_outcome outcome;
        long status;                 /* HTTP status; 0: there was no answer */
        int64_t retry_after_seconds; /* the server's Retry-After; 0: none */
        char *error;                 /* one line; NULL if it was accepted */
};

/* Sends the message. It blocks up to the deadline, so the daemon's event loop must not call it. The
 * caller releases *ret with webhook_result_done(). */
void webhook_post(const struct webhook_request *request, struct webhook_result *ret);
void webhook_result_done(struct webhook_result *result);
#define _cleanup_webhook_result_ _cleanup_(webhook_result_done)

/* The outcome for an HTTP status. */
enum webhook_outcome webhook_classify(long status);
/* Whether a text contains a part of an address that could reveal it: its host, or a word of six
 * bytes or more of its path or query. */
bool webhook_text_tells(const char *text, const struct secret *address);
