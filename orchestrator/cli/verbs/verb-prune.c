/* `orch prune`: applies retention by hand. It shows the points that would be removed, with a reason
 * for each, and asks; it removes only points that were shown. */
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
        { .name = "dry-run",
          .help = "show which points would be removed or kept, and why; remove nothing" },
        { .name = "yes",
          .help = "remove without asking; required without a terminal and with --json" },
        { 0 },
};

const struct verb_manual manual_prune = {
        .arguments = "[VM…]",
        .max_words = SIZE_MAX,
        .options = options,
        .text = "Removes the points that no retention rule of the inventory keeps, of these VMs or "
                "of all. A VM may be a glob. Each good backup does the same for its VM.\n\nNever "
                "removed are the newest good point, a point that is held or being read, and the "
                "parents of a kept point. Points of VMs that left the inventory are listed but "
                "stay: remove their folders by hand.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED) | MANUAL_EXIT(STATUS_CANCELLED) |
                 MANUAL_EXIT(STATUS_INTERRUPTED),
        .example = "orch prune --dry-run",
};

static json_t *make_body(const struct cli *cli, bool dry_run)
{
        json_t *body = json_object();
        json_object_set_new(body, "vms", cli_words(cli));
        json_object_set_new(body, "dry_run", json_boolean(dry_run));
        return body;
}

/* The table of points to remove, and with `kept` also of those that stay. Adds "VM/POINT" of each
 * point to remove to `going`. */
static char *plan_table(const json_t *plan, bool kept, json_t *going, int64_t *bytes)
{
        static const char *const headers[] = {
                "VM", "POINT", "STARTED", ">STORED", "", "WHY", NULL
        };
        _cleanup_table_ struct table *table = table_new(headers);
        const json_t *vm;
        const json_t *point;
        bool any = false;
        for (size_t i = 0; (vm = json_array_get(value_array(plan, "vms"), i)); i++) {
                for (size_t j = 0; (point = json_array_get(value_array(vm, "points"), j)); j++) {
                        bool remove = value_bool(point, "remove");
                        if (remove) {
                                _cleanup_free_ char *name = xasprintf("%s/%s", value_text(vm, "vm"),
                                                                      value_text(point, "point"));
                                json_array_append_new(going, json_string(name));
                                *bytes += value_integer(point, "stored_bytes", 0);
                        }
                        if (!remove && !kept)
                                continue;
                        any = true;
                        _cleanup_free_ char *started = value_local_time(point, "started");
                        _cleanup_free_ char *stored = value_bytes(point, "stored_bytes");
                        table_cell(table, value_text(vm, "vm"));
                        table_cell(table, value_text(point, "point"));
                        table_cell(table, started);
                        table_cell(table, stored);
                        table_cell(table, remove ? "goes" : "stays");
                        table_cell(table, value_text(point, "reason"));
                }
        }
        return any ? table_format(table) : xstrdup("");
}

static bool tell_unlisted(const json_t *plan)
{
        bool written = true;
        const json_t *vm;
        for (size_t i = 0; (vm = json_array_get(value_array(plan, "unlisted"), i)); i++) {
                _cleanup_free_ char *points = format_count(value_integer(vm, "points", 0), "point");
                _cleanup_free_ char *bytes = value_bytes(vm, "stored_bytes");
                _cleanup_free_ char *line =
                        xasprintf("%s is not in the inventory; its %s (%s) stay",
                                  value_text(vm, "vm"), points, bytes);
                written = written && output_line(line);
        }
        return written;
}

static int remove_them(const struct cli *cli, struct client *client, json_t *going,
                       struct error **err)
{
        _cleanup_json_ json_t *body = make_body(cli, false);
        json_object_set(body, "points", going);
        const struct follow_options follow = { .strict = false };
        return follow_jobs(cli, client, "/v1/prune", body, &follow, err);
}

int verb_prune(const struct cli *cli, struct error **err)
{
        bool dry_run = options_has(cli->options, "dry-run");
        bool yes = options_has(cli->options, "yes");
        if (!dry_run && !yes && !cli->can_ask) {
                error_set(err, ERROR_CONFIG,
                          "orch prune removes points: without a terminal, and with --json, it "
                          "needs --yes or --dry-run");
                return STATUS_USAGE;
        }
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_json_ json_t *body = make_body(cli, true);
        _cleanup_json_ json_t *plan = NULL;
        int status = client_call(client, "/v1/prune", body, &plan, err);
        if (status != STATUS_OK)
                return status;
        if (dry_run && cli->json)
                return cli_printed(output_json(plan));
        _cleanup_json_ json_t *going = json_array();
        int64_t bytes = 0;
        _cleanup_free_ char *table = plan_table(plan, dry_run, going, &bytes);
        bool any = json_array_size(going) > 0;
        if (!cli->json && (((any || dry_run) && !output_text(table)) || !tell_unlisted(plan)))
                return STATUS_JOB_FAILED;
        _cleanup_free_ char *count = format_count((int64_t)json_array_size(going), "point");
        _cleanup_free_ char *size = format_bytes((uint64_t)bytes);
        if (!any)
                return cli->json ? STATUS_OK
                                 : cli_printed(output_line(
                                           "nothing to remove: every point is kept by a rule"));
        if (dry_run) {
                _cleanup_free_ char *line = xasprintf("%s (%s) would be removed", count, size);
                return cli_printed(output_line(line));
        }
        _cleanup_free_ char *question = xasprintf("Remove %s (%s)?", count, size);
        if (!yes && !cli_ask(question))
                return STATUS_CANCELLED;
        return remove_them(cli, client, going, err);
}
