/* A batch: the jobs that one request (or one cycle) asked for, the streams that follow them, and
 * the sum of what came of them. It ends when all its jobs have: its streams then get their "end"
 * line, after what was recorded has reached the share. A client that leaves takes its stream with
 * it and nothing else. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "daemon/state/jobs.h"
#include "daemon/state/stream-lines.h"

struct daemon;
struct batch;

struct batch_hooks {
        /* All jobs have ended. May add more (batch_add) and then returns true. NULL: never. */
        bool (*idle)(struct batch *batch, void *data);
        /* It is over; before what is being recorded is waited for. NULL: nothing to do. */
        void (*closing)(struct batch *batch, void *data);
        /* Its streams have ended and it is about to be freed. NULL: nothing to do. */
        void (*closed)(struct batch *batch, void *data);
        void *data;
};

/* `what` it is about, for the verdict: "backed up", "checked". The daemon owns it until it ends by
 * itself. */
struct batch *batch_new(struct daemon *daemon, const char *what, const struct batch_hooks *hooks);
/* Frees one that has not ended; for the daemon's own end. Returns NULL. */
struct batch *batch_free(struct batch *batch);

/* Takes a queued job in, puts it into the queue and tells the streams. */
void batch_add(struct batch *batch, struct job *job);
/* A VM that gets no job: it counts as skipped, and the streams are told. */
void batch_skip(struct batch *batch, const char *vm, const char *why);
/* A job of this batch that failed will be tried again by one that is added next: it no longer
 * counts. */
void batch_forgive(struct batch *batch, struct job *job);
/* The exit status is to be this, whatever comes of the jobs. */
void batch_set_exit_status(struct batch *batch, int exit_status);
/* Ties it to a job of Bacula (%i) that asked for it or follows it, by which it can be cancelled;
 * there may be several. NULL: nothing. */
void batch_add_bacula_job(struct batch *batch, const char *bacula_job);
/* The newest of them; NULL: none. */
const char *batch_bacula_job(const struct batch *batch);
/* The first batch behind `after` (NULL: of all) that is tied to this job of Bacula; NULL: none. */
struct batch *batch_of_bacula_job(const struct daemon *daemon, const struct batch *after,
                                  const char *bacula_job);
/* ERROR_CONFIG for what can't be the id of a job of Bacula; NULL is fine. */
int batch_check_bacula_job(const char *bacula_job, struct error **err) _must_check_;
/* Cancels its jobs, those that wait and those that run; returns how many. The batch itself ends
 * later. */
size_t batch_cancel(struct batch *batch, const char *why);
/* All jobs have been added: from now on it may end. It may be gone afterwards. */
void batch_seal(struct batch *batch);

/* A notice for all streams; level: "info", "warning", "error". */
void batch_notice(struct batch *batch, const char *level, const char *format, ...) _printf_(3, 4);
/* The notice that the inventory is broken and an older one used; `broken` NULL: it is not, and
 * nothing is said. */
void batch_notice_broken_inventory(struct batch *batch, const struct error *broken);
/* A new stream of what comes; the caller owns it. */
struct stream *batch_subscribe(struct batch *batch);

const struct tally *batch_tally(const struct batch *batch);
int64_t batch_started(const struct batch *batch); /* epoch seconds */
struct job *const *batch_jobs(const struct batch *batch, size_t *ret_count);
int batch_exit_status(const struct batch *batch);
