/* What may start now, in which order, beside what runs. */
#include "daemon/state/queue.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct job job_of(const char *vm, enum job_class class, int priority)
{
        return (struct job){ .vm = (char *)vm,
                             .hypervisor = (char *)"h1",
                             .class = class,
                             .priority = priority,
                             .action = JOB_BACKUP };
}

static const struct queue_limits one = {
        .jobs = 1, .jobs_per_hypervisor = 1, .verifications = 1, .others = 4
};

static bool marked_ready(const struct job *job, void *data)
{
        (void)data;
        return job->accept_new_uuid;
}

Test(queue, orders_by_class_then_request_then_priority_then_name)
{
        struct job recover = job_of("z", JOB_CLASS_RECOVER, 99);
        struct job adhoc_1b = job_of("b", JOB_CLASS_ADHOC, 90);
        struct job adhoc_1c = job_of("c", JOB_CLASS_ADHOC, 90);
        struct job adhoc_2 = job_of("a", JOB_CLASS_ADHOC, 1);
        struct job cycle_1 = job_of("y", JOB_CLASS_CYCLE, 1);
        struct job cycle_2a = job_of("a", JOB_CLASS_CYCLE, 2);
        struct job cycle_2b = job_of("b", JOB_CLASS_CYCLE, 2);
        struct job retry = job_of("a", JOB_CLASS_RETRY, 0);
        adhoc_1b.sequence = adhoc_1c.sequence = 1;
        adhoc_2.sequence = 2;
        struct job *const expected[] = { &recover, &adhoc_1b, &adhoc_1c, &adhoc_2,
                                         &cycle_1, &cycle_2a, &cycle_2b, &retry };
        for (unsigned seed = 0; seed < 50; seed++) {
                struct job *shuffled[8];
                for (size_t i = 0; i < 8; i++)
                        shuffled[i] = expected[i];
                srand(seed);
                for (size_t i = 8; i > 1; i--) {
                        size_t j = (size_t)rand() % i;
                        struct job *other = shuffled[j];
                        shuffled[j] = shuffled[i - 1];
                        shuffled[i - 1] = other;
                }
                struct queue queue = { 0 };
                for (size_t i = 0; i < 8; i++)
                        queue_insert(&queue, shuffled[i]);
                for (size_t i = 0; i < 8; i++) {
                        cr_assert_eq(queue.items[i], expected[i], "seed %u, place %zu: %s", seed, i,
                                     queue.items[i]->vm);
                        cr_assert_eq(queue_position(&queue, expected[i]), i + 1);
                }
                queue_done(&queue);
        }
}

Test(queue, one_backup_at_a_time)
{
        struct job running = job_of("a", JOB_CLASS_CYCLE, 1);
        struct job waiting = job_of("b", JOB_CLASS_CYCLE, 2);
        struct job *busy[] = { &running };
        running.state = JOB_RUNNING;
        struct queue queue = { 0 };
        queue_insert(&queue, &waiting);
        cr_assert_null(queue_next(&queue, &one, busy, 1, NULL, NULL));
        cr_assert_eq(queue_next(&queue, &one, busy, 0, NULL, NULL), &waiting);
        queue_done(&queue);
}

Test(queue, the_limit_of_a_hypervisor_lets_those_of_others_pass)
{
        const struct queue_limits two = {
                .jobs = 2, .jobs_per_hypervisor = 1, .verifications = 1, .others = 4
        };
        struct job running = job_of("a", JOB_CLASS_CYCLE, 1);
        struct job same = job_of("b", JOB_CLASS_CYCLE, 2);
        struct job other = job_of("c", JOB_CLASS_CYCLE, 3);
        other.hypervisor = (char *)"h2";
        struct job *busy[] = { &running };
        running.state = JOB_RUNNING;
        struct queue queue = { 0 };
        queue_insert(&queue, &same);
        queue_insert(&queue, &other);
        cr_assert_eq(queue_next(&queue, &two, busy, 1, NULL, NULL), &other);
        queue_done(&queue);
}

