/* `orch config check`: reports all mistakes in orch.yaml and in the vm-list.yaml that it names. It
 * also checks that the files that they name exist and are not readable by others; these are
 * warnings, because the daemon may run on another host. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/terminal/output.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/config/appliance-profile.h"
#include "schema/config/inventory.h"
#include "schema/config/secrets.h"
#include "schema/json/json-fields.h"
#include "schema/yaml/problems.h"

static const struct option_spec options[] = {
        { .name = "strict", .help = "warnings make the exit status 1" },
        { 0 },
};

const struct verb_manual manual_config_check = {
        .arguments = "",
        .options = options,
        .text = "Checks orch.yaml, the vm-list.yaml that it names, and the appliance profiles that "
                "this names; that the SSH key and the known hosts exist; and that secrets.conf can "
                "be read. Each mistake is printed as FILE:LINE:COLUMN with what was found, what "
                "was expected, and the nearest valid key.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED),
        .example = "orch config check --config ./orch.yaml",
};

static void check_key(const char *path, const char *config, struct problems *problems)
{
        struct stat st;
        if (stat(path, &st) < 0) {
                problems_add_warning(problems, config, 0, 0, "ssh.key %s: %s", path,
                                     strerror(errno));
        } else if (!S_ISREG(st.st_mode)) {
                problems_add_warning(problems, config, 0, 0, "ssh.key %s is not a regular file",
                                     path);
        } else if (st.st_mode & 0077) {
                problems_add_warning(
                        problems, config, 0, 0,
                        "ssh.key %s can be read by others (mode %04o); run `chmod 600 %s`", path,
                        (unsigned)(st.st_mode & 07777), path);
        } else if (access(path, R_OK) < 0) {
                problems_add_warning(problems, config, 0, 0, "ssh.key %s: %s", path,
                                     strerror(errno));
        }
}

static void check_config_files(const struct settings *settings, const char *config,
                               struct problems *problems)
{
        check_key(settings->ssh.key, config, problems);
        if (access(settings->ssh.known_hosts, R_OK) < 0)
                problems_add_warning(
                        problems, config, 0, 0,
                        "ssh.known_hosts %s: %s; no hypervisor can be reached until its host key "
                        "is in this file (`orch hypervisor enroll NAME` adds it)",
                        settings->ssh.known_hosts, strerror(errno));
        _cleanup_error_ struct error *error = NULL;
        _cleanup_(secrets_freep) struct secrets *secrets =
                secrets_load(settings->directory, &error);
        if (!secrets)
                problems_add_warning(problems, config, 0, 0, "%s", error->message);
}

static void check_profiles(const struct inventory *inventory, struct problems *problems)
{
        for (size_t i = 0; i < inventory->n_vms; i++) {
                const struct inventory_vm *vm = &inventory->vms[i];
                if (vm->config_capture)
                        appliance_profile_free(appliance_profile_load(
                                inventory->file, vm->line, vm->config_capture->profile, problems));
        }
}

/* If orch.yaml is not valid, this uses the default path of the inventory, so that its mistakes are
 * reported too. */
static struct inventory *load_config_inventory(const struct settings *settings, const char *config,
                                               struct problems *problems)
{
        if (settings)
                return inventory_load(settings->inventory, NULL, problems);
        _cleanup_free_ char *directory = path_directory(config);
        _cleanup_free_ char *guess = path_join(directory, "vm-list.yaml");
        return access(guess, R_OK) == 0 ? inventory_load(guess, NULL, problems) : NULL;
}

static int print_config_json(const struct problems *problems, const struct inventory *inventory)
{
        _cleanup_json_ json_t *json = json_object();
        json_t *array = json_array();
        for (size_t i = 0; i < problems->count; i++) {
                const struct problem *problem = &problems->items[i];
                json_t *entry = json_object();
                json_object_set_new(entry, "file", json_from_text(problem->file));
                json_object_set_new(entry, "line", json_integer((json_int_t)problem->line));
                json_object_set_new(entry, "column", json_integer((json_int_t)problem->column));
                json_object_set_new(entry, "warning", json_boolean(problem->warning));
                json_object_set_new(entry, "message", json_from_text(problem->message));
                json_array_append_new(array, entry);
        }
        json_object_set_new(json, "valid", json_boolean(problems->n_errors == 0));
        json_object_set_new(json, "vms",
                            inventory ? json_integer((json_int_t)inventory->n_vms) : json_null());
        json_object_set_new(json, "hypervisors",
                            inventory ? json_integer((json_int_t)inventory->n_hypervisors)
                                      : json_null());
        json_object_set_new(json, "problems", array);
        return cli_printed(output_json(json));
}

static int print_verdict(const struct cli *cli, const struct settings *settings,
                         const struct inventory *inventory)
{
        _cleanup_free_ char *vms = format_count((int64_t)inventory->n_vms, "VM");
        _cleanup_free_ char *hypervisors =
                format_count((int64_t)inventory->n_hypervisors, "hypervisor");
        _cleanup_free_ char *line =
                xasprintf("%s and %s are valid: %s on %s", path_base(cli->config),
                          path_base(settings->inventory), vms, hypervisors);
        return cli_printed(output_line(line));
}

int verb_config_check(const struct cli *cli, _unused_ struct error **err)
{
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(settings_freep) struct settings *settings =
                settings_load(cli->config, NULL, &problems);
        _cleanup_error_ struct error *zone = NULL;
        if (settings && clock_set_timezone(settings->cycle_timezone, &zone) < 0)
                problems_add(&problems, cli->config, 0, 0, "cycle.timezone: %s", zone->message);
        if (settings)
                check_config_files(settings, cli->config, &problems);
        _cleanup_(inventory_freep) struct inventory *inventory =
                load_config_inventory(settings, cli->config, &problems);
        if (inventory)
                check_profiles(inventory, &problems);

        int status = problems.n_errors ? STATUS_USAGE : STATUS_OK;
        if (status == STATUS_OK && problems.count && options_has(cli->options, "strict"))
                status = STATUS_JOB_FAILED;
        if (cli->json) {
                int printed = print_config_json(&problems, inventory);
                return status ? status : printed;
        }
        _cleanup_free_ char *text = problems_format(&problems);
        output_diagnostics(text);
        if (problems.n_errors) {
                _cleanup_free_ char *count = format_count((int64_t)problems.n_errors, "mistake");
                log_error("%s found", count);
                return status;
        }
        assert(settings && inventory); /* there were no errors */
        int printed = print_verdict(cli, settings, inventory);
        return status ? status : printed;
}
