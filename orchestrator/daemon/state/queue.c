/* Implements daemon/state/queue.h over a sorted vector: queues are as long as an inventory,
 * hundreds at most. */
#include "daemon/state/queue.h"

#include <string.h>

#include "base/memory.h"

void queue_done(struct queue *queue)
{
        free(queue->items);
        *queue = (struct queue){ 0 };
}

static const char *job_name(const struct job *job)
{
        return job->vm ? job->vm : job->hypervisor ? job->hypervisor : "";
}

int queue_compare(const struct job *a, const struct job *b)
{
        if (a->class != b->class)
                return a->class < b->class ? -1 : 1;
        if (a->class == JOB_CLASS_ADHOC && a->sequence != b->sequence)
                return a->sequence < b->sequence ? -1 : 1;
        if (a->priority != b->priority)
                return a->priority < b->priority ? -1 : 1;
        return strcmp(job_name(a), job_name(b));
}

void queue_insert(struct queue *queue, struct job *job)
{
        queue->items = xrealloc_array(queue->items, queue->count + 1, sizeof *queue->items);
        size_t at = queue->count;
        while (at > 0 && queue_compare(job, queue->items[at - 1]) < 0)
                at--;
        memmove(queue->items + at + 1, queue->items + at,
                (queue->count - at) * sizeof *queue->items);
        queue->items[at] = job;
        queue->count++;
}

void queue_remove(struct queue *queue, const struct job *job)
{
        size_t position = queue_position(queue, job);
        if (!position)
                return;
        memmove(queue->items + position - 1, queue->items + position,
                (queue->count - position) * sizeof *queue->items);
        queue->count--;
}

void queue_follow_inventory(struct queue *queue, const struct inventory *inventory)
{
        for (size_t i = 0; inventory && i < queue->count; i++) {
                struct job *job = queue->items[i];
                bool at_home = job->action == JOB_BACKUP || job->action == JOB_CHECK;
                const struct inventory_vm *listed =
                        at_home ? inventory_find_vm(inventory, job->vm) : NULL;
                if (listed && listed->hypervisor)
                        xstrdup_replace(&job->hypervisor, listed->hypervisor);
        }
}

size_t queue_position(const struct queue *queue, const struct job *job)
{
        for (size_t i = 0; i < queue->count; i++)
                if (queue->items[i] == job)
                        return i + 1;
        return 0;
}

static bool same_name(const char *a, const char *b)
{
        return a && b && strcmp(a, b) == 0;
}

/* Jobs that share one limit. */
enum kind {
        KIND_BACKUP,
        KIND_VERIFICATION,
        KIND_TEST_RESTORE,
        KIND_RESTORE,
        KIND_RECOVERY,
        KIND_OTHER
};

static enum kind limit_kind(const struct job *job)
{
        switch (job->action) {
        case JOB_BACKUP:
                return KIND_BACKUP;
        case JOB_VERIFY:
                return KIND_VERIFICATION;
        case JOB_TEST_RESTORE:
                return KIND_TEST_RESTORE;
        case JOB_RESTORE:
                return KIND_RESTORE;
        case JOB_RECOVER:
                return KIND_RECOVERY;
        default:
                return KIND_OTHER;
        }
}

static bool slot_is_free(const struct job *job, const struct queue_limits *limits,
                         struct job *const *busy, size_t n_busy)
{
        enum kind kind = limit_kind(job);
        unsigned all = 0;
        unsigned here = 0;
        for (size_t i = 0; i < n_busy; i++) {
                if (busy[i]->state == JOB_STUCK || busy[i]->pulls || limit_kind(busy[i]) != kind)
                        continue;
                all++;
                here += same_name(busy[i]->hypervisor, job->hypervisor);
        }
        if (kind == KIND_BACKUP)
                return all < limits->jobs && here < limits->jobs_per_hypervisor;
        if (kind == KIND_TEST_RESTORE)
                return all == 0;
        return all < (kind == KIND_VERIFICATION ? limits->verifications : limits->others);
}

/* A recovery removes test domains whose job is not among the live ones that it was given: one that
 * is started meanwhile would be taken for a leftover. */
static bool is_being_recovered(const struct job *job, struct job *const *busy, size_t n_busy)
{
        for (size_t i = 0; i < n_busy; i++)
                if (busy[i]->action == JOB_RECOVER && same_name(busy[i]->vm, job->vm))
                        return true;
        return false;
}

static bool vm_is_free(const struct queue *queue, const struct job *job, struct job *const *busy,
                       size_t n_busy)
{
        if (job->beside)
                return job->action != JOB_TEST_RESTORE || !is_being_recovered(job, busy, n_busy);
        for (size_t i = 0; i < n_busy; i++)
                if (!busy[i]->beside && same_name(busy[i]->vm, job->vm))
                        return false;
        if (job->action == JOB_RECOVER)
                return true;
        for (size_t i = 0; i < queue->count; i++)
                if (queue->items[i]->action == JOB_RECOVER &&
                    same_name(queue->items[i]->vm, job->vm))
                        return false;
        return true;
}

struct job *queue_next(const struct queue *queue, const struct queue_limits *limits,
                       struct job *const *busy, size_t n_busy,
                       bool (*ready)(const struct job *job, void *data), void *data)
{
        for (size_t i = 0; i < queue->count; i++) {
                struct job *job = queue->items[i];
                if (slot_is_free(job, limits, busy, n_busy) &&
                    vm_is_free(queue, job, busy, n_busy) && (!ready || ready(job, data)))
                        return job;
        }
        return NULL;
}
