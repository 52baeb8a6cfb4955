/* Implements daemon/cycle/proofs.h. */
#include "daemon/cycle/proofs.h"

#include <sys/random.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/jobs/runner.h"
#include "daemon/state/state.h"
#include "policies/proof-due.h"

static struct proof_candidate *list_candidates(const struct daemon *daemon,
                                               const struct inventory *inventory)
{
        struct proof_candidate *candidates = xcalloc(inventory->n_vms + 1, sizeof *candidates);
        for (size_t i = 0; i < inventory->n_vms; i++) {
                const struct inventory_vm *vm = &inventory->vms[i];
                const struct vm_state *state = vm_states_find(&daemon->states, vm->name);
                candidates[i] = (struct proof_candidate){
                        .vm = vm->name,
                        .policy = vm->test_restore,
                        .newest_point = state ? state->last_good : 0,
                        .proven = state ? state->proven : 0,
                        .tried = state ? state->tried : 0,
                };
        }
        return candidates;
}

/* `wanted` NULL: all. */
static const char *choose_candidate(const struct proof_candidate *candidates, size_t count,
                                    const bool *wanted)
{
        uint32_t random = 0;
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
                random = (uint32_t)clock_realtime_ms();
        int chosen = proof_choose(candidates, count, wanted, random);
        return chosen < 0 ? NULL : candidates[chosen].vm;
}

const char *proofs_choose_random(const struct daemon *daemon)
{
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        if (!inventory)
                return NULL;
        _cleanup_free_ struct proof_candidate *candidates = list_candidates(daemon, inventory);
        _cleanup_free_ bool *wanted = xcalloc(inventory->n_vms + 1, sizeof *wanted);
        for (size_t i = 0; i < inventory->n_vms; i++)
                wanted[i] = !inventory->vms[i].config_only;
        return choose_candidate(candidates, inventory->n_vms, wanted);
}

static const char *choose_due(const struct daemon *daemon, char *const *tried)
{
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        if (!inventory)
                return NULL;
        int64_t now = clock_realtime_s();
        _cleanup_free_ struct proof_candidate *candidates = list_candidates(daemon, inventory);
        _cleanup_free_ bool *wanted = xcalloc(inventory->n_vms + 1, sizeof *wanted);
        for (size_t i = 0; i < inventory->n_vms; i++)
                wanted[i] = proof_is_due(&candidates[i], now) &&
                            !strv_contains(tried, candidates[i].vm);
        return choose_candidate(candidates, inventory->n_vms, wanted);
}

struct job *proofs_new_job(struct daemon *daemon, const char *vm,
                           const struct test_restore_options *options, bool after_cycle)
{
        struct job *job = runner_new_job(daemon, JOB_TEST_RESTORE,
                                         after_cycle ? JOB_CLASS_AFTER : JOB_CLASS_ADHOC, vm, NULL);
        job->beside = true;
        job->options = test_restore_options_write(options);
        return job;
}

static unsigned proof_budget_minutes(const struct settings *settings)
{
        return settings->test_restore.budget_minutes;
}

/* How long a test restore takes is not known in advance: none is started once the budget is used.
 */
static struct job *next_proof(struct daemon *daemon, const json_t *points _unused_,
                              const struct after_cycle_budget *budget, char **ret_about)
{
        const char *vm = budget->left_seconds > 0 ? choose_due(daemon, budget->tried) : NULL;
        if (!vm)
                return NULL;
        const struct test_restore_options options = { 0 };
        *ret_about = xstrdup(vm);
        return proofs_new_job(daemon, vm, &options, true);
}

const struct after_cycle_work proof_work = { .what = "VMs test-restored",
                                             .budget_minutes = proof_budget_minutes,
                                             .next = next_proof };
