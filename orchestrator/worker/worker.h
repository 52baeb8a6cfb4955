/* `orch worker`: one job in one process. Reads a job request (schema/records/messages.h) as the
 * first line of stdin, reports events as JSON lines on stdout, diagnostics on stderr. stdin stays
 * open: its end, like SIGTERM, cancels the job, which is then undone before the process exits. */
#pragma once

/* Runs the job. Returns the process's exit status: 0 ok or skipped, 1 failed, 2 the request cannot
 * be read, 5 cancelled. */
int worker_main(void);
