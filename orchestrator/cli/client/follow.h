/* Following jobs to their end: posts a request whose answer is a stream of events, and shows them:
 * a plain line an event, on a terminal with a live progress line below, with --json the events
 * themselves. The last line is the verdict. */
#pragma once

#include "cli/client/client.h"
#include "cli/terminal/verb.h"

struct follow_options {
        bool strict;            /* warnings make exit status 1 of 0 */
        bool passed_checks;     /* shows those too */
        const char *bacula_job; /* that runs this client; or NULL */
        /* bconsole's configuration: that job's being cancelled there cancels the jobs; or NULL */
        const char *bacula_console;
        /* of what may be past: ends with 0 whatever became of the job; Ctrl-C says nothing of
         * jobs */
        bool just_watching;
};

/* Rows of an option table, and what was given of them. ERROR_CONFIG for what cannot be together. */
#define FOLLOW_OPTIONS                                                                           \
        { .name = "strict", .help = "warnings make the exit status 1" },                         \
                { .name = "bacula-job",                                                          \
                  .value = "ID",                                                                 \
                  .help = "the Bacula job that runs this (%i): `orch cancel --bacula-job` ends " \
                          "it" },                                                                \
        {                                                                                        \
                .name = "bacula-console", .value = "FILE",                                       \
                .help = "bconsole's configuration: a cancel of that job in bconsole ends it too" \
        }
int follow_read_options(const struct cli *cli, struct follow_options *ret,
                        struct error **err) _must_check_;

/* The same for lines that come from elsewhere: `source` hands them to the stream and returns an
 * exit status. */
int follow_source(const struct cli *cli,
                  int (*source)(const struct client_stream *stream, void *data, struct error **err),
                  void *data, const struct follow_options *options, struct error **err);

/* Returns the exit status. `body` NULL: GET. */
int follow_jobs(const struct cli *cli, struct client *client, const char *path, const json_t *body,
                const struct follow_options *options, struct error **err);
