/* The states and outcomes of a job, and the words for them in streams, the API and the catalog. */
#pragma once

enum job_state {
        JOB_QUEUED,
        JOB_RUNNING,
        JOB_STUCK, /* its worker outlived SIGKILL; its VM is quarantined */
        JOB_ENDED,
};

enum job_outcome {
        JOB_OUTCOME_NONE,
        JOB_OUTCOME_OK,
        JOB_OUTCOME_FAILED,
        JOB_OUTCOME_CANCELLED,
        JOB_OUTCOME_SKIPPED
};

/* "queued", "running", "stuck", "ended" */
const char *job_state_name(enum job_state state);
/* "ok", "failed", "cancelled", "skipped"; "" for none */
const char *job_outcome_name(enum job_outcome outcome);
