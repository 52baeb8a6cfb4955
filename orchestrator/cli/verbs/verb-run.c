/* `orch run`: runs one cycle. On a terminal, a run that would back up more VMs than is usual for
 * the slot shows its plan and asks first, because it may be a typing error. Without a terminal it
 * never asks: Bacula could not answer. */
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/client/follow.h"
#include "cli/terminal/output.h"
#include "cli/terminal/table.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"

static const struct option_spec options[] = {
        { .name = "all", .help = "also VMs that are not due; not those with `schedule: manual`" },
        { .name = "tag", .value = "TAG", .repeatable = true, .help = "only VMs with this tag" },
        { .name = "hypervisor",
          .value = "NAME",
          .repeatable = true,
          .help = "only VMs of this hypervisor" },
        { .name = "exclude",
          .value = "GLOB",
          .repeatable = true,
          .help = "omit VMs whose name matches" },
        { .name = "dry-run", .help = "show which VMs would be backed up, in order, and exit" },
        { .name = "attach", .help = "if a cycle is running, follow it instead of being refused" },
        { .name = "yes", .help = "do not ask on a terminal, however many VMs are backed up" },
        FOLLOW_OPTIONS,
        { 0 },
};

const struct verb_manual manual_run = {
        .arguments = "",
        .options = options,
        .text = "Backs up the VMs that are due, in the order of their priority, and waits until "
                "they are done. A failed VM does not stop the others. The last line printed is the "
                "verdict.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED) | MANUAL_EXIT(STATUS_CANCELLED) |
                 MANUAL_EXIT(STATUS_INTERRUPTED),
        .example = "orch run --exclude 'test-*' --dry-run",
};

static json_t *values_of(const struct cli *cli, const char *option)
{
        json_t *array = json_array();
        for (size_t i = 0; i < options_count(cli->options, option); i++)
                json_array_append_new(array, json_from_text(options_nth(cli->options, option, i)));
        return array;
}

static json_t *make_run_request(const struct cli *cli)
{
        json_t *body = json_object();
        json_object_set_new(body, "all", json_boolean(options_has(cli->options, "all")));
        json_object_set_new(body, "tag", values_of(cli, "tag"));
        json_object_set_new(body, "hypervisor", values_of(cli, "hypervisor"));
        json_object_set_new(body, "exclude", values_of(cli, "exclude"));
        json_object_set_new(body, "dry_run", json_boolean(options_has(cli->options, "dry-run")));
        json_object_set_new(body, "attach", json_boolean(options_has(cli->options, "attach")));
        json_object_set_new(body, "plan_only", json_false());
        if (options_has(cli->options, "bacula-job"))
                json_object_set_new(body, "bacula_job",
                                    json_string(options_get(cli->options, "bacula-job")));
        return body;
}

/* The VMs of a plan that would be backed up, as a table, and their number. */
static char *format_plan(const json_t *plan, bool all, int64_t *ret_count)
{
        static const char *const headers[] = { "VM", "HYPERVISOR", ">PRIORITY", "REASON", NULL };
        _cleanup_table_ struct table *table = table_new(headers);
        int64_t count = 0;
        const json_t *entry;
        for (size_t i = 0; (entry = json_array_get(value_array(plan, "plan"), i)); i++) {
                if (!all && !value_bool(entry, "due"))
                        continue;
                count++;
                table_cell(table, value_text(entry, "vm"));
                table_cell(table, value_text(entry, "hypervisor"));
                table_cellf(table, "%lld", (long long)value_integer(entry, "priority", 0));
                table_cell(table, value_text(entry, "reason"));
        }
        *ret_count = count;
        return table_format(table);
}

static int show_plan(const struct cli *cli, const json_t *plan)
{
        if (cli->json)
                return cli_printed(output_json(plan));
        int64_t count;
        _cleanup_free_ char *table = format_plan(plan, options_has(cli->options, "all"), &count);
        if (count == 0)
                return cli_printed(
                        output_line("nothing is due; `orch schedule` shows when each VM is"));
        _cleanup_free_ char *vms = format_count(count, "VM");
        _cleanup_free_ char *verdict =
                xasprintf("%s would be backed up, in this order; nothing was done", vms);
        return cli_printed(output_text(table) && output_line(verdict));
}

/* Asks if the plan is larger than usual. STATUS_OK to continue, STATUS_CANCELLED if the answer was
 * no, or a failure. */
static int ask_if_unusual(const struct cli *cli, struct client *client, json_t *body,
                          struct error **err)
{
        _cleanup_json_ json_t *plan = NULL;
        json_object_set_new(body, "plan_only", json_true());
        int status = client_call(client, "/v1/run", body, &plan, err);
        json_object_set_new(body, "plan_only", json_false());
        if (status != STATUS_OK)
                return status;
        int64_t count;
        _cleanup_free_ char *table = format_plan(plan, options_has(cli->options, "all"), &count);
        int64_t usual = value_integer(plan, "usual", count);
        if (count <= usual)
                return STATUS_OK;
        output_text(table);
        _cleanup_free_ char *vms = format_count(count, "VM");
        _cleanup_free_ char *question =
                xasprintf("This would back up %s; usual for this slot: %lld. Back them up now?",
                          vms, (long long)usual);
        if (cli_ask(question))
                return STATUS_OK;
        log_info("nothing was done");
        return STATUS_CANCELLED;
}

int verb_run(const struct cli *cli, struct error **err)
{
        struct follow_options follow = { 0 };
        if (follow_read_options(cli, &follow, err) < 0)
                return STATUS_USAGE;
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_json_ json_t *body = make_run_request(cli);
        if (options_has(cli->options, "dry-run")) {
                _cleanup_json_ json_t *plan = NULL;
                int status = client_call(client, "/v1/run", body, &plan, err);
                return status == STATUS_OK ? show_plan(cli, plan) : status;
        }
        if (cli->can_ask && !options_has(cli->options, "yes") &&
            !options_has(cli->options, "attach")) {
                int status = ask_if_unusual(cli, client, body, err);
                if (status != STATUS_OK)
                        return status;
        }
        return follow_jobs(cli, client, "/v1/run", body, &follow, err);
}
