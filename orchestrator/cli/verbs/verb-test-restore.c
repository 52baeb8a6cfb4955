/* `orch test-restore`: asks the daemon to boot VMs from their points as a test. */
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/client/follow.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"
#include "schema/records/test-restore-options.h"

static const struct option_spec options[] = {
        { .name = "random",
          .help = "the VM that has waited longest for a proof of boot; any of them if several "
                  "have" },
        { .name = "all", .help = "every VM of the inventory that has a good point, one at a time" },
        { .name = "network",
          .value = "NET",
          .help = "none (the default); isolated: a network without uplink that is created for the "
                  "test; or the name of a libvirt network" },
        { .name = "keep", .help = "leave the test domain running" },
        { .name = "full", .help = "copy the disks to the hypervisor first, like a restore" },
        { .name = "remove",
          .help = "remove the domains that --keep left of these VMs, and test nothing" },
        { .name = "strict", .help = "warnings make the exit status 1" },
        { 0 },
};

const struct verb_manual manual_test_restore = {
        .arguments = "[VM [POINT]]",
        .max_words = 2,
        .options = options,
        .text = "Boots a VM from a restore point (the newest good one by default) and reports "
                "whether it comes up. It is a throw-away domain with another name, UUID and MAC "
                "addresses, and without a network card unless --network is given. A VM may be a "
                "glob such as 'prod-*'.\n\nIt runs on the VM's hypervisor straight from the share, "
                "through overlays in the scratch folder. Nothing is copied, and owner, mode, times "
                "and SHA-256 of every file of the point are compared before and after.\n\nProof of "
                "boot, the strongest first: the guest agent answers; the inventory's test_commands "
                "pass in the guest; its boot_pattern appears on the serial console; without these, "
                "disks and processors become idle after a system was loaded from the disks. A "
                "kernel panic on the console, a domain that ends or resets repeatedly, and "
                "firmware that finds nothing to boot are failures.\n\nThe verdict, the boot time "
                "and the evidence are written to the point's state.json (files: to its folder "
                "proof), and `orch list` shows them. Then the test domain is always removed, "
                "unless --keep is given.\n\n--network NET connects the copy to a network where the "
                "original may be. It has another MAC address, but the same host name, and the same "
                "fixed IP address if the guest configures one.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED) | MANUAL_EXIT(STATUS_CANCELLED) |
                 MANUAL_EXIT(STATUS_INTERRUPTED),
        .example = "orch test-restore prod-db-01",
};

static int check_test_options(const struct options *given, struct error **err)
{
        size_t ways = (given->n_words > 0) + (size_t)options_has(given, "random") +
                      (size_t)options_has(given, "all");
        const char *network = options_get(given, "network");
        if (ways != 1)
                return error_set(err, ERROR_CONFIG, "name a VM, or use --random or --all");
        if (given->n_words > 1 && name_is_glob(given->words[0]))
                return error_set(err, ERROR_CONFIG, "a POINT goes with the name of one VM");
        if (network && !test_network_is_sane(network))
                return error_set(
                        err, ERROR_CONFIG,
                        "--network %s: expected none, isolated, or the name of a libvirt network",
                        network);
        return 0;
}

static void add_flag(json_t *body, const struct options *given, const char *name)
{
        json_object_set_new(body, name, json_boolean(options_has(given, name)));
}

int verb_test_restore(const struct cli *cli, struct error **err)
{
        static const char *const flags[] = { "random", "all", "keep", "full", "remove" };
        const struct options *given = cli->options;
        if (check_test_options(given, err) < 0)
                return STATUS_USAGE;
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_json_ json_t *body = json_object();
        json_t *vms = json_array();
        if (given->n_words)
                json_array_append_new(vms, json_from_text(given->words[0]));
        json_object_set_new(body, "vms", vms);
        json_object_set_new(body, "point",
                            json_from_text(given->n_words > 1 ? given->words[1] : NULL));
        json_object_set_new(body, "network", json_from_text(options_get(given, "network")));
        for (size_t i = 0; i < ARRAY_LENGTH(flags); i++)
                add_flag(body, given, flags[i]);
        const struct follow_options follow = { .strict = options_has(given, "strict") };
        return follow_jobs(cli, client, "/v1/test-restore", body, &follow, err);
}
