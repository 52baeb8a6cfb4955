/* `orch hypervisor enroll`: reads a hypervisor's host key, shows it, and adds it to known_hosts
 * once the operator has confirmed it. */
#include "base/memory.h"
#include "base/strings.h"
#include "cli/terminal/output.h"
#include "cli/verbs/verbs.h"
#include "schema/config/inventory.h"
#include "schema/json/json-fields.h"
#include "transports/ssh/ssh-enroll.h"

enum { LOOK_TIMEOUT_MS = 15000 };

static const struct option_spec options[] = {
        { .name = "fingerprint",
          .value = "SHA256:…",
          .help = "add the key only if it has this fingerprint; ask nothing" },
        { .name = "yes",
          .help = "ask nothing; only with --fingerprint, because an unverified key proves "
                  "nothing" },
        { 0 },
};

const struct verb_manual manual_hypervisor_enroll = {
        .arguments = "NAME",
        .min_words = 1,
        .max_words = 1,
        .options = options,
        .text = "Connects to a hypervisor of the inventory, shows the fingerprint of its host key, "
                "and adds the key to the file of ssh.known_hosts once you confirm it. Compare it "
                "with `ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub` on the hypervisor's own "
                "console. A key that contradicts the file is refused. orch does not log in.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_REFUSED) |
                 MANUAL_EXIT(STATUS_CANCELLED),
        .example = "orch hypervisor enroll hypervisor-01",
};

static int report_key(const struct cli *cli, const char *name, const struct ssh_host_key *key,
                      bool entered)
{
        if (cli->json) {
                _cleanup_json_ json_t *json =
                        json_pack("{s:s, s:s, s:s, s:b}", "hypervisor", name, "type", key->type,
                                  "fingerprint", key->fingerprint, "entered", (int)entered);
                return cli_printed(output_json(json));
        }
        _cleanup_free_ char *line =
                xasprintf("%s: the %s key %s %s", name, key->type, key->fingerprint,
                          entered ? "was added" : "is known already");
        return cli_printed(output_line(line));
}

/* Returns STATUS_OK if the operator, or --fingerprint, confirms the key. */
static int confirm_key(const struct cli *cli, const char *name, const struct ssh_host_key *key,
                       struct error **err)
{
        const char *wanted = options_get(cli->options, "fingerprint");
        if (wanted && streq(wanted, key->fingerprint))
                return STATUS_OK;
        if (wanted) {
                error_set(err, ERROR_REFUSED,
                          "%s shows the %s key %s, not %s: nothing was added. The connection may "
                          "be intercepted",
                          name, key->type, key->fingerprint, wanted);
                return STATUS_REFUSED;
        }
        if (!cli->can_ask) {
                error_set(err, ERROR_REFUSED,
                          "%s shows the %s key %s. Compare it on the hypervisor's console, then "
                          "pass it with --fingerprint",
                          name, key->type, key->fingerprint);
                return STATUS_REFUSED;
        }
        _cleanup_free_ char *question =
                xasprintf("%s shows the %s key %s. Does the hypervisor's console show the same?",
                          name, key->type, key->fingerprint);
        return cli_ask(question) ? STATUS_OK : STATUS_CANCELLED;
}

static int enroll_host(const struct cli *cli, const struct settings *settings,
                       const struct inventory_hypervisor *entry, struct error **err)
{
        const struct ssh_target target = {
                .address = entry->address ? entry->address : entry->name,
                .port = entry->port ? entry->port : settings->ssh.port,
                .user = settings->ssh.user,
                .known_hosts = settings->ssh.known_hosts,
        };
        _cleanup_ssh_host_key_ struct ssh_host_key key = { 0 };
        int state = ssh_enroll_look(&target, LOOK_TIMEOUT_MS, &key, err);
        if (state < 0)
                return *err && (*err)->kind == ERROR_AUTH ? STATUS_REFUSED : STATUS_FROM_ERROR;
        if (state == ENROLL_KNOWN)
                return report_key(cli, entry->name, &key, false);
        int status = confirm_key(cli, entry->name, &key, err);
        if (status != STATUS_OK)
                return status;
        if (ssh_enroll_enter(settings->ssh.known_hosts, &key, err) < 0)
                return STATUS_FROM_ERROR;
        return report_key(cli, entry->name, &key, true);
}

int verb_hypervisor_enroll(const struct cli *cli, struct error **err)
{
        const char *name = cli->options->words[0];
        if (options_has(cli->options, "yes") && !options_get(cli->options, "fingerprint")) {
                error_set(err, ERROR_CONFIG,
                          "--yes needs --fingerprint: an unverified host key is not added");
                return STATUS_USAGE;
        }
        _cleanup_(settings_freep) struct settings *settings = cli_load_settings(cli);
        if (!settings)
                return STATUS_USAGE;
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(inventory_freep) struct inventory *inventory =
                inventory_load(settings->inventory, NULL, &problems);
        if (!inventory) {
                (void)!problems_to_error(&problems, err);
                return STATUS_USAGE;
        }
        const struct inventory_hypervisor *entry = inventory_find_hypervisor(inventory, name);
        if (!entry) {
                _cleanup_free_ char *shown = str_one_line(name, 80);
                error_set(err, ERROR_CONFIG, "no hypervisor '%s' in the inventory %s", shown,
                          inventory->file);
                return STATUS_USAGE;
        }
        return enroll_host(cli, settings, entry, err);
}
