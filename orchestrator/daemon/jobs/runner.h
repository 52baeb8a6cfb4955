/* From the queue to a worker and from its events to an outcome. The life of a job: it is queued;
 * the runner starts a worker with a request on its stdin and leaves <state>/running/<job>.json;
 * events update the job and its streams; the result is recorded; the worker is reaped; the owner is
 * informed of the outcome. A worker that dies without a result makes a failed job, and a recovery
 * of its VM is queued at once. */
#pragma once

#include "daemon/state/jobs.h"

struct daemon;

/* Starts every job that can start now; ends those that need not be waited for. */
void runner_schedule(struct daemon *daemon);
/* A job of one VM or hypervisor, in the registry, not yet in a batch or queue. The priority is the
 * VM's. */
struct job *runner_new_job(struct daemon *daemon, enum job_action action, enum job_class class,
                           const char *vm, const char *hypervisor);
/* A queued job ends at once as cancelled; the worker of a running one is asked to roll back and
 * end. */
void runner_cancel(struct daemon *daemon, struct job *job, const char *why);
/* Queues a recovery of that VM, unless one is queued. `hypervisor` may be NULL; `why` is written to
 * its log. */
void runner_queue_recover(struct daemon *daemon, const char *vm, const char *hypervisor,
                          const char *why);
/* At start: queues recoveries for the jobs that were running when the last daemon ended
 * unexpectedly. */
void runner_recover_interrupted(struct daemon *daemon);
/* Jobs with a worker that is not stuck. */
size_t runner_count_running(const struct daemon *daemon);
/* When the daemon ends: closes the pipes of all workers. */
void runner_done(struct daemon *daemon);

/* "job ID of VM ended: ok": the text of the last line of its log. The caller frees. */
char *runner_end_line(const struct job *job);
