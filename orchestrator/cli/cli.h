/* The way from argv to a verb (cli/terminal/verb.h), and what several verbs do alike. The table of
 * verbs is orchestrator/main.c; each verb has a file verbs/verb-<name>.c with its function and its
 * manual (options, exit statuses, example), from which `orch VERB --help` and the parsing of its
 * options both come. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/terminal/verb.h"
#include "cli/terminal/when.h"
#include "schema/config/settings.h"

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
