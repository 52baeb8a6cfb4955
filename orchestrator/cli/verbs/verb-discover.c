/* `orch discover`: finds domains that the inventory does not protect. A job for each hypervisor
 * reports its domains; they are compared with the inventory here, in both directions. */
#include <signal.h>

#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/terminal/output.h"
#include "cli/terminal/table.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"

static const struct option_spec options[] = {
        { .name = "all", .help = "list protected domains too" },
        { .name = "strict",
          .help = "exit with 1 if a domain is not in the inventory, or a VM of the inventory is on "
                  "no hypervisor" },
        { 0 },
};

const struct verb_manual manual_discover = {
        .arguments = "",
        .options = options,
        .text = "Asks every hypervisor for its domains and lists those that no VM of the inventory "
                "matches, which means that nobody backs them up. It also lists the VMs of the "
                "inventory that are on no hypervisor.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED) | MANUAL_EXIT(STATUS_CANCELLED) |
                 MANUAL_EXIT(STATUS_INTERRUPTED),
        .example = "orch discover",
};

struct discovery {
        json_t *domains; /* from their events, with the hypervisor added */
        json_t *silent;  /* hypervisors that could not be asked: name and error */
};

static enum client_next on_discover_line(const json_t *line, void *data)
{
        struct discovery *discovery = data;
        const char *event = value_text(line, "event");
        if (streq(event, "domain")) {
                json_t *domain = json_copy((json_t *)(uintptr_t)value_object(line, "domain"));
                json_object_set_new(domain, "hypervisor",
                                    json_string(value_text(line, "hypervisor")));
                json_array_append_new(discovery->domains, domain);
        }
        if (streq(event, "result") && !streq(value_text(line, "status"), "ok"))
                json_array_append_new(discovery->silent,
                                      json_pack("{s:s, s:s}", "hypervisor",
                                                value_text(line, "hypervisor"), "error",
                                                value_text(line, "error")));
        return CLIENT_GO_ON;
}

/* The VMs of the inventory that no hypervisor reported. */
static json_t *find_missing(const json_t *schedule, const json_t *domains)
{
        json_t *missing = json_array();
        const json_t *vm;
        const json_t *domain;
        for (size_t i = 0; (vm = json_array_get(schedule, i)); i++) {
                bool seen = false;
                for (size_t j = 0; !seen && (domain = json_array_get(domains, j)); j++)
                        seen = streq(value_text(domain, "vm"), value_text(vm, "vm"));
                if (!seen)
                        json_array_append_new(missing, json_string(value_text(vm, "vm")));
        }
        return missing;
}

static size_t show_domains(const json_t *domains, bool all, bool *written)
{
        static const char *const headers[] = {
                "HYPERVISOR", "DOMAIN", "UUID", "STATE", "VM", NULL
        };
        _cleanup_table_ struct table *table = table_new(headers);
        const json_t *domain;
        size_t unprotected = 0;
        for (size_t i = 0; (domain = json_array_get(domains, i)); i++) {
                bool listed = *value_text(domain, "vm");
                unprotected += !listed;
                if (listed && !all)
                        continue;
                table_cell(table, value_text(domain, "hypervisor"));
                table_cell(table, value_text(domain, "name"));
                table_cell(table, value_text(domain, "uuid"));
                table_cell(table, value_text(domain, "state"));
                table_cell(table, listed ? value_text(domain, "vm") : "not protected");
        }
        _cleanup_free_ char *text = table_format(table);
        if (unprotected || all)
                *written = output_text(text);
        return unprotected;
}

static bool show_discovered(const struct cli *cli, const struct discovery *discovery,
                            const json_t *missing)
{
        bool written = true;
        size_t unprotected =
                show_domains(discovery->domains, options_has(cli->options, "all"), &written);
        const json_t *silent;
        for (size_t i = 0; i < json_array_size(missing); i++) {
                _cleanup_free_ char *line =
                        xasprintf("%s is in the inventory, but on no hypervisor%s",
                                  json_string_value(json_array_get(missing, i)),
                                  json_array_size(discovery->silent) ? " that answered" : "");
                written = written && output_line(line);
        }
        for (size_t i = 0; (silent = json_array_get(discovery->silent, i)); i++) {
                _cleanup_free_ char *line =
                        xasprintf("%s could not be asked: %s", value_text(silent, "hypervisor"),
                                  value_text(silent, "error"));
                output_complain(line);
        }
        _cleanup_free_ char *count =
                format_count((int64_t)json_array_size(discovery->domains), "domain");
        size_t n_silent = json_array_size(discovery->silent);
        _cleanup_free_ char *silent_hosts = format_count((int64_t)n_silent, "hypervisor");
        _cleanup_free_ char *rest =
                n_silent ? xasprintf("; the domains of %s are unknown", silent_hosts) : xstrdup("");
        _cleanup_free_ char *verdict =
                unprotected ? xasprintf("%s, %zu of them not protected%s", count, unprotected, rest)
                            : xasprintf("%s, all protected%s", count, rest);
        return output_line(verdict) && written;
}

static bool any_unprotected(const json_t *domains)
{
        for (size_t i = 0; i < json_array_size(domains); i++)
                if (!*value_text(json_array_get(domains, i), "vm"))
                        return true;
        return false;
}

static int run_discover(const struct cli *cli, struct client *client, struct discovery *discovery,
                        struct error **err)
{
        _cleanup_json_ json_t *body = json_object();
        const struct client_stream stream = { .on_line = on_discover_line, .data = discovery };
        signal(SIGPIPE, SIG_IGN);
        int status = client_stream(client, "/v1/discover", body, &stream, err);
        if ((status != STATUS_OK && status != STATUS_JOB_FAILED) || (err && *err))
                return status;
        _cleanup_json_ json_t *schedule = NULL;
        int asked = client_call(client, "/v1/schedule", NULL, &schedule, err);
        if (asked != STATUS_OK)
                return asked;
        _cleanup_json_ json_t *missing = find_missing(schedule, discovery->domains);
        bool written = true;
        if (cli->json) {
                _cleanup_json_ json_t *all =
                        json_pack("{s:O, s:O, s:O}", "domains", discovery->domains, "nowhere",
                                  missing, "not_asked", discovery->silent);
                written = output_json(all);
        } else {
                written = show_discovered(cli, discovery, missing);
        }
        bool found = any_unprotected(discovery->domains) || json_array_size(missing);
        if (!written || (found && options_has(cli->options, "strict")))
                return STATUS_JOB_FAILED;
        return status;
}

int verb_discover(const struct cli *cli, struct error **err)
{
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        struct discovery discovery = { .domains = json_array(), .silent = json_array() };
        int status = run_discover(cli, client, &discovery, err);
        json_decref(discovery.domains);
        json_decref(discovery.silent);
        return status;
}
