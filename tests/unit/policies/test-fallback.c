/* What is done without a guest agent: all cases. */
#include "policies/fallback.h"

#include <criterion/criterion.h>

#include "base/cleanup.h"

Test(fallback, the_whole_table)
{
        static const struct {
                enum vm_fallback fallback;
                enum fallback_agent agent;
                enum fallback_verdict verdict;
        } table[] = {
                { VM_FALLBACK_SNAPSHOT, FALLBACK_AGENT_ANSWERS, FALLBACK_QUIESCE },
                { VM_FALLBACK_SNAPSHOT, FALLBACK_AGENT_ABSENT, FALLBACK_SNAPSHOT },
                { VM_FALLBACK_SNAPSHOT, FALLBACK_AGENT_MUTE, FALLBACK_SNAPSHOT_AND_ALERT },
                { VM_FALLBACK_FAIL, FALLBACK_AGENT_ANSWERS, FALLBACK_QUIESCE },
                { VM_FALLBACK_FAIL, FALLBACK_AGENT_ABSENT, FALLBACK_FAIL },
                { VM_FALLBACK_FAIL, FALLBACK_AGENT_MUTE, FALLBACK_FAIL },
        };

        for (size_t i = 0; i < ARRAY_LENGTH(table); i++)
                cr_assert_eq(fallback_decide(table[i].fallback, table[i].agent), table[i].verdict,
                             "row %zu", i);
}
