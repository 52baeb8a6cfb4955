/* The jobs that wait, in the order in which they will run, and which of them may start now. No I/O,
 * no clock.
 *
 * Order: recoveries of what a dead worker left, then ad-hoc jobs (request by request as they came),
 * then the cycle's, then the cycle's second tries, then what follows a cycle; within each by
 * priority (lower first), then name. Backups go by limits.jobs and limits.jobs_per_hypervisor (P5);
 * all other actions run beside them, a few at a time, and verifications and restores, which may
 * take hours, and recoveries, which must not wait for them, a few at a time of their own; never two
 * jobs on one VM but those that leave it alone (`beside`); a VM with a recovery ahead waits for it.
 * A job that may not start yet doesn't hold up those behind it. A stuck job holds its VM, not a
 * slot; nor does an instant restore hold one whose VM runs. */
#pragma once

#include "daemon/state/jobs.h"
#include "schema/config/inventory.h"

struct queue {
        struct job **items;
        size_t count;
};

struct queue_limits {
        unsigned jobs;
        unsigned jobs_per_hypervisor;
        unsigned verifications;
        /* restores, recoveries, and all that is none of these, each; of test-restores there is one
         * at a time */
        unsigned others;
};

/* Frees the vector; the jobs are the registry's. */
void queue_done(struct queue *queue);
void queue_insert(struct queue *queue, struct job *job);
/* Takes it out; it need not be in. */
void queue_remove(struct queue *queue, const struct job *job);
/* Another inventory is used: jobs that run where their VM lives get the VM's hypervisor of this
 * one. `inventory` NULL: there is none, and nothing changes. */
void queue_follow_inventory(struct queue *queue, const struct inventory *inventory);
/* From 1; 0: it does not wait. */
size_t queue_position(const struct queue *queue, const struct job *job);

/* The first that may start beside `busy` (the jobs with a worker), or NULL. It stays in the queue.
 * `ready` (may be NULL) is asked last about a job that could start: false leaves it waiting. */
struct job *queue_next(const struct queue *queue, const struct queue_limits *limits,
                       struct job *const *busy, size_t n_busy,
                       bool (*ready)(const struct job *job, void *data), void *data);

/* < 0 when a runs before b. */
int queue_compare(const struct job *a, const struct job *b);
