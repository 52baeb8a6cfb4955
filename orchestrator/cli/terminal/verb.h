/* What a verb is, the command line it was called with, and the exit statuses it can have. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "cli/terminal/options.h"
#include "schema/records/exit-status.h"

/* Only as a verb's return value: the kind of the error decides which exit status it is. */
enum { STATUS_FROM_ERROR = -1 };

enum verb_needs {
        VERB_NEEDS_DAEMON,
        VERB_NEEDS_NO_DAEMON,
        VERB_DAEMON_OR_STANDALONE, /* calls the daemon, unless --standalone is given */
        VERB_HIDDEN,               /* for orch's own use; help does not list it */
};

/* The exit statuses that `--help` lists: MANUAL_EXIT(a) | MANUAL_EXIT(b). STATUS_OK and
 * STATUS_USAGE are always listed. */
#define MANUAL_EXIT(status) (1U << ((status) == STATUS_INTERRUPTED ? 6 : (status)))

struct verb_manual {
        const char *arguments; /* after the options in the usage line: "VM [POINT]"; "" for none */
        size_t min_words;      /* number of arguments that are not options */
        size_t max_words;
        const struct option_spec *options; /* ended by a name of NULL; NULL for none */
        const char *text; /* a few sentences; help.c wraps them; "\n\n" separates paragraphs */
        unsigned exits;
        const char *example;
};

struct cli {
        const struct verb *verb;
        const struct options *options;
        const char *config; /* path of orch.yaml */
        bool json;
        int verbosity; /* -1: -q, 0, 1: -v */
        bool terminal; /* stdout is a terminal that can redraw a line */
        bool can_ask;  /* stdin and stdout are terminals and --json is not given */
};

struct verb {
        const char *name;    /* one or two words: "run", "repository init" */
        const char *summary; /* one line for `orch --help` */
        enum verb_needs needs;
        const struct verb_manual *manual;
        /* Returns an exit status. If it sets *err, the message is printed, and it may return
         * STATUS_FROM_ERROR. */
        int (*run)(const struct cli *cli, struct error **err);
};
