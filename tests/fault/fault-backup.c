/* Every fault at every call of a full backup, each followed by a look at all promises. See
 * README.md.
 *
 * fault-backup METHOD [FAULT [CALL]]: all of it, one fault, or one run with its trace. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"
#include "campaign.h"
#include "rows.h"

enum { SETTLE_MS = 10 * 60 * 1000, SKIPPED = 77, UNDO_CALLS = 16, RECOVERY_CALLS = 40 };

/* A power-off while a pivot was marked cannot be told from one after it: documented, and left to a
 * person. */
static bool is_undecidable(void)
{
        if (world->fault.kind != FAULT_POWER_OFF)
                return false;
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                _cleanup_free_ char *marker =
                        xasprintf("%s.pivoting", world_vm()->disks[i].overlay);
                if (*world_vm()->disks[i].overlay && image_exists(marker))
                        return true;
        }
        return false;
}

/* The next worker of this VM: at once or after ten minutes, a recovery or a backup, by turns. */
static void put_right(const struct campaign *campaign, unsigned at)
{
        /* An agent that is still mute cannot be helped yet: the dead-man has to, and does. */
        if (at % 2 || world->fault.kind == FAULT_LATE_FREEZE) {
                world_advance(SETTLE_MS);
                if (world->frozen)
                        world_violation("ten minutes after its worker ended the guest is frozen");
        }
        world->fault = world->then = (struct fault){ 0 };
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        bool backup = at / 2 % 2;
        size_t before = campaign_count_points(campaign);
        world_trace("        -- the next one: %s\n", backup ? "a backup" : "a recovery");
        campaign_run(campaign, backup ? JOB_BACKUP : JOB_RECOVER,
                     backup ? "20261121-0001" : "20261120-3faa", &verdict);
        campaign_check_always(campaign, &verdict, false);
        if (!verdict.status || !streq(verdict.status, "ok"))
                world_violation("the next worker did not end well: %s",
                                verdict.error ? verdict.error : "no result");
        else if (backup && campaign_count_points(campaign) != before + 1)
                world_violation("the next backup left no point");
        campaign_check_clean("after the next worker");
}

/* Somebody kills the recovery as well, at its n-th call. */
static void kill_recovery(const struct campaign *campaign, unsigned at)
{
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        world->fault = (struct fault){ FAULT_KILL, .at = at };
        world_trace("        -- a recovery, to be killed\n");
        campaign_run(campaign, JOB_RECOVER, "20261120-3fab", &verdict);
        campaign_check_always(campaign, &verdict, false);
}

static void run_one(const struct campaign *campaign, const struct row *row, unsigned at,
                    struct tally *tally)
{
        world_reset();
        world_empty_share();
        world->fault = row->fault;
        world->fault.at = at;
        world->then = row->then;
        world->then.at = at + 1 + at * 5 % UNDO_CALLS;
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        campaign_run(campaign, JOB_BACKUP, WORLD_JOB, &verdict);
        tally_add(tally, &verdict);
        campaign_check_always(campaign, &verdict, row->fault.kind == FAULT_POWER_OFF);
        if (row->next_is_killed)
                kill_recovery(campaign, 1 + at * 7 % RECOVERY_CALLS);
        if (row->aftermath == BY_THE_NEXT)
                put_right(campaign, at);
        else if (!is_undecidable())
                campaign_check_clean("when the worker ended");
        if (row->fault.kind == FAULT_CANCEL && row->then.kind == FAULT_NONE && verdict.status &&
            streq(verdict.status, "failed"))
                world_violation("a cancelled job ended as failed");
        world_advance(SETTLE_MS);
        world_check_writes();
        if (world->frozen)
                world_violation("ten minutes later the guest is frozen");
        tally_judge(tally, campaign->method, row, at, &verdict);
}

/* Without any fault: how many calls there are, and which change something. */
static bool run_reference(const struct campaign *campaign, struct reference *ret)
{
        world_reset();
        world_empty_share();
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        campaign_run(campaign, JOB_BACKUP, WORLD_JOB, &verdict);
        reference_take(ret);
        campaign_check_always(campaign, &verdict, false);
        campaign_check_clean("without a fault");
        if (!verdict.status || !streq(verdict.status, "ok"))
                world_violation("a backup without a fault does not end well");
        if (streq(campaign->method, "quiesce") != (ret->freeze_call != 0))
                world_violation("a backup by %s has %s freeze", campaign->method,
                                ret->freeze_call ? "a" : "no");
        if (world->n_violations)
                printf("%s\n%s\n", world->trace, verdict.diagnostics);
        return world->n_violations == 0;
}

static bool is_for(const struct campaign *campaign, const struct row *row,
                   const struct reference *reference, unsigned at)
{
        /* What is done on the share knows nothing of the method: once is enough. */
        if (reference->on_share[at] && !streq(campaign->method, "quiesce"))
                return false;
        return row_applies(row, reference, at);
}

static int run_all(const struct campaign *campaign, const char *only, unsigned only_at)
{
        struct reference reference = { 0 };
        if (!run_reference(campaign, &reference))
                return 1;
        struct tally tallies[ROWS] = { 0 };
        for (size_t i = 0; i < n_rows; i++)
                for (unsigned at = 1; at <= reference.calls; at++)
                        if (row_is_asked_for(&rows[i], only, at, only_at) &&
                            is_for(campaign, &rows[i], &reference, at))
                                run_one(campaign, &rows[i], at, &tallies[i]);
        if (only_at)
                printf("%s", world->trace);
        printf("\n%s: %u calls in a backup without a fault\n", campaign->method, reference.calls);
        return tallies_print(tallies);
}

int main(int argc, char **argv)
{
        if (argc < 2) {
                fprintf(stderr, "usage: fault-backup METHOD [FAULT [CALL]]\n");
                return 2;
        }
        if (!campaign_enter_namespaces()) {
                perror("SKIPPED: namespaces for mounts and processes are needed (root, or "
                       "unprivileged user namespaces)");
                return SKIPPED;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        struct campaign campaign = { .method = argv[1] };
        if (!campaign_make_repository(&campaign))
                return 2;
        int status = run_all(&campaign, argc > 2 ? argv[2] : NULL,
                             argc > 3 ? (unsigned)atoi(argv[3]) : 0);
        repository_free(campaign.repository);
        return status;
}
