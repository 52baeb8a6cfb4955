/* The way from argv to a verb (cli/terminal/verb.h), and what several verbs do alike.
 *
 * The table of verbs is in orchestrator/main.c. Each verb has a file verbs/verb-<name>.c with its
 * function and its manual (options, exit statuses, example). `orch VERB --help` is generated from
 * the manual, and its options are parsed with the same table, so help and parser cannot disagree.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/terminal/verb.h"
#include "cli/terminal/when.h"
#include "schema/config/settings.h"
#include "schema/records/exit-status.h"

/* The options that every verb takes; a name of NULL ends the table. */
extern const struct option_spec cli_global_options[];

/* main() of orch: finds the verb, parses its options, runs it and prints its error. Returns the
 * exit status. A name of NULL ends `verbs`. */
int cli_main(const struct verb verbs[], int argc, char *argv[]);

/* The exit status for an error, unless the daemon's answer gives another one. */
enum exit_status cli_status_from_error(const struct error *error);

/* Reads orch.yaml and sets the process's time zone to cycle.timezone. Returns NULL if the file is
 * not valid: its problems are printed, and the verb returns STATUS_USAGE. The caller frees. */
struct settings *cli_load_settings(const struct cli *cli);

/* Parses a point in time as an operator types it (when.h), in cycle.timezone; *ret is in epoch
 * seconds. Returns -1 if `text` is not a time, or if orch.yaml is not valid: the verb then returns
 * STATUS_USAGE. */
int cli_moment(const struct cli *cli, const char *text, enum when_direction direction, int64_t *ret,
               struct error **err) _must_check_;

struct client;
/* A client for the daemon's socket that orch.yaml names. NULL if orch.yaml is not valid, as above.
 * The caller frees. */
struct client *cli_connect(const struct cli *cli);

/* For a verb that makes one call: connects and calls (client.h). With --json it prints the answer
 * and leaves *ret NULL, as after a failure; otherwise the caller owns the answer and prints it as
 * text. Returns the exit status so far. */
int cli_call(const struct cli *cli, const char *path, const json_t *body, json_t **ret,
             struct error **err) _must_check_;

/* The arguments that are not options, as a JSON array. Bytes that are not valid UTF-8 are replaced,
 * so that no argument is lost. A new reference. */
json_t *cli_words(const struct cli *cli);

/* What a verb returns after its last output: STATUS_OK, or STATUS_JOB_FAILED if it could not be
 * written (`written` is false). */
int cli_printed(bool written);

/* Asks on the terminal; true for "y" or "yes". Only if cli->can_ask. */
bool cli_ask(const char *question);
/* The same, but true only if `word` is typed in full. */
bool cli_ask_word(const char *question, const char *word);
