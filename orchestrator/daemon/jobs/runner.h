/* From the queue to a worker and from its events to an outcome. One job's life: queued → runner
 * starts a worker (request on its stdin, <state>/running/<job>.json left beside) → events update
 * the job and its streams → the result is recorded → the worker is reaped → the outcome is told to
 * the batch. A worker that dies without a result makes a failed job, and a recovery of its VM is
 * queued at once. */
#pragma once

#include "daemon/state/jobs.h"

struct daemon;

/* Starts every job that may start now; ends those that can't be waited for. */
void runner_schedule(struct daemon *daemon);
/* A job of one VM or hypervisor, in the registry, not yet in a batch or queue. The priority is the
 * VM's. */
struct job *runner_new_job(struct daemon *daemon, enum job_action action, enum job_class class,
                           const char *vm, const char *hypervisor);
/* A queued job ends at once as cancelled; a running one's worker is told to undo and end. */
void runner_cancel(struct daemon *daemon, struct job *job, const char *why);
/* A recovery of that VM is queued, unless one is. `hypervisor` may be NULL; `why` is told in its
 * log. */
void runner_queue_recover(struct daemon *daemon, const char *vm, const char *hypervisor,
                          const char *why);
/* At start: queues recoveries for the jobs that ran when the last daemon ended without being
 * asked. */
void runner_recover_interrupted(struct daemon *daemon);
/* Jobs with a worker that is not stuck. */
size_t runner_count_running(const struct daemon *daemon);
/* Forgets all workers, at the daemon's end. */
void runner_done(struct daemon *daemon);

/* "job ID of VM ended: ok". What a log's last line says. The caller frees. */
char *runner_end_line(const struct job *job);
