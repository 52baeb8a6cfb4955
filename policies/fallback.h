/* What a quiesce backup does when the guest agent is absent or does not answer. Pure. */
#pragma once

#include "schema/config/inventory.h"

enum fallback_verdict {
        FALLBACK_QUIESCE,  /* the agent answers: freeze */
        FALLBACK_SNAPSHOT, /* go on without a freeze, with a warning */
        /* go on without a freeze and alert at once: an agent that should answer does not */
        FALLBACK_SNAPSHOT_AND_ALERT,
        FALLBACK_FAIL,
};

enum fallback_agent { FALLBACK_AGENT_ANSWERS, FALLBACK_AGENT_ABSENT, FALLBACK_AGENT_MUTE };

enum fallback_verdict fallback_decide(enum vm_fallback fallback, enum fallback_agent agent);
