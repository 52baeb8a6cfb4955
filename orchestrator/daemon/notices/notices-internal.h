/* What the files behind daemon/notices/notices.h share. Each watch decides which messages there are
 * and adds them to the queue; notices.c calls the watches. */
#pragma once

#include "daemon/loop/loop.h"
#include "daemon/notices/notices.h"
#include "notify/failure.h"
#include "notify/incidents.h"

/* A Director runs about ten jobs at once, and each asks as soon as it has failed. */
enum { REPORTED_BACULA_JOBS = 64 };

/* What has to survive a restart besides the queue and the incidents: <state>/notify/state.json.
 * Epoch seconds; 0: never. */
struct kept_moments {
        int64_t first_started;   /* of the first daemon with this state folder */
        int64_t last_begun;      /* of any backup */
        int64_t dead_clock_slot; /* the last slot that was checked */
        int64_t summary_told;    /* the end of the last week that was sent */
        int64_t free_bytes;      /* of the share, when the last summary was made */
        int64_t free_at;
};

/* An alert that may still be changed. */
struct open_alert {
        char *cause;
        char *key; /* in the outbox */
        struct failure *first;
        int64_t until;
};

/* A failure whose alert waits for a check of the share. */
struct unjudged {
        struct notices *notices;
        struct failure *failure;
        struct unjudged *next;
};

struct running_test {
        struct notices *notices;
        void (*result)(void *data, const struct outbox_test *result);
        void (*done)(void *data);
        void *data; /* of the caller */
        struct running_test *next;
};

struct notices {
        struct daemon *daemon;
        struct job_listener listener;
        char *folder;
        struct outbox *outbox;
        struct channel_source *sources; /* one a channel */
        struct loop_source *timer;
        struct incidents *incidents;
        struct kept_moments kept;
        struct open_alert *alerts;
        size_t n_alerts;
        struct unjudged *unjudged;
        char **recoveries_reported; /* VMs whose recovery failed, until one succeeds */
        struct running_test *tests;
        int64_t batch_failed_ms;                          /* monotonic; 0: none has */
        char *reported_bacula_jobs[REPORTED_BACULA_JOBS]; /* a ring of those whose batches failed
                                                             last */
        size_t next_reported;
        int64_t next_clock_look;
        bool stopping;
};

/* notices-queue.c: the outbox in the loop, under <state>/notify. */
/* Opens it with the channels of the settings and secrets, and continues delivery. */
int notices_queue_open(struct notices *notices, struct error **err) _must_check_;
/* Also after an open that failed. */
void notices_queue_close(struct notices *notices);
/* Adds a notice (see outbox_add()) and starts its delivery. Takes ownership of the notice. */
void notices_queue_add(struct notices *notices, struct notice *notice, const char *key,
                       unsigned hold_seconds);
/* Path of a file in <state>/notify. The caller frees. */
char *notices_queue_path(const struct notices *notices, const char *name);

/* kept-moments.c */
void kept_moments_load(struct notices *notices);
/* Writes `notices->kept`; a failure is only logged. */
void kept_moments_write(const struct notices *notices);
/* A clock that was wrong may have left times in the future, which would suppress for years the
 * messages that depend on them: such times become `now`. Up to a day ahead is accepted, since a
 * clock that is set back by hours must not repeat messages. */
void kept_moments_limit(struct notices *notices, int64_t now);

/* failure-watch.c */
void failure_watch_done(struct notices *notices);
void failure_watch_job_warned(struct notices *notices, const struct job *job, const char *text);
void failure_watch_job_ended(struct notices *notices, const struct job *job);
/* `job` has its id, VM, hypervisor, error and end. */
void failure_watch_job_interrupted(struct notices *notices, const struct job *job);

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
