/* Implements daemon/state/job-names.h. */
#include "daemon/state/job-names.h"

const char *job_state_name(enum job_state state)
{
        static const char *const names[] = { "queued", "running", "stuck", "ended" };
        return names[state];
}

const char *job_outcome_name(enum job_outcome outcome)
{
        static const char *const names[] = { "", "ok", "failed", "cancelled", "skipped" };
        return names[outcome];
}
