/* `orch bacula config`: the Director's resources, printed or compared with a file. Needs neither
 * daemon nor Bacula. */
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
          .help = "one job `backup-vm-NAME` for each VM, which fails and is run again alone" },
        { .name = "command",
          .value = "COMMAND",
          .help = "what the jobs call (default: orch); 'podman exec orch orch', say" },
        { .name = "alert-command",
          .value = "COMMAND",
          .help = "what tells of a failed job (default: as --command): one that works where the "
                  "container is gone" },
        { .name = "console",
          .value = "FILE",
          .help = "bconsole's configuration as COMMAND sees it: a cancel in bconsole then ends the "
                  "backups" },
        { .name = "catalog",
          .value = "NAME",
          .help = "the Director's Catalog resource (default: MyCatalog)" },
        { .name = "check",
          .value = "FILE",
          .help = "compare with FILE: 0 if it is the same, 1 if not, and say what differs" },
        { 0 },
};

const struct verb_manual manual_bacula_config = {
        .arguments = "",
        .options = options,
        .text = "Prints resources of Bacula's Director, made from vm-list.yaml and cycle.start: "
                "Admin jobs that call orch, their\n"
                "schedules, and what else Bacula wants. The same files give the same text, so that "
                "--check tells whether a file\n"
                "has to be written anew. The text itself says how to install it.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED),
        .example = "orch bacula config --split --command 'podman exec orch orch' > "
                   "/etc/bacula/orch.conf",
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
                _cleanup_free_ char *verdict = xasprintf("%s %s", path,
                                                         differences ? "has to be made anew"
                                                                     : "is what would be made now");
                written = written && output_line(verdict);
        }
        int printed = cli_printed(written);
        return status ? status : printed;
}

/* A file that is not there is one that has to be made. */
static int check(const struct cli *cli, const char *path, const char *wanted, struct error **err)
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

static struct inventory *load_inventory(const struct settings *settings)
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
                settings ? load_inventory(settings) : NULL;
        if (!inventory)
                return STATUS_USAGE;
        _cleanup_free_ char *text = bacula_config_make(inventory, settings, &config, err);
        if (!text)
                return STATUS_USAGE;
        const char *path = options_get(given, "check");
        return path ? check(cli, path, text, err) : print_config(cli, text);
}
