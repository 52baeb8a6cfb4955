/* Follows jobs to their end: posts a request whose answer is a stream of events, and prints each
 * event as a line. On a terminal a live progress line is below; with --json the events themselves
 * are printed. The last line is the verdict. */
#pragma once

#include "cli/client/client.h"
#include "cli/terminal/verb.h"

struct follow_options {
        bool strict;            /* warnings turn exit status 0 into 1 */
        bool passed_checks;     /* print passed checks too */
        const char *bacula_job; /* the Bacula job that runs this client, or NULL */
        /* bconsole's configuration, or NULL: if that job is cancelled there, the jobs are cancelled
         */
        const char *bacula_console;
        /* reading a log: the exit status is 0 whatever the outcome of the job, and Ctrl-C prints no
         * hint about running jobs */
        bool just_watching;
};

/* The rows of an option table; follow_read_options() reads their values. ERROR_CONFIG for a wrong
 * value or combination. */
#define FOLLOW_OPTIONS                                                                       \
        { .name = "strict", .help = "warnings make the exit status 1" },                     \
                { .name = "bacula-job",                                                      \
                  .value = "ID",                                                             \
                  .help = "the Bacula job that runs this (%i); `orch cancel --bacula-job` "  \
                          "cancels it" },                                                    \
        {                                                                                    \
                .name = "bacula-console", .value = "FILE",                                   \
                .help = "bconsole's configuration: if that job is cancelled there, this is " \
                        "cancelled too"                                                      \
        }
int follow_read_options(const struct cli *cli, struct follow_options *ret,
                        struct error **err) _must_check_;

/* Like follow_jobs() for lines that do not come from the daemon: `source` passes them to the stream
 * and returns an exit status. */
int follow_source(const struct cli *cli,
                  int (*source)(const struct client_stream *stream, void *data, struct error **err),
                  void *data, const struct follow_options *options, struct error **err);

/* Posts `body` to `path` (GET if it is NULL), prints the events until the stream ends, and returns
 * the exit status. On failure *err is set, as in client.h. */
int follow_jobs(const struct cli *cli, struct client *client, const char *path, const json_t *body,
                const struct follow_options *options, struct error **err);
