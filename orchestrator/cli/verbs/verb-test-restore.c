/* `orch test-restore`: has the daemon start VMs from their points and watch them come up. */
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/client/follow.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"
#include "schema/records/test-restore-options.h"

static const struct option_spec options[] = {
        { .name = "random",
          .help = "the VM that has waited longest for a proof; among several, any" },
        { .name = "all",
          .help = "every VM of the inventory that has a good point, one after the other" },
        { .name = "network",
          .value = "NET",
          .help = "none (the default); isolated: one made for the test that leads nowhere; or a "
                  "libvirt network there is" },
        { .name = "keep", .help = "leave the test domain running" },
        { .name = "full", .help = "copy the disks to the hypervisor first, as a restore does" },
        { .name = "remove", .help = "remove what --keep left of these VMs, and try nothing" },
        { .name = "strict", .help = "warnings make the exit status 1" },
        { 0 },
};

const struct verb_manual manual_test_restore = {
        .arguments = "[VM [POINT]]",
        .max_words = 2,
        .options = options,
        .text = "Starts a VM from a restore point (the newest good one), as a throw-away domain "
                "with another name, UUID and "
                "addresses, and\n"
                "without a network card unless --network says so, and watches it come up. It runs "
                "on the VM's hypervisor "
                "straight from\n"
                "the share, through overlays in the scratch folder: nothing is copied, and the "
                "point is seen to be left as it was "
                "(owner,\n"
                "mode, times and SHA-256 of every file, before and after). A VM may be a glob such "
                "as 'prod-*'.\n"
                "\n"
                "What counts, the strongest first: the guest agent answers; test_commands of the "
                "inventory pass in the guest; its\n"
                "boot_pattern is on the serial console; without these, disks and processors settle "
                "after a system was loaded from "
                "the\n"
                "disks. A panic on the console, a machine that ends or resets over and over, and "
                "firmware that finds nothing are "
                "the\n"
                "opposite. The verdict, the time to boot and what was seen go into the point's "
                "state.json (files: its folder "
                "proof),\n"
                "and `orch list` shows it. Then the test domain is removed, whatever happened, but "
                "for --keep.\n"
                "\n"
                "--network NET puts the copy of a machine into a network where the original may "
                "be: it has another MAC address, "
                "but "
                "the\n"
                "same host name and whatever fixed IP address the guest sets itself.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED) | MANUAL_EXIT(STATUS_CANCELLED) |
                 MANUAL_EXIT(STATUS_INTERRUPTED),
        .example = "orch test-restore prod-db-01",
};

static int check(const struct options *given, struct error **err)
{
        size_t ways = (given->n_words > 0) + (size_t)options_has(given, "random") +
                      (size_t)options_has(given, "all");
        const char *network = options_get(given, "network");
        if (ways != 1)
                return error_set(err, ERROR_CONFIG, "name a VM, or say --random or --all");
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
        if (check(given, err) < 0)
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
