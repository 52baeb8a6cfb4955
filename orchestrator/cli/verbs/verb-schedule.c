/* `orch schedule`: shows the next cycle, with the reason for each VM. */
#include "base/memory.h"
#include "cli/terminal/output.h"
#include "cli/terminal/table.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"

const struct verb_manual manual_schedule = {
        .arguments = "",
        .text = "Lists the VMs in the order of a cycle: whether each is due, why, and when it is "
                "due next.",
        .exits = MANUAL_EXIT(STATUS_NO_DAEMON) | MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch schedule",
};

static char *format_schedule(const json_t *schedule)
{
        static const char *const headers[] = { "VM",       "HYPERVISOR", ">PRIORITY",
                                               "SCHEDULE", "LAST GOOD",  "DUE",
                                               "NEXT",     "REASON",     NULL };
        _cleanup_table_ struct table *table = table_new(headers);
        const json_t *entry;
        for (size_t i = 0; (entry = json_array_get(schedule, i)); i++) {
                _cleanup_free_ char *last_good = value_local_time(entry, "last_good");
                _cleanup_free_ char *next = value_local_time(entry, "next");
                table_cell(table, value_text(entry, "vm"));
                table_cell(table, value_text(entry, "hypervisor"));
                table_cellf(table, "%lld", (long long)value_integer(entry, "priority", 0));
                table_cell(table, value_text(entry, "schedule"));
                table_cell(table, last_good);
                table_cell(table, value_bool(entry, "overdue") ? "overdue"
                                  : value_bool(entry, "due")   ? "yes"
                                                               : "no");
                table_cell(table, next);
                table_cell(table, value_text(entry, "reason"));
        }
        return table_format(table);
}

int verb_schedule(const struct cli *cli, struct error **err)
{
        _cleanup_json_ json_t *answer = NULL;
        int status = cli_call(cli, "/v1/schedule", NULL, &answer, err);
        if (!answer)
                return status;
        _cleanup_free_ char *table = format_schedule(answer);
        return cli_printed(output_text(table));
}
