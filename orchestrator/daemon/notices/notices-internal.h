/* What the files behind daemon/notices/notices.h share: notices.c (the queue in the loop),
 * failure-watch.c (jobs), state-watch.c (share, inventory, clock), week-watch.c (the summary of the
 * week). */
#pragma once

#include "daemon/loop/loop.h"
#include "daemon/notices/notices.h"
#include "notify/failure.h"
#include "notify/incidents.h"

/* A Director runs about ten at once, and each asks as soon as it has failed. */
enum { TOLD_BACULA_JOBS = 64 };

/* What has to survive a restart beside the queue and the incidents: <state>/notify/state.json.
 * Epoch seconds; 0: never. */
struct kept_moments {
        int64_t first_started;   /* of the first daemon with this state folder */
        int64_t last_begun;      /* of any backup */
        int64_t dead_clock_slot; /* the last slot that was judged */
        int64_t summary_told;    /* the end of the last week that was told */
        int64_t free_bytes;      /* of the share, when the last summary was made */
        int64_t free_at;
};

/* The alert about a cause that may still be changed. */
struct open_alert {
        char *cause;
        char *key; /* in the outbox */
        struct failure *first;
        int64_t until;
};

/* A failure whose alert waits for a look at the share. */
struct unjudged {
        struct notices *notices;
        struct failure *failure;
        struct unjudged *next;
};

struct running_test {
        struct notices *notices;
        void (*result)(void *data, const struct outbox_test *result);
        void (*done)(void *data);
        void *data; /* of the asker */
        struct running_test *next;
};

struct notices {
        struct daemon *daemon;
        char *folder;
        struct outbox *outbox;
        struct channel_source *sources; /* one a channel */
        struct loop_source *timer;
        struct incidents *incidents;
        struct kept_moments kept;
        struct open_alert *alerts;
        size_t n_alerts;
        struct unjudged *unjudged;
        char **recoveries_told; /* VMs whose recovery failed, until one succeeds */
        struct running_test *tests;
        int64_t batch_failed_ms;                  /* monotonic; 0: none has */
        char *told_bacula_jobs[TOLD_BACULA_JOBS]; /* a ring of those whose batches failed last */
        size_t next_told;
        int64_t next_clock_look;
        bool stopping;
};

/* Puts it into the queue (see outbox_add()) and gets that going. Takes the notice over. */
void notices_add(struct notices *notices, struct notice *notice, const char *key,
                 unsigned hold_seconds);
void notices_keep(const struct notices *notices);
char *notices_path(const struct notices *notices, const char *name);

/* failure-watch.c */
void open_alerts_done(struct notices *notices);
/* state-watch.c */
void state_watch_share(struct notices *notices, int64_t now);
void state_watch_inventory(struct notices *notices, int64_t now);
void state_watch_clock(struct notices *notices, int64_t now);
void state_watch_clock_begun(struct notices *notices, int64_t now);
/* week-watch.c */
void week_watch_init(struct notices *notices, int64_t now);
void week_watch_record(struct notices *notices, const struct job *job);
void week_watch_check(struct notices *notices, int64_t now);
void week_watch_cycle_ended(struct notices *notices, int64_t now);
