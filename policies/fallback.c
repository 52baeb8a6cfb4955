/* Implements policies/fallback.h.
 *
 * An agent that is absent is a property of the guest, known beforehand; one that is mute was there
 * and should be, so somebody has to hear of it at once. Neither stops a backup unless the inventory
 * says so. */
#include "policies/fallback.h"

enum fallback_verdict fallback_decide(enum vm_fallback fallback, enum fallback_agent agent)
{
        if (agent == FALLBACK_AGENT_ANSWERS)
                return FALLBACK_QUIESCE;
        if (fallback == VM_FALLBACK_FAIL)
                return FALLBACK_FAIL;
        return agent == FALLBACK_AGENT_MUTE ? FALLBACK_SNAPSHOT_AND_ALERT : FALLBACK_SNAPSHOT;
}
