/* `orch log`: the events of a job, past and (with -f) to come. Its exit status tells of the
 * reading, not of the job. */
#include "base/memory.h"
#include "cli/client/client.h"
#include "cli/client/follow.h"
#include "cli/verbs/verbs.h"

static const struct option_spec options[] = {
        { .letter = 'f', .name = "follow", .help = "go on until the job ends" },
        { 0 },
};

const struct verb_manual manual_log = {
        .arguments = "JOB|VM",
        .min_words = 1,
        .max_words = 1,
        .options = options,
        .text = "Prints what a job did, or the newest job of a VM. Passed checks are shown with "
                "-v.",
        .exits = MANUAL_EXIT(STATUS_NO_DAEMON) | MANUAL_EXIT(STATUS_INTERRUPTED),
        .example = "orch log prod-db-01 -f",
};

int verb_log(const struct cli *cli, struct error **err)
{
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_free_ char *escaped = client_escape(cli->options->words[0]);
        _cleanup_free_ char *path =
                xasprintf("/v1/jobs/%s/log%s", escaped,
                          options_has(cli->options, "follow") ? "?follow=1" : "");
        const struct follow_options follow = { .just_watching = true };
        return follow_jobs(cli, client, path, NULL, &follow, err);
}
