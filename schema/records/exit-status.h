/* The exit statuses of orch(1), as scripts and Bacula's jobs know them. The API hands them over in
 * the end of a stream, and a worker's process ends with one. */
#pragma once

enum exit_status {
        STATUS_OK = 0,
        STATUS_JOB_FAILED = 1,
        STATUS_USAGE = 2, /* usage or configuration */
        STATUS_NO_DAEMON = 3,
        STATUS_REFUSED = 4, /* for now, or until an operator has decided */
        STATUS_CANCELLED = 5,
        STATUS_INTERRUPTED = 130, /* the client was interrupted; the job goes on */
};
