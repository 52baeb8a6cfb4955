/* `orch restore`: restores a VM from a point, in a job of the daemon or, with --standalone, in a
 * worker of this process. The options are checked here too, so that a mistake is reported before
 * the daemon is called. */
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/client/follow.h"
#include "cli/offline/standalone.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"
#include "schema/records/restore-options.h"

static const struct option_spec options[] = {
        { .name = "to",
          .value = "HYPERVISOR",
          .help = "restore on this hypervisor, instead of its own" },
        { .name = "name",
          .value = "NEW",
          .help = "restore as a second VM of this name beside the original, with another UUID and "
                  "no network" },
        { .name = "network",
          .value = "NET",
          .repeatable = true,
          .help = "keep, none, a network for every NIC, or OLD=NEW (default: keep; with --name: "
                  "none)" },
        { .name = "disks", .value = "vda,…", .help = "restore only these disks" },
        { .name = "images",
          .value = "DIR|POOL",
          .help = "write the disks to this folder or libvirt pool of the hypervisor" },
        { .name = "format",
          .value = "FORMAT",
          .help = "qcow2 or raw, instead of the disks' original format" },
        { .name = "start",
          .help = "start it, and wait for its guest agent if it has an agent channel" },
        { .name = "instant",
          .help = "start it at once from the share, and copy its disks to the hypervisor while it "
                  "runs" },
        { .name = "replace",
          .help = "replace the existing VM, which is shut off and kept aside for 7 days" },
        { .name = "original-gone",
          .help = "confirm that the unreachable original is not running and never will be again" },
        { .name = "export",
          .value = "DIR",
          .help = "only write images and XML to this folder, on the machine where the daemon "
                  "runs" },
        { .name = "standalone",
          .help = "work without daemon and catalog, on any machine that sees the share; --export "
                  "DIR is then on this machine" },
        { .name = "dry-run",
          .help = "verify and check everything, print what would be done, and exit" },
        { .name = "yes", .help = "with --replace: do not ask for the VM's name" },
        { 0 },
};

const struct verb_manual manual_restore = {
        .arguments = "VM [POINT]",
        .min_words = 1,
        .max_words = 2,
        .options = options,
        .text = "Restores a VM to its state at POINT: a name, the beginning of a name, or latest "
                "(the default). The hypervisor copies the disks from the share, they are compared "
                "with the point and moved into place, and the VM is defined. No file is ever "
                "overwritten. After a failure, a cancel or a crash at any step everything is "
                "rolled back.\n\nThe point is verified first. If no file of its backing chain has "
                "changed "
                "since it was last verified, disk checksums are verified while the disks are "
                "copied.\n\nWith --instant the VM depends on the share until its disks are copied: "
                "if the share stops answering before that, the VM stalls.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED) | MANUAL_EXIT(STATUS_CANCELLED) |
                 MANUAL_EXIT(STATUS_INTERRUPTED),
        .example = "orch restore prod-db-01 2026-02-01-220015 --to hypervisor-02 --start",
};

static char **split_commas(const char *text)
{
        char **parts = NULL;
        _cleanup_free_ char *copy = xstrdup(text);
        for (char *rest = copy, *part; rest && (part = strsep(&rest, ","));)
                strv_add(&parts, part);
        return parts;
}

/* Copies all values: restore_options_done() frees them. */
static void fill_in(const struct cli *cli, struct restore_options *ret)
{
        const struct options *given = cli->options;
        ret->point = xstrdup(given->n_words > 1 ? given->words[1] : NULL);
        ret->to = xstrdup(options_get(given, "to"));
        ret->name = xstrdup(options_get(given, "name"));
        for (size_t i = 0; options_nth(given, "network", i); i++) {
                _cleanup_strv_ char **parts = split_commas(options_nth(given, "network", i));
                for (size_t j = 0; parts[j]; j++)
                        strv_add(&ret->network, parts[j]);
        }
        ret->disks = options_get(given, "disks") ? split_commas(options_get(given, "disks")) : NULL;
        ret->images = xstrdup(options_get(given, "images"));
        ret->format = xstrdup(options_get(given, "format"));
        ret->export_folder = xstrdup(options_get(given, "export"));
        ret->start = options_has(given, "start");
        ret->instant = options_has(given, "instant");
        ret->replace = options_has(given, "replace");
        ret->original_gone = options_has(given, "original-gone");
        ret->dry_run = options_has(given, "dry-run");
}

