/* Which VMs are to be test-restored (`test_restore:` of the inventory), and in which order. Pure:
 * the time is a parameter, "local" is the process's zone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/config/inventory.h"

struct proof_candidate {
        const char *vm;
        enum vm_test_restore policy;
        int64_t newest_point; /* start of the VM's newest good point; 0: none */
        int64_t proven;       /* when any of its points was last seen booting; 0: never */
        int64_t tried;        /* when a test-restore of it last came to a verdict; 0: never */
};

/* weekly: not since six and a half days ago (a cycle may begin a little earlier than the last one);
 * monthly, quarterly: not in this calendar month, quarter; after-each: not since its newest good
 * point was begun. One that did not boot is due again as soon as it has a newer point. Never
 * without a good point. */
bool proof_is_due(const struct proof_candidate *candidate, int64_t now);

/* The index of the one to take next among those for which `wanted` holds (NULL: all that have a
 * good point): the one whose last proof is longest ago, never proven first; of equals the one whose
 * last try is longest ago, and of those still equal any: `random` chooses. -1: none. */
int proof_choose(const struct proof_candidate *candidates, size_t count, const bool *wanted,
                 uint32_t random);
