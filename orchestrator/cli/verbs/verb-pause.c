/* `orch pause` and `orch resume`: stop new backups from starting, and end that. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/terminal/output.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"

static const struct option_spec pause_options[] = {
        { .name = "until",
          .value = "WHEN",
          .help = "end the pause by itself: 2h, 18:00, \"2026-02-01 18:00\"" },
        { 0 },
};

const struct verb_manual manual_pause = {
        .arguments = "",
        .options = pause_options,
        .text = "No new backup starts until WHEN, or until `orch resume`; a restart of the daemon "
                "does not end the pause. Running jobs continue, queued backups stay queued, and "
                "`orch run` is refused with exit status 4. Checks, recoveries, restores and "
                "verifications are not affected.",
        .exits = MANUAL_EXIT(STATUS_NO_DAEMON),
        .example = "orch pause --until 18:00",
};

const struct verb_manual manual_resume = {
        .arguments = "",
        .text = "Ends a pause. Queued jobs start; missed cycles are not replayed. Use `orch run` "
                "to back up whatever is due.",
        .exits = MANUAL_EXIT(STATUS_NO_DAEMON),
        .example = "orch resume",
};

static int call_pause(const struct cli *cli, const char *path, const json_t *body,
                      struct error **err)
{
        _cleanup_json_ json_t *answer = NULL;
        int status = cli_call(cli, path, body, &answer, err);
        if (!answer)
                return status;
        _cleanup_free_ char *until = value_local_time(answer, "until");
        _cleanup_free_ char *line =
                !value_bool(answer, "paused") ? xstrdup("backups are not paused")
                : str_empty(until)
                        ? xstrdup("backups are paused until `orch resume`")
                        : xasprintf("backups are paused until %s, or `orch resume`", until);
        return cli_printed(output_line(line));
}

int verb_pause(const struct cli *cli, struct error **err)
{
        const char *until = options_get(cli->options, "until");
        int64_t moment = 0;
        if (until && cli_moment(cli, until, WHEN_FUTURE, &moment, err) < 0)
                return STATUS_USAGE;
        _cleanup_free_ char *text = moment ? clock_format_rfc3339(moment) : NULL;
        _cleanup_json_ json_t *body = json_object();
        json_object_set_new(body, "until", json_from_text(text));
        return call_pause(cli, "/v1/pause", body, err);
}

int verb_resume(const struct cli *cli, struct error **err)
{
        _cleanup_json_ json_t *body = json_object();
        return call_pause(cli, "/v1/resume", body, err);
}
