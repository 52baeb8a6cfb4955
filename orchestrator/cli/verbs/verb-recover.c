/* `orch recover`: finds the leftovers of a crash and cleans them up. The daemon does it, or with
 * --standalone workers of this process, one at a time, while it holds the repository's lock. A word
 * may name a VM or a hypervisor; the inventory decides which. */
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/client/follow.h"
#include "cli/offline/standalone.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "repository/points.h"
#include "schema/config/inventory.h"
#include "schema/json/json-fields.h"

static const struct option_spec options[] = {
        { .name = "dry-run", .help = "report what would be repaired, and change nothing" },
        { .name = "standalone",
          .help = "do it in this process, without daemon and catalog; no daemon may be using the "
                  "share" },
        { 0 },
};

const struct verb_manual manual_recover = {
        .arguments = "[VM|HYPERVISOR…]",
        .max_words = SIZE_MAX,
        .options = options,
        .text = "Looks on the hypervisors for leftovers of a crash (a frozen guest, an overlay, "
                "orch's files) and cleans them up: for these VMs, for all VMs of these "
                "hypervisors, or for all.\n\nThe daemon does this by itself when it starts. Use "
                "--standalone if there is no daemon; end its remaining workers (`orch worker`) "
                "first.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED) | MANUAL_EXIT(STATUS_CANCELLED) |
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

static int recover_by_daemon(const struct cli *cli, const struct follow_options *follow,
                             struct error **err)
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
                json_array_append_new(has_name(known, word) ? hypervisors : vms,
                                      json_from_text(word));
        }
        json_object_set_new(body, "vms", vms);
        json_object_set_new(body, "hypervisors", hypervisors);
        json_object_set_new(body, "dry_run", json_boolean(options_has(cli->options, "dry-run")));
        return follow_jobs(cli, client, "/v1/recover", body, follow, err);
}

struct alone {
        struct standalone *standalone;
        char **vms;
        bool dry_run;
};

/* Sets the UUID and hypervisor of the VM. The catalog pins both; without a catalog its newest point
 * has them too. */
static int pinned_uuid(struct standalone *standalone, struct job_request *request,
                       struct error **err)
{
        _cleanup_point_list_ struct point_list list = { 0 };
        if (points_scan_named(standalone_repository(standalone), request->vm, &list, err) < 0)
                return -1;
        for (size_t i = 0; i < list.count && !request->pinned_uuid; i++) {
                if (!list.items[i].metadata)
                        continue;
                request->pinned_uuid = xstrdup(list.items[i].metadata->uuid);
                request->pinned_hypervisor = xstrdup(list.items[i].hypervisor);
        }
        return 0;
}

static int recover_each(const struct client_stream *stream, void *data, struct error **err)
{
        struct alone *alone = data;
        int status = STATUS_OK;
        for (size_t i = 0; alone->vms && alone->vms[i]; i++) {
                _cleanup_(job_request_freep) struct job_request *request =
                        standalone_request(alone->standalone, JOB_RECOVER, alone->vms[i]);
                request->dry_run = alone->dry_run;
                int result = pinned_uuid(alone->standalone, request, err) < 0
                                     ? STATUS_FROM_ERROR
                                     : standalone_run(alone->standalone, request, stream, err);
                if (result == STATUS_FROM_ERROR || result == STATUS_CANCELLED)
                        return result;
                status = result == STATUS_OK ? status : result;
        }
        return status;
}

/* The VMs to recover. A word that is not a hypervisor of the inventory is a VM, perhaps one that is
 * no longer in the inventory. */
static char **choose_listed_vms(const struct inventory *inventory, const struct options *given)
{
        char **vms = NULL;
        for (size_t i = 0; i < given->n_words; i++)
                if (!inventory_find_hypervisor(inventory, given->words[i]) &&
                    !strv_contains(vms, given->words[i]))
                        strv_add(&vms, given->words[i]);
        for (size_t i = 0; i < inventory->n_vms; i++) {
                const struct inventory_vm *vm = &inventory->vms[i];
                bool wanted = given->n_words == 0;
                for (size_t w = 0; w < given->n_words && !wanted; w++)
                        wanted = streq(vm->hypervisor, given->words[w]);
                if (wanted && !strv_contains(vms, vm->name))
                        strv_add(&vms, vm->name);
        }
        return vms;
}

static int recover_here(const struct cli *cli, const struct follow_options *follow,
                        struct error **err)
{
        _cleanup_(standalone_freep) struct standalone *standalone = standalone_new(cli, err);
        if (!standalone)
                return err && *err ? STATUS_FROM_ERROR : STATUS_USAGE;
        if (standalone_lock(standalone_repository(standalone), err) < 0)
                return STATUS_FROM_ERROR;
        _cleanup_strv_ char **vms =
                choose_listed_vms(standalone_inventory(standalone), cli->options);
        if (!vms) {
                error_set(err, ERROR_CONFIG, "the inventory %s has no VM to recover",
                          standalone_settings(standalone)->inventory);
                return STATUS_USAGE;
        }
        struct alone alone = { .standalone = standalone,
                               .vms = vms,
                               .dry_run = options_has(cli->options, "dry-run") };
        return follow_source(cli, recover_each, &alone, follow, err);
}

int verb_recover(const struct cli *cli, struct error **err)
{
        const struct follow_options follow = { .strict = false };
        return options_has(cli->options, "standalone") ? recover_here(cli, &follow, err)
                                                       : recover_by_daemon(cli, &follow, err);
}