/* The options as JSON, checked by the reader that the daemon uses. NULL with an error. */
static json_t *make_options(const struct cli *cli, struct error **err)
{
        _cleanup_restore_options_ struct restore_options filled = { 0 };
        _cleanup_restore_options_ struct restore_options checked = { 0 };
        fill_in(cli, &filled);
        json_t *json = restore_options_write(&filled);
        if (restore_options_read(json, &checked, err) == 0)
                return json;
        json_decref(json);
        return NULL;
}

static int confirm_restore(const struct cli *cli, struct error **err)
{
        const char *vm = cli->options->words[0];
        if (!options_has(cli->options, "replace") || options_has(cli->options, "yes") ||
            options_has(cli->options, "dry-run"))
                return STATUS_OK;
        if (!cli->can_ask) {
                error_set(err, ERROR_CONFIG,
                          "--replace shuts %s off and replaces it by an older state: confirm with "
                          "--yes",
                          vm);
                return STATUS_USAGE;
        }
        _cleanup_free_ char *question =
                xasprintf("%s will be shut off and replaced by its state of %s; the current one is "
                          "kept aside for 7 days.\nType the VM's name to continue: ",
                          vm, cli->options->words[1]);
        if (cli_ask_word(question, vm))
                return STATUS_OK;
        error_set(err, ERROR_CANCELLED, "not confirmed: nothing was changed");
        return STATUS_CANCELLED;
}

static int restore_by_daemon(const struct cli *cli, json_t *wanted,
                             const struct follow_options *follow, struct error **err)
{
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_json_ json_t *body = json_object();
        json_object_set_new(body, "vm", json_from_text(cli->options->words[0]));
        json_object_set(body, "options", wanted);
        return follow_jobs(cli, client, "/v1/restore", body, follow, err);
}

struct alone {
        struct standalone *standalone;
        const struct job_request *request;
};

static int restore_alone(const struct client_stream *stream, void *data, struct error **err)
{
        struct alone *alone = data;
        return standalone_run(alone->standalone, alone->request, stream, err);
}

static int do_without_daemon(const struct cli *cli, json_t *wanted,
                             const struct follow_options *follow, struct error **err)
{
        const char *vm = cli->options->words[0];
        if (!name_is_safe(vm)) {
                error_set(err, ERROR_CONFIG,
                          "VM: expected a name of letters, digits, '.', '_' and '-'");
                return STATUS_USAGE;
        }
        _cleanup_(standalone_freep) struct standalone *standalone = standalone_new(cli, err);
        if (!standalone)
                return err && *err ? STATUS_FROM_ERROR : STATUS_USAGE;
        _cleanup_(job_request_freep) struct job_request *request =
                standalone_request(standalone, JOB_RESTORE, vm);
        request->options = json_incref(wanted);
        struct alone alone = { .standalone = standalone, .request = request };
        return follow_source(cli, restore_alone, &alone, follow, err);
}

int verb_restore(const struct cli *cli, struct error **err)
{
        _cleanup_json_ json_t *wanted = make_options(cli, err);
        if (!wanted)
                return STATUS_USAGE;
        int status = confirm_restore(cli, err);
        if (status != STATUS_OK)
                return status;
        const struct follow_options follow = { .passed_checks =
                                                       options_has(cli->options, "dry-run") };
        return options_has(cli->options, "standalone")
                       ? do_without_daemon(cli, wanted, &follow, err)
                       : restore_by_daemon(cli, wanted, &follow, err);
}
