/* `orch cancel`: asks a job, or all jobs that a Bacula job started, to stop. They roll back first,
 * so they end a little later. */
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/bacula-console.h"
#include "cli/client/client.h"
#include "cli/terminal/output.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"

static const struct option_spec options[] = {
        { .name = "bacula-job",
          .value = "ID",
          .help = "cancel the jobs that this Bacula job started or follows, instead of a JOB" },
        { .name = "bacula-status",
          .value = "STATUS",
          .help = "status of that Bacula job (%e); unless it means cancelled, nothing is done" },
        { 0 },
};

const struct verb_manual manual_cancel = {
        .arguments = "[JOB|VM]",
        .max_words = 1,
        .options = options,
        .text = "Cancels a running or queued job, which is named by its id or by its VM. A running "
                "job rolls back first: its VM ends on its original disks. The other jobs of a "
                "cycle continue. With --bacula-job, all jobs that this Bacula job started are "
                "cancelled.",
        .exits = MANUAL_EXIT(STATUS_NO_DAEMON) | MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch cancel 20261120-3f9a",
};

static int cancel_job(const struct cli *cli, const char *job, struct error **err)
{
        _cleanup_free_ char *escaped = client_escape(job);
        _cleanup_free_ char *path = xasprintf("/v1/jobs/%s/cancel", escaped);
        _cleanup_json_ json_t *body = json_object();
        _cleanup_json_ json_t *answer = NULL;
        int status = cli_call(cli, path, body, &answer, err);
        if (!answer)
                return status;
        const char *id = *value_text(answer, "job") ? value_text(answer, "job") : job;
        _cleanup_free_ char *line =
                xasprintf("job %s is %s; `orch log %s -f` follows it to its end", id,
                          value_text(answer, "state"), id);
        return cli_printed(output_line(line));
}

static int cancel_bacula_job(const struct cli *cli, const char *bacula_job, struct error **err)
{
        const char *bacula_status = options_get(cli->options, "bacula-status");
        if (bacula_status && !bacula_status_is_cancelled(bacula_status))
                return STATUS_OK;
        _cleanup_json_ json_t *body = json_object();
        json_object_set_new(body, "bacula_job", json_from_text(bacula_job));
        _cleanup_json_ json_t *answer = NULL;
        int status = cli_call(cli, "/v1/cancel", body, &answer, err);
        if (status == STATUS_USAGE && *err && bacula_status) {
                /* A script after a Bacula job calls this, and usually its jobs have ended already.
                 * That is no failure. (An orch.yaml that is not valid sets no error.) */
                *err = error_free(*err);
                return STATUS_OK;
        }
        if (!answer)
                return status;
        _cleanup_free_ char *jobs = format_count(value_integer(answer, "jobs", 0), "job");
        _cleanup_free_ char *line =
                xasprintf("%s of Bacula's job %s %s; `orch status` shows their state", jobs,
                          bacula_job, value_text(answer, "state"));
        return cli_printed(output_line(line));
}

int verb_cancel(const struct cli *cli, struct error **err)
{
        const char *bacula_job = options_get(cli->options, "bacula-job");
        bool one_job = cli->options->n_words == 1;
        if (one_job == !!bacula_job ||
            (options_has(cli->options, "bacula-status") && !bacula_job)) {
                error_set(err, ERROR_CONFIG,
                          "orch cancel: expected a JOB, or --bacula-job ID, optionally with "
                          "--bacula-status");
                return STATUS_USAGE;
        }
        return one_job ? cancel_job(cli, cli->options->words[0], err)
                       : cancel_bacula_job(cli, bacula_job, err);
}