Test(queue, checks_run_beside_backups_but_never_on_the_same_vm)
{
        struct job running = job_of("a", JOB_CLASS_CYCLE, 1);
        struct job same = job_of("a", JOB_CLASS_ADHOC, 1);
        struct job other = job_of("b", JOB_CLASS_ADHOC, 2);
        same.action = other.action = JOB_CHECK;
        struct job *busy[] = { &running };
        running.state = JOB_RUNNING;
        struct queue queue = { 0 };
        queue_insert(&queue, &same);
        cr_assert_null(queue_next(&queue, &one, busy, 1, NULL, NULL));
        queue_insert(&queue, &other);
        cr_assert_eq(queue_next(&queue, &one, busy, 1, NULL, NULL), &other);
        queue_done(&queue);
}

Test(queue, restores_of_hours_hold_up_nothing_but_more_of_them)
{
        struct job jobs[4];
        struct job *busy[4];
        static const char *const names[] = { "a", "b", "c", "d" };
        for (size_t i = 0; i < 4; i++) {
                jobs[i] = job_of(names[i], JOB_CLASS_ADHOC, 1);
                jobs[i].action = JOB_RESTORE;
                jobs[i].state = JOB_RUNNING;
                busy[i] = &jobs[i];
        }
        struct job fifth = job_of("e", JOB_CLASS_ADHOC, 1);
        struct job recovery = job_of("f", JOB_CLASS_RECOVER, 1);
        struct job check = job_of("g", JOB_CLASS_ADHOC, 1);
        fifth.action = JOB_RESTORE;
        recovery.action = JOB_RECOVER;
        check.action = JOB_CHECK;
        struct queue queue = { 0 };
        queue_insert(&queue, &fifth);
        cr_assert_null(queue_next(&queue, &one, busy, 4, NULL, NULL));
        jobs[1].pulls = true;
        cr_assert_eq(queue_next(&queue, &one, busy, 4, NULL, NULL), &fifth,
                     "one that runs, and pulls, is no more in the way");
        jobs[1].pulls = false;
        queue_insert(&queue, &check);
        cr_assert_eq(queue_next(&queue, &one, busy, 4, NULL, NULL), &check);
        queue_insert(&queue, &recovery);
        cr_assert_eq(queue_next(&queue, &one, busy, 4, NULL, NULL), &recovery,
                     "a VM that stands on an overlay waits for none");
        queue_done(&queue);
}

Test(queue, a_few_checks_at_once_and_no_more)
{
        struct job checks[5];
        struct job *busy[5];
        static const char *const names[] = { "a", "b", "c", "d", "e" };
        for (size_t i = 0; i < 5; i++) {
                checks[i] = job_of(names[i], JOB_CLASS_ADHOC, 1);
                checks[i].action = JOB_CHECK;
                checks[i].state = i < 4 ? JOB_RUNNING : JOB_QUEUED;
                busy[i] = &checks[i];
        }
        struct queue queue = { 0 };
        queue_insert(&queue, &checks[4]);
        cr_assert_null(queue_next(&queue, &one, busy, 4, NULL, NULL));
        cr_assert_eq(queue_next(&queue, &one, busy, 3, NULL, NULL), &checks[4]);
        queue_done(&queue);
}

Test(queue, a_vm_waits_for_its_recovery_even_when_that_cannot_start_yet)
{
        struct job backup = job_of("a", JOB_CLASS_CYCLE, 1);
        struct job other = job_of("b", JOB_CLASS_CYCLE, 2);
        struct job recover = job_of("a", JOB_CLASS_RECOVER, 1);
        recover.action = JOB_RECOVER;
        other.accept_new_uuid = true;
        struct queue queue = { 0 };
        queue_insert(&queue, &backup);
        queue_insert(&queue, &other);
        queue_insert(&queue, &recover);
        cr_assert_eq(queue_next(&queue, &one, NULL, 0, NULL, NULL), &recover);
        backup.accept_new_uuid = true;
        cr_assert_eq(queue_next(&queue, &one, NULL, 0, marked_ready, NULL), &other);
        queue_done(&queue);
}

