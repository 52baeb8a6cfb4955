/* The texts of --help, made from the table of verbs and their manuals. */
#pragma once

#include "cli/cli.h"

/* `orch --help`: each verb with one line, those that need no daemon apart, and the options of every
 * verb (`globals`). The caller frees. */
char *help_all(const struct verb verbs[], const struct option_spec globals[]);
/* `orch repository --help`: the verbs whose first word that is. The caller frees. */
char *help_group(const struct verb verbs[], const char *group);
/* `orch VERB --help`: usage, options, exit statuses, an example. The caller frees. */
char *help_verb(const struct verb *verb, const struct option_spec globals[]);
