/* Asks Bacula's console whether the job that called orch was cancelled.
 *
 * While a script of a job runs, Bacula only marks the job as cancelled and does not signal the
 * script. A client that wants to know has to ask. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Asks `bconsole -c CONFIG` whether the job is marked as cancelled: 1 or 0; -1 if the console
 * cannot be asked. Takes at most 5 s. A job that the Director does not list as running counts as
 * not cancelled. */
int bacula_console_is_cancelled(const char *config, const char *job,
                                struct error **err) _must_check_;

/* The same, from bconsole's answer to `.api 2` and `.status dir running`. Pure. */
bool bacula_console_says_cancelled(const char *answer, const char *job);

/* Whether a job's status, as Bacula inserts it for %e into a command, means cancelled. */
bool bacula_status_is_cancelled(const char *status);