Test(queue, a_stuck_job_holds_its_vm_but_no_slot)
{
        struct job stuck = job_of("a", JOB_CLASS_CYCLE, 1);
        struct job same = job_of("a", JOB_CLASS_ADHOC, 1);
        struct job other = job_of("b", JOB_CLASS_CYCLE, 2);
        stuck.state = JOB_STUCK;
        struct job *busy[] = { &stuck };
        struct queue queue = { 0 };
        queue_insert(&queue, &same);
        queue_insert(&queue, &other);
        cr_assert_eq(queue_next(&queue, &one, busy, 1, NULL, NULL), &other);
        queue_remove(&queue, &other);
        cr_assert_null(queue_next(&queue, &one, busy, 1, NULL, NULL));
        queue_remove(&queue, &other);
        cr_assert_eq(queue.count, 1, "what is not in can't be taken out");
        queue_done(&queue);
}

/* Hours of reading must not keep a recovery or a restore waiting, nor a backup of the same VM. */
Test(queue, verifications_have_a_limit_of_their_own)
{
        struct job running = job_of("a", JOB_CLASS_ADHOC, 1);
        struct job another = job_of("b", JOB_CLASS_ADHOC, 1);
        struct job recovery = job_of("c", JOB_CLASS_RECOVER, 1);
        struct job backup = job_of("a", JOB_CLASS_CYCLE, 1);
        running.action = another.action = JOB_VERIFY;
        running.beside = another.beside = true;
        recovery.action = JOB_RECOVER;
        struct job *busy[] = { &running, &recovery };
        running.state = recovery.state = JOB_RUNNING;
        struct queue queue = { 0 };
        queue_insert(&queue, &another);
        cr_expect_null(queue_next(&queue, &one, busy, 1, NULL, NULL));
        queue_insert(&queue, &backup);
        cr_expect_eq(queue_next(&queue, &one, busy, 1, NULL, NULL), &backup);
        queue_insert(&queue, &recovery);
        cr_expect_eq(queue_next(&queue, &one, busy, 1, NULL, NULL), &recovery);
        queue_done(&queue);
}

Test(queue, what_runs_at_home_follows_the_inventory)
{
        struct inventory_vm listed[] = { { .name = (char *)"a", .hypervisor = (char *)"h2" },
                                         { .name = (char *)"b" } };
        const struct inventory inventory = { .vms = listed, .n_vms = 2 };
        struct job backup = job_of("a", JOB_CLASS_ADHOC, 1);
        struct job recovery = job_of("a", JOB_CLASS_RECOVER, 1);
        struct job homeless = job_of("b", JOB_CLASS_ADHOC, 1);
        struct job unlisted = job_of("c", JOB_CLASS_ADHOC, 1);
        recovery.action = JOB_RECOVER;
        struct job *const jobs[] = { &backup, &recovery, &homeless, &unlisted };
        struct queue queue = { 0 };
        for (size_t i = 0; i < 4; i++) {
                jobs[i]->hypervisor = strdup("h1");
                queue_insert(&queue, jobs[i]);
        }
        queue_follow_inventory(&queue, NULL);
        cr_assert_str_eq(backup.hypervisor, "h1");
        queue_follow_inventory(&queue, &inventory);
        cr_assert_str_eq(backup.hypervisor, "h2");
        cr_assert_str_eq(recovery.hypervisor, "h1");
        cr_assert_str_eq(homeless.hypervisor, "h1");
        cr_assert_str_eq(unlisted.hypervisor, "h1");
        queue_done(&queue);
        for (size_t i = 0; i < 4; i++)
                free(jobs[i]->hypervisor);
}
