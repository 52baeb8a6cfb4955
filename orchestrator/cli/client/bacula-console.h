/* What Bacula's console knows of a job that called orch. Bacula only *marks* a cancelled job while
 * a script of it runs and tells the script nothing, so that a client which wants to know has to
 * ask. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Asks `bconsole -c CONFIG` whether the job is marked as cancelled: 1 or 0; -1 when it cannot be
 * asked (takes at most 5 s). A job that the Director does not know to run is not. */
int bacula_console_is_cancelled(const char *config, const char *job,
                                struct error **err) _must_check_;

/* The same out of bconsole's answer to `.api 2` and `.status dir running`. Pure. */
bool bacula_console_says_cancelled(const char *answer, const char *job);

/* Whether %e, a job's status as Bacula puts it into a command, says so. */
bool bacula_status_is_cancelled(const char *status);
