/* `orch hypervisor list` and `orch hypervisor check`: the state of the hypervisors, and a test of
 * the connection to them. */
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/client/follow.h"
#include "cli/terminal/output.h"
#include "cli/terminal/table.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"

const struct verb_manual manual_hypervisor_list = {
        .arguments = "",
        .text = "Lists the hypervisors of the inventory, with the time and result of the last "
                "contact.",
        .exits = MANUAL_EXIT(STATUS_NO_DAEMON),
        .example = "orch hypervisor list",
};

const struct verb_manual manual_hypervisor_check = {
        .arguments = "[NAME…]",
        .max_words = SIZE_MAX,
        .text = "Checks these hypervisors, or all: the host key, the login, libvirt, the tools "
                "that a backup needs, and whether the hypervisor sees the same share. It changes "
                "nothing.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED) | MANUAL_EXIT(STATUS_CANCELLED) |
                 MANUAL_EXIT(STATUS_INTERRUPTED),
        .example = "orch hypervisor check hypervisor-01",
};

static char *format_hypervisors(const json_t *hypervisors)
{
        static const char *const headers[] = { "HYPERVISOR",   "ADDRESS", ">VMS",
                                               "LAST CONTACT", "STATE",   NULL };
        _cleanup_table_ struct table *table = table_new(headers);
        const json_t *hypervisor;
        for (size_t i = 0; (hypervisor = json_array_get(hypervisors, i)); i++) {
                const json_t *last = value_object(hypervisor, "last");
                _cleanup_free_ char *when = value_local_time(last, "when");
                table_cell(table, value_text(hypervisor, "name"));
                table_cell(table, value_text(hypervisor, "address"));
                table_cellf(table, "%lld", (long long)value_integer(hypervisor, "vms", 0));
                table_cell(table, when);
                table_cell(table, !last                    ? NULL
                                  : value_bool(last, "ok") ? "ok"
                                                           : value_text(last, "error"));
        }
        return table_format(table);
}

int verb_hypervisor_list(const struct cli *cli, struct error **err)
{
        _cleanup_json_ json_t *answer = NULL;
        int status = cli_call(cli, "/v1/hypervisors", NULL, &answer, err);
        if (!answer)
                return status;
        _cleanup_free_ char *table = format_hypervisors(answer);
        return cli_printed(output_text(table));
}

int verb_hypervisor_check(const struct cli *cli, struct error **err)
{
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_json_ json_t *body = json_object();
        json_object_set_new(body, "names", cli_words(cli));
        const struct follow_options follow = { .passed_checks = true };
        return follow_jobs(cli, client, "/v1/hypervisors/check", body, &follow, err);
}
