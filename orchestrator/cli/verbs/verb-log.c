/* `orch log`: prints the events of a job, and with -f the new ones. Its exit status is that of
 * reading the log, not that of the job. */
#include "base/memory.h"
#include "cli/client/client.h"
#include "cli/client/follow.h"
#include "cli/verbs/verbs.h"

static const struct option_spec options[] = {
        { .letter = 'f', .name = "follow", .help = "follow the job until it ends" },
        { 0 },
};

const struct verb_manual manual_log = {
        .arguments = "JOB|VM",
        .min_words = 1,
        .max_words = 1,
        .options = options,
        .text = "Prints the events of a job, or of the newest job of a VM. With -v it prints "
                "passed checks too.",
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
