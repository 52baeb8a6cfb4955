/* Every fault at every call of a recovery, in each world that a backup leaves which is killed at
 * any of its calls; then a recovery without a fault, which has to bring the VM home. See README.md.
 *
 * fault-recover [FAULT [CALL [WORLD]]]: all of it, one fault, one call, in the world left by a kill
 * at one call of the backup. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "campaign.h"
#include "rows.h"

enum { SKIPPED = 77, SETTLE_MS = 60 * 1000, UNDO_CALLS = 16, RECOVERY_CALLS = 16 };

static struct campaign campaign = { .method = "quiesce" };

/* -- the worlds -- */

/* Where the VM is, what runs for it, and which files are there. What is in a staging folder counts
 * as one: a recovery removes it unseen. */
static uint64_t digest_world(void)
{
        uint64_t hash = world_digest();
        const struct world_domain *vm = world_vm();
        world_add_to_digest(&hash, &world->frozen, sizeof world->frozen);
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                const struct world_disk *disk = &vm->disks[i];
                const bool flags[] = { disk->committing, disk->ready, disk->merged,
                                       world_disk_is_read(disk) };
                world_add_to_digest(&hash, disk->chain, sizeof disk->chain);
                world_add_to_digest(&hash, flags, sizeof flags);
        }
        return hash;
}

/* Runs a backup that is killed at that call; 0: at none. */
static void leave_world(unsigned killed_at)
{
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        world_reset();
        world_empty_share();
        world->fault = (struct fault){ killed_at ? FAULT_KILL : FAULT_NONE, .at = killed_at };
        campaign_run(&campaign, JOB_BACKUP, WORLD_JOB, &verdict);
        world->fault = (struct fault){ 0 };
        world_look();
}

/* For each call whether the world that is left there is one of its own: the last of those that are
 * alike, which has most on the share. */
static unsigned find_worlds(bool ret_is_own[WORLD_CALLS])
{
        uint64_t digests[WORLD_CALLS] = { 0 };
        leave_world(0);
        unsigned calls = world->calls, own = 0;
        for (unsigned n = 1; n <= calls; n++) {
                leave_world(n);
                digests[n] = digest_world();
        }
        for (unsigned n = 1; n <= calls; n++) {
                ret_is_own[n] = true;
                for (unsigned later = n + 1; later <= calls; later++)
                        ret_is_own[n] = ret_is_own[n] && digests[later] != digests[n];
                own += ret_is_own[n];
        }
        printf("%u calls in a backup without a fault leave %u worlds\n", calls, own);
        return calls;
}

/* -- the runs -- */

/* A power-off while a pivot was marked cannot be told from one after it: documented, and left to a
 * person. */
static bool is_undecidable(void)
{
        bool marked = false;
        for (size_t i = 0; i < WORLD_DISKS; i++) {
                const char *overlay = world_vm()->disks[i].overlay;
                _cleanup_free_ char *marker = xasprintf("%s.pivoting", overlay);
                marked = marked || (*overlay && image_exists(marker));
        }
        return marked;
}

static void recover_world(const char *job, bool expect_off, struct verdict *ret)
{
        campaign_run(&campaign, JOB_RECOVER, job, ret);
        campaign_check_always(&campaign, ret, expect_off);
}

static void recover_cleanly(bool expect_off)
{
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        world_trace("        -- a recovery without a fault\n");
        world->fault = world->then = (struct fault){ 0 };
        recover_world("20261120-3faa", expect_off, &verdict);
        if (!streq(verdict.status, "ok"))
                world_violation("the recovery without a fault did not end well: %s",
                                verdict.error ? verdict.error : "no result");
        campaign_check_clean("after a recovery without a fault");
}

static void recover_and_be_killed(unsigned at)
{
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        world->fault = (struct fault){ FAULT_KILL, .at = 1 + at * 7 % RECOVERY_CALLS };
        world_trace("        -- a recovery, to be killed\n");
        recover_world("20261120-3fac", false, &verdict);
}

