/* The texts of --help, generated from the table of verbs and their manuals. Lines are at most 80
 * columns wide. */
#pragma once

#include "cli/cli.h"

/* `orch --help`: one line for each verb, grouped by whether it needs the daemon, and the options of
 * every verb (`globals`). The caller frees. */
char *help_all(const struct verb verbs[], const struct option_spec globals[]);
/* `orch repository --help`: the verbs whose first word is `group`. The caller frees. */
char *help_group(const struct verb verbs[], const char *group);
/* `orch VERB --help`: usage, what it does, options, exit statuses, an example. The caller frees. */
char *help_verb(const struct verb *verb, const struct option_spec globals[]);
