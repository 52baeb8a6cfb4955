/* A batch: the jobs that one request (or one cycle) asked for, the streams that follow them, and
 * the tally of their outcomes. It ends when all its jobs have ended; its streams get their "end"
 * line after the records have reached the share. A client that disconnects ends its own stream
 * only. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "daemon/state/jobs.h"
#include "daemon/state/stream-lines.h"

struct daemon;
struct batch;

struct batch_hooks {
        /* All jobs have ended. May add more (batch_add()), and then returns true. NULL: never adds
         * any. */
        bool (*idle)(struct batch *batch, void *data);
        /* It has ended, and its records are about to be waited for. NULL: nothing to do. */
        void (*closing)(struct batch *batch, void *data);
        /* Its streams have ended and it is about to be freed. NULL: nothing to do. */
        void (*closed)(struct batch *batch, void *data);
        void *data;
};

/* `what` was done, for the verdict: "backed up", "checked". The daemon owns the batch until it ends
 * by itself. */
struct batch *batch_new(struct daemon *daemon, const char *what, const struct batch_hooks *hooks);
/* Frees a batch that has not ended, when the daemon ends. Returns NULL. */
struct batch *batch_free(struct batch *batch);

/* Adds a job, puts it into the queue and sends its "queued" line to the streams. */
void batch_add(struct batch *batch, struct job *job);
/* Counts a VM that gets no job as skipped; the streams get the reason. */
void batch_skip(struct batch *batch, const char *vm, const char *why);
/* A failed job of this batch is tried again by one that is added next: the failed one is no longer
 * counted. */
void batch_forgive(struct batch *batch, struct job *job);
/* Sets the exit status, whatever the outcomes of the jobs. */
void batch_set_exit_status(struct batch *batch, int exit_status);
/* Associates a job of Bacula (%i) that requested or follows the batch, by which it can be
 * cancelled; there may be several. NULL: does nothing. */
void batch_add_bacula_job(struct batch *batch, const char *bacula_job);
/* The newest of them; NULL: none. */
const char *batch_bacula_job(const struct batch *batch);
/* The first batch after `after` (NULL: of all) that is associated with this job of Bacula; NULL:
 * none. */
struct batch *batch_of_bacula_job(const struct daemon *daemon, const struct batch *after,
                                  const char *bacula_job);
/* ERROR_CONFIG for what cannot be the id of a job of Bacula; NULL is valid. */
int batch_check_bacula_job(const char *bacula_job, struct error **err) _must_check_;
/* Cancels its jobs, waiting and running ones; returns how many. The batch ends later. */
size_t batch_cancel(struct batch *batch, const char *why);
/* All jobs have been added, so the batch may end. It may be gone afterwards. */
void batch_seal(struct batch *batch);

/* A notice for all streams; level: "info", "warning", "error". */
void batch_notice(struct batch *batch, const char *level, const char *format, ...) _printf_(3, 4);
/* Reports that the inventory is broken and an older one is used; `broken` NULL: does nothing. */
void batch_notice_broken_inventory(struct batch *batch, const struct error *broken);
/* A new stream of the lines from now on; the caller owns it. */
struct stream *batch_subscribe(struct batch *batch);

const struct tally *batch_tally(const struct batch *batch);
int64_t batch_started(const struct batch *batch); /* epoch seconds */
struct job *const *batch_jobs(const struct batch *batch, size_t *ret_count);
int batch_exit_status(const struct batch *batch);
