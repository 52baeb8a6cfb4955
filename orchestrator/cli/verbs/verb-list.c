/* `orch list`: lists restore points, from the daemon or, with --standalone, from the share itself.
 * Both give the same JSON, from which the same table is made. */
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/offline/share-points.h"
#include "cli/terminal/listing.h"
#include "cli/terminal/output.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"

static const struct option_spec options[] = {
        { .name = "failed", .help = "list failed jobs too, which made no point" },
        { .name = "standalone", .help = "read the share itself; needs no daemon" },
        { 0 },
};

const struct verb_manual manual_list = {
        .arguments = "[VM…]",
        .max_words = SIZE_MAX,
        .options = options,
        .text = "Lists restore points, newest first: of these VMs, or of all. A VM may be a glob "
                "such as 'prod-*'.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch list prod-db-01 --json",
};

static int list_by_daemon(const struct cli *cli, json_t **ret, struct error **err)
{
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        bool one = cli->options->n_words == 1 && !name_is_glob(cli->options->words[0]);
        _cleanup_free_ char *vm = one ? client_escape(cli->options->words[0]) : NULL;
        bool failed = options_has(cli->options, "failed");
        _cleanup_free_ char *path =
                xasprintf("/v1/points%s%s%s%s", vm || failed ? "?" : "", failed ? "failed=1" : "",
                          vm && failed ? "&vm="
                          : vm         ? "vm="
                                       : "",
                          vm ? vm : "");
        return client_call(client, path, NULL, ret, err);
}

static int list_by_share(const struct cli *cli, json_t **ret, struct error **err)
{
        if (options_has(cli->options, "failed")) {
                error_set(err, ERROR_CONFIG,
                          "--failed needs the daemon: jobs that made no point are only in its "
                          "catalog");
                return STATUS_USAGE;
        }
        _cleanup_(settings_freep) struct settings *settings = cli_load_settings(cli);
        if (!settings)
                return STATUS_USAGE;
        _cleanup_share_points_ struct share_points points = { 0 };
        if (share_points_read(settings, &points, err) < 0)
                return STATUS_FROM_ERROR;
        *ret = share_points_to_json(&points);
        return STATUS_OK;
}

/* Keeps only the points of VMs that one of the arguments matches. */
static void filter_rows(json_t *points, const struct options *given)
{
        for (size_t i = json_array_size(points); given->n_words && i-- > 0;) {
                const char *vm = value_text(json_array_get(points, i), "vm");
                bool wanted = false;
                for (size_t j = 0; j < given->n_words; j++)
                        wanted = wanted || name_matches(given->words[j], vm);
                if (!wanted)
                        json_array_remove(points, i);
        }
}

static int say_there_are_none(const struct cli *cli)
{
        if (cli->options->n_words == 0)
                return cli_printed(output_line("there are no points yet"));
        _cleanup_strbuf_ struct strbuf line = { 0 };
        strbuf_add(&line, "there are no points of ");
        for (size_t i = 0; i < cli->options->n_words; i++)
                strbuf_addf(&line, "%s%s", i ? ", " : "", cli->options->words[i]);
        return cli_printed(output_line(line.data));
}

int verb_list(const struct cli *cli, struct error **err)
{
        _cleanup_json_ json_t *points = NULL;
        int status = options_has(cli->options, "standalone") ? list_by_share(cli, &points, err)
                                                             : list_by_daemon(cli, &points, err);
        if (status != STATUS_OK)
                return status;
        filter_rows(points, cli->options);
        if (cli->json)
                return cli_printed(output_json(points));
        if (json_array_size(points) == 0)
                return say_there_are_none(cli);
        _cleanup_free_ char *table = listing_table(points);
        return cli_printed(output_text(table));
}
