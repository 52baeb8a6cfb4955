/* The jobs that wait, the order in which they run, and which of them may start now. No I/O, no
 * clock.
 *
 * Order: recoveries after a dead worker, then ad-hoc jobs (request by request in order of arrival),
 * then those of the cycle, then its second tries, then what follows a cycle; within each by
 * priority (lower first), then name. Backups are limited by limits.jobs and
 * limits.jobs_per_hypervisor (P5). Other actions run beside them, a few at a time; verifications
 * and restores, which may take hours, and recoveries, which must not wait for them, each have a
 * limit of their own. A VM has one job at a time, except for those that do not touch it (`beside`);
 * a VM with a queued recovery waits for it. A job that may not start yet does not hold up those
 * behind it. A stuck job occupies its VM, but no slot; nor does an instant restore once its VM
 * runs. */
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
        /* restores, recoveries and all other actions, each; of test restores one runs at a time */
        unsigned others;
};

/* Frees the vector; the registry owns the jobs. */
void queue_done(struct queue *queue);
void queue_insert(struct queue *queue, struct job *job);
/* Removes it, if it is queued. */
void queue_remove(struct queue *queue, const struct job *job);
/* Another inventory is used: jobs that run on the home of their VM follow it there. `inventory`
 * NULL: there is none, and nothing changes. */
void queue_follow_inventory(struct queue *queue, const struct inventory *inventory);
/* Its position from 1; 0: it is not queued. */
size_t queue_position(const struct queue *queue, const struct job *job);

/* The first that may start beside `busy` (the jobs with a worker), or NULL. It stays in the queue.
 * `ready` (may be NULL) is called last for a job that could start: when it returns false the job
 * keeps waiting. */
struct job *queue_next(const struct queue *queue, const struct queue_limits *limits,
                       struct job *const *busy, size_t n_busy,
                       bool (*ready)(const struct job *job, void *data), void *data);

/* < 0 when a runs before b. */
int queue_compare(const struct job *a, const struct job *b);
