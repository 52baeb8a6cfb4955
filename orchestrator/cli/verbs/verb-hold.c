/* `orch hold` and `orch release`: keep a point from being pruned, and end that. */
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/terminal/output.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"

static const struct option_spec hold_options[] = {
        { .name = "reason", .value = "TEXT", .help = "the reason, for the next operator" },
        { 0 },
};

const struct verb_manual manual_hold = {
        .arguments = "VM POINT",
        .min_words = 2,
        .max_words = 2,
        .options = hold_options,
        .text = "Keeps a point and its parents from being pruned until it is released. POINT is a "
                "name, the unique beginning of a name, or latest.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch hold prod-db-01 latest --reason 'before the upgrade'",
};

const struct verb_manual manual_release = {
        .arguments = "VM POINT",
        .min_words = 2,
        .max_words = 2,
        .text = "Ends a hold: retention applies to the point again.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch release prod-db-01 2026-02-01",
};

static int call_hold(const struct cli *cli, const char *verb, const json_t *body,
                     struct error **err)
{
        _cleanup_free_ char *vm = client_escape(cli->options->words[0]);
        _cleanup_free_ char *point = client_escape(cli->options->words[1]);
        _cleanup_free_ char *path = xasprintf("/v1/points/%s/%s/%s", vm, point, verb);
        _cleanup_json_ json_t *answer = NULL;
        int status = cli_call(cli, path, body, &answer, err);
        if (!answer)
                return status;
        _cleanup_free_ char *line =
                xasprintf("%s %s is %s", value_text(answer, "vm"), value_text(answer, "point"),
                          value_bool(answer, "held") ? "held" : "no longer held");
        return cli_printed(output_line(line));
}

int verb_hold(const struct cli *cli, struct error **err)
{
        _cleanup_json_ json_t *body = json_object();
        json_object_set_new(body, "reason", json_from_text(options_get(cli->options, "reason")));
        return call_hold(cli, "hold", body, err);
}

int verb_release(const struct cli *cli, struct error **err)
{
        _cleanup_json_ json_t *body = json_object();
        return call_hold(cli, "release", body, err);
}
