/* A channel's messages on local disk, one file each, in order: <folder>/<number>.json, written
 * durably before anything is sent, and removed when it is delivered. Dropped messages are kept for
 * SPOOL_GIVEN_UP_DAYS in <folder>/given-up/. The index is in memory; no other process writes there.
 */
#pragma once

#include "notify/notice.h"

/* Further messages are refused. */
#define SPOOL_MAX_MESSAGES ((size_t)1000)
#define SPOOL_GIVEN_UP_MAX ((size_t)100)
#define SPOOL_GIVEN_UP_DAYS 7

struct spool;

struct spool_message {
        int64_t number; /* growing */
        int64_t created;
        int64_t not_before; /* epoch seconds; 0: at once */
        char *key;          /* identifies it for spool_find(); NULL: none */
};

/* Makes the folder when it is missing, and reads its messages. A file that cannot be read is moved
 * to given-up/ with a warning. The caller frees. */
struct spool *spool_open(const char *folder, struct error **err) _must_check_;
struct spool *spool_free(struct spool *spool);
DEFINE_FREEP(struct spool, spool_free)

size_t spool_count(const struct spool *spool);
/* The n-th message, oldest first. Valid until the spool changes. */
const struct spool_message *spool_at(const struct spool *spool, size_t n);
/* The message of that key, or NULL. Valid until the spool changes. */
const struct spool_message *spool_find(const struct spool *spool, const char *key);

/* Appends a message durably. ERROR_REFUSED when the spool is full. */
int spool_add(struct spool *spool, const struct notice *notice, const char *key, int64_t created,
              int64_t not_before, struct error **err) _must_check_;
/* Replaces text and time of a waiting message; it keeps its place. */
int spool_replace(struct spool *spool, int64_t number, const struct notice *notice,
                  int64_t not_before, struct error **err) _must_check_;
struct notice *spool_read(const struct spool *spool, int64_t number,
                          struct error **err) _must_check_;
/* Removes a delivered message. */
int spool_remove(struct spool *spool, int64_t number, struct error **err) _must_check_;
int spool_give_up(struct spool *spool, int64_t number, int64_t now,
                  struct error **err) _must_check_;
/* How many messages were dropped in the last SPOOL_GIVEN_UP_DAYS. */
size_t spool_given_up(const struct spool *spool, int64_t now);
