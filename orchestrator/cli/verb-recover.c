/* `orch recover`: has the daemon look for what a crash left and undo it. A word may name a VM or a hypervisor: the inventory tells. */
#include "base/strings.h"
#include "cli/client.h"
#include "cli/follow.h"
#include "cli/values.h"
#include "cli/verbs.h"
#include "schema/json-fields.h"

static const struct option_spec options[] = {
        { .name = "dry-run", .help = "say what would be put right, and change nothing" },
        { 0 },
};

const struct verb_manual manual_recover = {
        .arguments = "[VM|HYPERVISOR…]",
        .max_words = SIZE_MAX,
        .options = options,
        .text = "Looks on the hypervisors for what a crash left (a frozen guest, an overlay, files of orch's) and undoes it: for "
                "these\n"
                "VMs, for all VMs of these hypervisors, or for all.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) | MANUAL_EXIT(STATUS_CANCELLED) |
                 MANUAL_EXIT(STATUS_INTERRUPTED),
        .example = "orch recover hypervisor-02",
};

static bool has_name(const json_t *array, const char *name)
{
        const json_t *entry;
        for (size_t i = 0; (entry = json_array_get(array, i)); i++)
                if (streq(value_text(entry, "name"), name))
                        return true;
        return false;
}

int verb_recover(const struct cli *cli, struct error **err)
{
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_json_ json_t *known = NULL;
        if (cli->options->n_words) {
                int status = client_call(client, "/v1/hypervisors", NULL, &known, err);
                if (status != STATUS_OK)
                        return status;
        }
        _cleanup_json_ json_t *body = json_object();
        json_t *vms = json_array();
        json_t *hypervisors = json_array();
        for (size_t i = 0; i < cli->options->n_words; i++) {
                const char *word = cli->options->words[i];
                json_array_append_new(has_name(known, word) ? hypervisors : vms, json_string(word));
        }
        json_object_set_new(body, "vms", vms);
        json_object_set_new(body, "hypervisors", hypervisors);
        json_object_set_new(body, "dry_run", json_boolean(options_has(cli->options, "dry-run")));
        const struct follow_options follow = { .strict = false };
        return follow_jobs(cli, client, "/v1/recover", body, &follow, err);
}
