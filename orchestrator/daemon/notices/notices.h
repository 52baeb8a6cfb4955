/* What the daemon tells people, and when: failures at once (many of one cause as one), the share,
 * the inventory and the clock when they fail and when they are well again, the week once. The
 * messages go through notify/outbox.h, which nothing here waits for; a daemon without any channel
 * does the same and tells nobody. */
#pragma once

#include <jansson.h>

#include "daemon/state/job-listener.h"
#include "notify/outbox.h"

struct daemon;
struct notices;

/* Reads the secrets, opens <state>/notify and takes up what waits there. */
struct notices *notices_new(struct daemon *daemon, struct error **err) _must_check_;
/* A delivery under way gets a moment to end. Returns NULL. */
struct notices *notices_free(struct notices *notices);
DEFINE_FREEP(struct notices, notices_free)

/* What informs the notices of jobs; valid until they are freed. */
const struct job_listener *notices_listener(const struct notices *notices);
/* Looks at the share, the inventory, the clock and the calendar; every few seconds. */
void notices_check(struct notices *notices);

/* Sends a test to a channel (NULL: all), as outbox_test() has it; ERROR_CONFIG when there is none
 * of that name, or none at all. When the daemon stops meanwhile only `done` is called. */
int notices_test(struct notices *notices, const char *channel,
                 void (*result)(void *data, const struct outbox_test *result),
                 void (*done)(void *data), void *data, struct error **err) _must_check_;
/* A scheduler's job failed. *ret_queued is false when it is one whose failures have been told, as
 * its batch has just ended so; where `bacula_job` is NULL, any batch. ERROR_CONFIG when no channel
 * takes failures. */
int notices_scheduler_failed(struct notices *notices, const char *job, const char *bacula_job,
                             const char *text, bool *ret_queued, struct error **err) _must_check_;
/* Tests that were asked for get their end. */
void notices_stop(struct notices *notices);

/* The channels, for GET /v1/status. The caller owns it. */
json_t *notices_to_json(const struct notices *notices);
/* What a person should know: messages that wait or were given up, secrets that are missing. Appends
 * to *warnings. */
void notices_warn(const struct notices *notices, char ***warnings);
