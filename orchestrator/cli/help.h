/* The texts of --help, made from the table of verbs and their manuals. */
#pragma once

#include "cli/cli.h"

/* `orch --help`: each verb with one line; says which need no daemon. The caller frees. */
char *help_all(const struct verb verbs[]);
/* `orch repository --help`: the verbs whose first word that is. The caller frees. */
char *help_group(const struct verb verbs[], const char *group);
/* `orch VERB --help`: usage, options, exit statuses, an example. The caller frees. */
char *help_verb(const struct verb *verb);
