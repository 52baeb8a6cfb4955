/* Implements policies/fallback.h.
 *
 * An absent agent is a property of the guest and known beforehand. An agent that was there and no
 * longer answers is a fault, so it is reported at once. Neither stops a backup unless the inventory
 * demands it. */
#include "policies/fallback.h"

enum fallback_verdict fallback_decide(enum vm_fallback fallback, enum fallback_agent agent)
{
        if (agent == FALLBACK_AGENT_ANSWERS)
                return FALLBACK_QUIESCE;
        if (fallback == VM_FALLBACK_FAIL)
                return FALLBACK_FAIL;
        return agent == FALLBACK_AGENT_MUTE ? FALLBACK_SNAPSHOT_AND_ALERT : FALLBACK_SNAPSHOT;
}
