/* What a verb is, and the way from argv to it. The table of verbs is orchestrator/main.c; each verb
 * has a file verb-<name>.c with its function and its manual (options, exit statuses, example), from
 * which `orch VERB --help` and the parsing of its options both come. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "cli/terminal/options.h"
#include "cli/terminal/when.h"
#include "schema/config/settings.h"
#include "schema/records/exit-status.h"

/* Only as a verb's return value: the kind of the error decides which exit status it is. */
enum { STATUS_FROM_ERROR = -1 };

enum verb_needs {
        VERB_NEEDS_DAEMON,
        VERB_NEEDS_NO_DAEMON,
        VERB_DAEMON_OR_STANDALONE, /* asks the daemon, unless --standalone is given */
        VERB_HIDDEN,               /* for orch's own use: in no help */
};

/* Says which statuses `--help` lists: MANUAL_EXIT(a) | MANUAL_EXIT(b). STATUS_OK and STATUS_USAGE
 * always are. */
#define MANUAL_EXIT(status) (1U << ((status) == STATUS_INTERRUPTED ? 6 : (status)))

struct verb_manual {
        const char *arguments; /* after the options in the usage line: "VM [POINT]"; "" for none */
        size_t min_words;      /* of arguments that are no options */
        size_t max_words;
        const struct option_spec *options; /* ended by a name of NULL; NULL for none */
        const char *text;                  /* a few sentences */
        unsigned exits;
        const char *example;
};

struct cli {
        const struct verb *verb;
        const struct options *options;
        const char *config; /* path of orch.yaml */
        bool json;
        int verbosity; /* -1: -q, 0, 1: -v */
        bool terminal; /* stdout is one that can redraw a line */
        bool can_ask;  /* stdin and stdout are terminals, and what is printed is for a person */
};

struct verb {
        const char *name;    /* one or two words: "run", "repository init" */
        const char *summary; /* one line for `orch --help` */
        enum verb_needs needs;
        const struct verb_manual *manual;
        /* Returns an exit status. With *err set, its message is printed, and STATUS_FROM_ERROR may
         * be returned. */
        int (*run)(const struct cli *cli, struct error **err);
};

/* The options that every verb takes; ended by a name of NULL. */
extern const struct option_spec cli_global_options[];

/* main() of orch: finds the verb, parses its options, runs it, prints its error. Returns the exit
 * status. `verbs` is ended by a name of NULL. */
int cli_main(const struct verb verbs[], int argc, char *argv[]);

/* The exit status that an error means where no answer of the daemon says another. */
enum exit_status cli_status_from_error(const struct error *error);

/* Reads orch.yaml and sets the process's time zone to cycle.timezone. NULL when it is not valid:
 * its problems then were printed and the verb ends with STATUS_USAGE. The caller frees. */
struct settings *cli_load_settings(const struct cli *cli);

/* A moment as a person says it (when.h), which is meant in that time zone. -1 when it is none, or
 * orch.yaml is not valid: the verb then ends with STATUS_USAGE. */
int cli_moment(const struct cli *cli, const char *text, enum when_direction direction, int64_t *ret,
               struct error **err) _must_check_;

struct client;
/* The client of the daemon that orch.yaml names. NULL when orch.yaml is not valid, as above. The
 * caller frees. */
struct client *cli_connect(const struct cli *cli);

/* For a verb that is one call: connects and calls (client.h). With --json the answer is printed,
 * and *ret stays NULL as after a failure; else the answer is the caller's, to be told in words.
 * Returns the exit status so far. */
int cli_call(const struct cli *cli, const char *path, const json_t *body, json_t **ret,
             struct error **err) _must_check_;

/* The words of the command line that are no options, as a JSON array: all of them, whatever their
 * bytes. A new reference. */
json_t *cli_words(const struct cli *cli);

/* What a verb returns after its last output: STATUS_OK, or a failure when stdout is gone (`written`
 * is false). */
int cli_printed(bool written);

/* Asks on the terminal; true for "y" or "yes". Only where cli->can_ask. */
bool cli_ask(const char *question);
/* The same for a word that has to be typed in full. */
bool cli_ask_word(const char *question, const char *word);
