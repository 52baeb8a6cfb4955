/* `orch check`: runs only the checks that precede a backup. */
#include "cli/client/client.h"
#include "cli/client/follow.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"

static const struct option_spec options[] = {
        { .name = "strict", .help = "warnings make the exit status 1" },
        { 0 },
};

const struct verb_manual manual_check = {
        .arguments = "[VM…]",
        .max_words = SIZE_MAX,
        .options = options,
        .text = "Runs the checks that precede a backup, for these VMs or for all, and changes "
                "nothing. It does not wait for running backups.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED) | MANUAL_EXIT(STATUS_CANCELLED) |
                 MANUAL_EXIT(STATUS_INTERRUPTED),
        .example = "orch check prod-db-01",
};

int verb_check(const struct cli *cli, struct error **err)
{
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_json_ json_t *body = json_object();
        json_object_set_new(body, "vms", cli_words(cli));
        const struct follow_options follow = { .strict = options_has(cli->options, "strict"),
                                               .passed_checks = true };
        return follow_jobs(cli, client, "/v1/check", body, &follow, err);
}
