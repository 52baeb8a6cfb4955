/* Which VMs are test-restored: after each cycle by the policy of the inventory
 * (`test_restore.budget_minutes` of the settings is their time), or by `orch test-restore
 * --random`. Decided by policies/proof-due.h on what vm-states knows. */
#pragma once

#include "daemon/cycle/after-cycle.h"
#include "schema/records/test-restore-options.h"

extern const struct after_cycle_work proof_work;

/* The VM of the inventory that has waited longest for a proof, among equals any; NULL: none has a
 * good point. Points into the inventory. */
const char *proofs_choose_random(const struct daemon *daemon);

/* A test-restore of that VM: a queued job, as runner_new_job() gives it. */
struct job *proofs_new_job(struct daemon *daemon, const char *vm,
                           const struct test_restore_options *options, bool after_cycle);
