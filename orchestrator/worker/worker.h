/* `orch worker`: one job in one process. Reads a job request (schema/records/messages.h) as the
 * first line of stdin, reports events as JSON lines on stdout, diagnostics on stderr. stdin stays
 * open as a life line: its end, like SIGTERM, means cancel: undo, then exit. */
#pragma once

/* Runs the job. Returns the process's exit status: 0 ok or skipped, 1 failed, 2 a request that
 * cannot be read, 5 cancelled. */
int worker_main(void);