static void run_faulty_recovery(const struct saved_world *saved, unsigned left_at,
                                const struct row *row, unsigned at, struct tally *tally)
{
        bool off = row->fault.kind == FAULT_POWER_OFF;
        bool undecidable = off && is_undecidable();
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        world_load(saved);
        world->fault = row->fault;
        world->fault.at = at;
        world->then = row->then;
        world->then.at = at + 1 + at * 5 % UNDO_CALLS;
        world_trace("        -- a recovery\n");
        recover_world("20261120-3fab", off, &verdict);
        tally_add(tally, &verdict);
        if (row->next_is_killed)
                recover_and_be_killed(at);
        bool ok = !verdict.killed && streq(verdict.status, "ok");
        if (ok && !undecidable)
                campaign_check_clean("after a recovery that says ok");
        if (at % 2)
                world_advance(SETTLE_MS);
        if (!ok && !undecidable)
                recover_cleanly(off);
        world_check_writes();
        _cleanup_free_ char *where = xasprintf("killed at %u: recovery,", left_at);
        tally_judge(tally, where, row, at, &verdict);
}

/* The QEMU of a guest that was powered off is gone for good: each such run begins anew. */
static void run_row(unsigned left_at, const struct saved_world *saved, const struct row *row,
                    const struct reference *reference, unsigned only_at, struct tally *tally)
{
        for (unsigned at = 1; at <= reference->calls; at++) {
                if (!row_applies(row, reference, at) || (only_at && at != only_at))
                        continue;
                if (row->fault.kind != FAULT_POWER_OFF) {
                        run_faulty_recovery(saved, left_at, row, at, tally);
                        continue;
                }
                leave_world(left_at);
                struct saved_world *fresh = world_save();
                run_faulty_recovery(fresh, left_at, row, at, tally);
                world_drop(fresh);
        }
}

static bool run_recovery_reference(struct reference *ret)
{
        _cleanup_(verdict_done) struct verdict verdict = { 0 };
        world_trace("        -- a recovery\n");
        recover_world("20261120-3fab", false, &verdict);
        reference_take(ret);
        if (!streq(verdict.status, "ok"))
                world_violation("a recovery without a fault does not end well");
        campaign_check_clean("after a recovery");
        if (world->n_violations)
                printf("%s\n%s\n", world->trace, verdict.diagnostics);
        return world->n_violations == 0;
}

static bool run_in_world(unsigned left_at, const char *only, unsigned only_at,
                         struct tally *tallies)
{
        struct reference reference = { 0 };
        leave_world(left_at);
        struct saved_world *saved = world_save();
        bool well = run_recovery_reference(&reference);
        for (size_t i = 0; well && i < n_rows; i++)
                if (!only || streq(only, rows[i].name))
                        run_row(left_at, saved, &rows[i], &reference, only_at, &tallies[i]);
        world_drop(saved);
        return well;
}

static int run_recoveries(const char *only, unsigned only_at, unsigned only_world)
{
        static bool is_own[WORLD_CALLS];
        struct tally tallies[ROWS] = { 0 };
        bool well = true;
        unsigned calls = find_worlds(is_own);
        for (unsigned n = 1; n <= calls; n++)
                if (only_world ? n == only_world : is_own[n])
                        well = run_in_world(n, only, only_at, tallies) && well;
        if (only_world)
                printf("%s", world->trace);
        return tallies_print(tallies) || !well;
}

int main(int argc, char **argv)
{
        if (!campaign_enter_namespaces()) {
                perror("SKIPPED: namespaces for mounts and processes are needed (root, or "
                       "unprivileged user namespaces)");
                return SKIPPED;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        if (!campaign_make_repository(&campaign))
                return 2;
        int status =
                run_recoveries(argc > 1 ? argv[1] : NULL, argc > 2 ? (unsigned)atoi(argv[2]) : 0,
                               argc > 3 ? (unsigned)atoi(argv[3]) : 0);
        repository_free(campaign.repository);
        return status;
}
