/* What is remembered of a job's steps. */
#include "daemon/jobs/recoveries.h"

#include <criterion/criterion.h>

static void step(struct job *job, const char *name, enum step_state state)
{
        const struct event event = { .type = EVENT_STEP,
                                     .step = (char *)(uintptr_t)name,
                                     .state = state };
        recoveries_note_step(job, &event);
}

Test(recoveries, what_is_left_undone_and_what_was_put_back)
{
        struct job job = { .action = JOB_BACKUP };
        step(&job, "thaw", STEP_FAILED);
        cr_assert(job.left_undone);
        step(&job, "thaw", STEP_UNDONE);
        cr_assert_not(job.left_undone);
}

Test(recoveries, the_restore_that_pulls_lets_others_pass)
{
        struct job job = { .action = JOB_RESTORE };
        step(&job, "copy", STEP_FAILED);
        cr_assert_not(job.left_undone, "a restore has one undoing for all of it");
        step(&job, "pull", STEP_BEGIN);
        cr_assert(job.beside && job.pulls);
        step(&job, "pull", STEP_DONE);
        cr_assert_not(job.left_undone);
        step(&job, "pull", STEP_FAILED);
        cr_assert(job.left_undone);
}

/* They look at the pulls of other machines made of the VM's points, and then begin on the VM
 * itself. */
Test(recoveries, a_backup_and_a_recovery_stay_alone_with_their_vm)
{
        static const enum job_action actions[] = { JOB_BACKUP, JOB_RECOVER };
        for (size_t i = 0; i < 2; i++) {
                struct job job = { .action = actions[i] };
                step(&job, "pull", STEP_BEGIN);
                step(&job, "pull", STEP_SKIPPED);
                step(&job, "pull", STEP_BEGIN);
                step(&job, "pull", STEP_DONE);
                cr_assert_not(job.beside || job.pulls);
                cr_assert(job.left_undone,
                          "the pull that is over says nothing of the one that is not");
                step(&job, "thaw", STEP_FAILED);
                step(&job, "thaw", STEP_UNDONE);
                cr_assert(job.left_undone);
        }
}

/* A recovery looks at pulls and at test domains: what it says of the one is not about the other. */
Test(recoveries, a_test_domain_that_is_gone_is_no_pull_that_is_over)
{
        struct job job = { .action = JOB_RECOVER };
        step(&job, "pull", STEP_SKIPPED);
        step(&job, "test-domain", STEP_UNDONE);
        cr_assert(job.left_undone);
}
