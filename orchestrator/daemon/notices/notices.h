/* Messages to people: failures at once (many with one cause as one message), the share, the
 * inventory and the clock when they fail and when they work again, a summary once a week. They go
 * through notify/outbox.h, which nothing here waits for; without any channel the daemon does the
 * same, and nothing is sent. */
#pragma once

#include <jansson.h>

#include "daemon/state/job-listener.h"
#include "notify/outbox.h"

struct daemon;
struct notices;

/* Reads the secrets, opens <state>/notify and resumes delivery of what is queued there. */
struct notices *notices_new(struct daemon *daemon, struct error **err) _must_check_;
/* Gives a delivery under way some time to end. Returns NULL. */
struct notices *notices_free(struct notices *notices);
DEFINE_FREEP(struct notices, notices_free)

/* The listener that informs the notices of jobs; valid until they are freed. */
const struct job_listener *notices_listener(const struct notices *notices);
/* Checks the share, the inventory, the clock and the calendar; called every few seconds. */
void notices_check(struct notices *notices);

/* Sends a test message to a channel (NULL: all), see outbox_test(); ERROR_CONFIG when there is no
 * such channel, or none at all. When the daemon stops meanwhile, only `done` is called. */
int notices_test(struct notices *notices, const char *channel,
                 void (*result)(void *data, const struct outbox_test *result),
                 void (*done)(void *data), void *data, struct error **err) _must_check_;
/* A scheduler's job failed. *ret_queued is false when its failure was sent already, because its
 * batch has just failed; with `bacula_job` NULL, any batch. ERROR_CONFIG when no channel takes
 * failures. */
int notices_scheduler_failed(struct notices *notices, const char *job, const char *bacula_job,
                             const char *text, bool *ret_queued, struct error **err) _must_check_;
/* Calls `done` of the tests under way. */
void notices_stop(struct notices *notices);

/* The channels, for GET /v1/status. The caller owns it. */
json_t *notices_to_json(const struct notices *notices);
/* Appends to *warnings: messages that wait or were dropped, secrets that are missing. */
void notices_warn(const struct notices *notices, char ***warnings);
