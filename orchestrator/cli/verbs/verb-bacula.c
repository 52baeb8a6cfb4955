/* `orch bacula config`: prints the Director's resources, or compares a file with them. It needs
 * neither daemon nor Bacula. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/bacula/bacula-config.h"
#include "cli/terminal/output.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"

static const struct option_spec options[] = {
        { .name = "cycle", .help = "one job `orch-run` for the whole cycle (the default)" },
        { .name = "split",
          .help = "one job `backup-vm-NAME` for each VM, which can fail and be repeated alone" },
        { .name = "command",
          .value = "COMMAND",
          .help = "the command that the jobs call, such as 'podman exec orch orch' (default: "
                  "orch)" },
        { .name = "alert-command",
          .value = "COMMAND",
          .help = "the command that reports a failed job; it should work without the container "
                  "(default: COMMAND of --command)" },
        { .name = "console",
          .value = "FILE",
          .help = "bconsole's configuration, as COMMAND sees it; a cancel in bconsole then cancels "
                  "the backups" },
        { .name = "catalog",
          .value = "NAME",
          .help = "the Director's Catalog resource (default: MyCatalog)" },
        { .name = "check",
          .value = "FILE",
          .help = "compare FILE instead: exit with 0 if it is up to date; print the differences "
                  "and exit with 1 if not" },
        { 0 },
};

const struct verb_manual manual_bacula_config = {
        .arguments = "",
        .options = options,
        .text = "Prints resources for Bacula's Director, generated from vm-list.yaml and "
                "cycle.start: Admin jobs that call orch, their schedules, and the other resources "
                "that Bacula requires. The same input gives the same text, so --check can decide "
                "whether a file is out of date. Comments in the text explain how to install it.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED),
        .example = "orch bacula config --split --command 'podman exec orch orch' >orch.conf",
};

enum { FILE_MAX_BYTES = 4 << 20 };

static int print_config(const struct cli *cli, const char *text)
{
        if (!cli->json)
                return cli_printed(output_text(text));
        _cleanup_json_ json_t *json = json_object();
        json_object_set_new(json, "config", json_from_text(text));
        return cli_printed(output_json(json));
}

static int print_comparison(const struct cli *cli, const char *path, char *const *differences)
{
        int status = differences ? STATUS_JOB_FAILED : STATUS_OK;
        bool written = true;
        if (cli->json) {
                _cleanup_json_ json_t *json = json_object();
                json_t *array = json_array();
                for (size_t i = 0; differences && differences[i]; i++)
                        json_array_append_new(array, json_from_text(differences[i]));
                json_object_set_new(json, "same", json_boolean(!differences));
                json_object_set_new(json, "differences", array);
                written = output_json(json);
        } else {
                for (size_t i = 0; differences && differences[i]; i++)
                        written = written && output_line(differences[i]);
                _cleanup_free_ char *verdict = xasprintf(
                        "%s %s", path,
                        differences ? "is out of date: generate it again" : "is up to date");
                written = written && output_line(verdict);
        }
        int printed = cli_printed(written);
        return status ? status : printed;
}

/* A missing file counts as out of date. */
static int compare_with_file(const struct cli *cli, const char *path, const char *wanted,
                             struct error **err)
{
        if (access(path, F_OK) < 0 && errno == ENOENT)
                return print_comparison(cli, path,
                                        (char *[]){ (char[]){ "there is no such file" }, NULL });
        _cleanup_free_ char *found = fs_read_file(path, FILE_MAX_BYTES, NULL, err);
        if (!found)
                return STATUS_USAGE;
        _cleanup_strv_ char **differences = bacula_config_compare(wanted, found);
        return print_comparison(cli, path, differences);
}

static struct inventory *load_bacula_inventory(const struct settings *settings)
{
        _cleanup_problems_ struct problems problems = { 0 };
        struct inventory *inventory = inventory_load(settings->inventory, NULL, &problems);
        if (inventory)
                return inventory;
        _cleanup_free_ char *text = problems_format(&problems);
        output_diagnostics(text);
        return NULL;
}

static const char *value_of(const struct options *given, const char *name, const char *otherwise)
{
        return options_has(given, name) ? options_get(given, name) : otherwise;
}

int verb_bacula_config(const struct cli *cli, struct error **err)
{
        const struct options *given = cli->options;
        if (options_has(given, "cycle") && options_has(given, "split")) {
                error_set(err, ERROR_CONFIG,
                          "orch bacula config: --cycle and --split exclude each other");
                return STATUS_USAGE;
        }
        const char *command = value_of(given, "command", "orch");
        const struct bacula_config config = {
                .split = options_has(given, "split"),
                .command = command,
                .alert_command = value_of(given, "alert-command", command),
                .console = options_get(given, "console"),
                .catalog = value_of(given, "catalog", "MyCatalog"),
        };
        _cleanup_(settings_freep) struct settings *settings = cli_load_settings(cli);
        _cleanup_(inventory_freep) struct inventory *inventory =
                settings ? load_bacula_inventory(settings) : NULL;
        if (!inventory)
                return STATUS_USAGE;
        _cleanup_free_ char *text = bacula_config_make(inventory, settings, &config, err);
        if (!text)
                return STATUS_USAGE;
        const char *path = options_get(given, "check");
        return path ? compare_with_file(cli, path, text, err) : print_config(cli, text);
}
