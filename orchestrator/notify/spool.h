/* A channel's messages on local disk, one file each, in order: <folder>/<number>.json, written
 * durably before anything is sent and removed once it was taken. What was given up is kept for
 * SPOOL_GIVEN_UP_DAYS in <folder>/given-up/. The index is in memory; nobody else writes there. */
#pragma once

#include "notify/notice.h"

/* Further messages are not taken. */
#define SPOOL_MAX_MESSAGES ((size_t)1000)
#define SPOOL_GIVEN_UP_MAX ((size_t)100)
#define SPOOL_GIVEN_UP_DAYS 7

struct spool;

struct spool_message {
        int64_t number; /* growing */
        int64_t created;
        int64_t not_before; /* epoch seconds; 0: at once */
        char *key;          /* by which it may still be changed; NULL: none */
};

/* Makes the folder where it is missing and reads what is there. A file that cannot be read is given
 * up with a warning. */
struct spool *spool_open(const char *folder, struct error **err) _must_check_;
struct spool *spool_free(struct spool *spool);
DEFINE_FREEP(struct spool, spool_free)

size_t spool_count(const struct spool *spool);
/* The n-th, oldest first. Valid until the spool changes. */
const struct spool_message *spool_at(const struct spool *spool, size_t n);
/* NULL when none has that key. */
const struct spool_message *spool_find(const struct spool *spool, const char *key);

/* Appends. ERROR_REFUSED when it is full. */
int spool_add(struct spool *spool, const struct notice *notice, const char *key, int64_t created,
              int64_t not_before, struct error **err) _must_check_;
/* Another text and moment for one that waits; it keeps its place. */
int spool_replace(struct spool *spool, int64_t number, const struct notice *notice,
                  int64_t not_before, struct error **err) _must_check_;
struct notice *spool_read(const struct spool *spool, int64_t number,
                          struct error **err) _must_check_;
/* It was taken. */
int spool_remove(struct spool *spool, int64_t number, struct error **err) _must_check_;
int spool_give_up(struct spool *spool, int64_t number, int64_t now,
                  struct error **err) _must_check_;
/* How many were given up in the last SPOOL_GIVEN_UP_DAYS. */
size_t spool_given_up(const struct spool *spool, int64_t now);
