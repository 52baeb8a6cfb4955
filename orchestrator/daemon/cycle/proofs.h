/* Which VMs are test-restored: after each cycle by the policy of the inventory, within
 * `test_restore.budget_minutes` of the settings, or by `orch test-restore --random`.
 * policies/proof-due.h decides on what vm-states knows. */
#pragma once

#include "daemon/cycle/after-cycle.h"
#include "schema/records/test-restore-options.h"

extern const struct after_cycle_work proof_work;

/* The VM of the inventory whose last proof of boot is the oldest, a random one among equals; NULL:
 * none has a good point. Points into the inventory. */
const char *proofs_choose_random(const struct daemon *daemon);

/* A test restore of that VM: a queued job, as by runner_new_job(). */
struct job *proofs_new_job(struct daemon *daemon, const char *vm,
                           const struct test_restore_options *options, bool after_cycle);
