/* Which VMs are due for a test-restore (`test_restore:` of the inventory), and in which order.
 * Pure: the time is a parameter; "local" is the time zone of the process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/config/inventory.h"

struct proof_candidate {
        const char *vm;
        enum vm_test_restore policy;
        int64_t newest_point; /* start of the VM's newest good point; 0: none */
        int64_t proven;       /* when a boot test of any of its points last succeeded; 0: never */
        int64_t tried;        /* when a test-restore of it last had a verdict; 0: never */
};

/* Whether a test-restore is due. weekly: there was none for six and a half days (a cycle may begin
 * a little earlier than the last one). monthly, quarterly: none in this calendar month or quarter.
 * after-each: none since its newest good point was started. A VM that did not boot is due again as
 * soon as it has a newer point. A VM without a good point is never due. */
bool proof_is_due(const struct proof_candidate *candidate, int64_t now);

/* The index of the next candidate among those for which `wanted` holds (NULL: all with a good
 * point), or -1 for none. It is the one with the oldest proof, never proven first; among equals the
 * one with the oldest try; among those still equal `random` chooses. */
int proof_choose(const struct proof_candidate *candidates, size_t count, const bool *wanted,
                 uint32_t random);
