/* `orch cancel`: asks a job to stop. It undoes what it did first, so that it ends a little later. */
#include "base/memory.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/values.h"
#include "cli/verbs.h"
#include "schema/json-fields.h"

const struct verb_manual manual_cancel = {
        .arguments = "JOB",
        .min_words = 1,
        .max_words = 1,
        .text = "Stops a job, running or queued. A running one undoes what it did first: its VM ends on its original disks. The "
                "other\n"
                "jobs of a cycle go on.",
        .exits = MANUAL_EXIT(STATUS_NO_DAEMON) | MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch cancel 20261120-3f9a",
};

int verb_cancel(const struct cli *cli, struct error **err)
{
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        const char *job = cli->options->words[0];
        _cleanup_free_ char *escaped = client_escape(job);
        _cleanup_free_ char *path = xasprintf("/v1/jobs/%s/cancel", escaped);
        _cleanup_json_ json_t *body = json_object();
        _cleanup_json_ json_t *answer = NULL;
        int status = client_call(client, path, body, &answer, err);
        if (status != STATUS_OK)
                return status;
        if (cli->json)
                return cli_printed(output_json(answer));
        _cleanup_free_ char *line =
                xasprintf("job %s is %s; `orch log %s -f` shows how it ends", job, value_text(answer, "state"), job);
        return cli_printed(output_line(line));
}
