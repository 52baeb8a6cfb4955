/* `orch backup vm`: backs up single VMs, whether they are due or not. */
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/client/follow.h"
#include "cli/terminal/output.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/config/inventory.h"
#include "schema/json/json-fields.h"

static const struct option_spec options[] = {
        { .name = "level",
          .value = "LEVEL",
          .help = "full, incremental or differential, instead of the inventory's level" },
        { .name = "method",
          .value = "METHOD",
          .help = "quiesce, snapshot, suspend or shutdown, instead of the inventory's method" },
        { .name = "if-due", .help = "skip those that are not due" },
        { .name = "no-wait", .help = "queue the jobs and exit" },
        { .name = "accept-new-uuid",
          .help = "accept a VM that was re-created under its old name, and pin its new UUID" },
        FOLLOW_OPTIONS,
        { 0 },
};

const struct verb_manual manual_backup_vm = {
        .arguments = "NAME…",
        .min_words = 1,
        .max_words = SIZE_MAX,
        .options = options,
        .text = "Backs up these VMs now and waits until they are done. A NAME may be a glob such "
                "as 'prod-*'. While a cycle is running, they are queued behind the running job and "
                "before all other queued jobs.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED) | MANUAL_EXIT(STATUS_CANCELLED) |
                 MANUAL_EXIT(STATUS_INTERRUPTED),
        .example = "orch backup vm prod-db-01 --level full",
};

static void set_choice(const struct cli *cli, json_t *body, const char *option)
{
        const char *value = options_get(cli->options, option);
        json_object_set_new(body, option, value ? json_string(value) : json_null());
}

/* The daemon checks the words too; checking here reports a typing error before it is called. */
static int check_choices(const struct cli *cli, struct error **err)
{
        enum vm_level level;
        enum vm_method method;
        const char *text = options_get(cli->options, "level");
        if (text && !vm_level_from_name(text, &level))
                return error_set(err, ERROR_CONFIG,
                                 "--level %s: expected full, incremental or differential", text);
        text = options_get(cli->options, "method");
        if (text && !vm_method_from_name(text, &method))
                return error_set(err, ERROR_CONFIG,
                                 "--method %s: expected quiesce, snapshot, suspend or shutdown",
                                 text);
        return 0;
}

static json_t *make_backup_request(const struct cli *cli)
{
        json_t *body = json_object();
        json_object_set_new(body, "vms", cli_words(cli));
        set_choice(cli, body, "level");
        set_choice(cli, body, "method");
        json_object_set_new(body, "if_due", json_boolean(options_has(cli->options, "if-due")));
        json_object_set_new(body, "wait", json_boolean(!options_has(cli->options, "no-wait")));
        json_object_set_new(body, "accept_new_uuid",
                            json_boolean(options_has(cli->options, "accept-new-uuid")));
        if (options_has(cli->options, "bacula-job"))
                json_object_set_new(body, "bacula_job",
                                    json_string(options_get(cli->options, "bacula-job")));
        return body;
}

static int show_queued_jobs(const struct cli *cli, const json_t *answer)
{
        if (cli->json)
                return cli_printed(output_json(answer));
        bool written = true;
        size_t i;
        const json_t *job;
        for (i = 0; (job = json_array_get(value_array(answer, "jobs"), i)); i++) {
                const char *id = value_text(job, "job");
                _cleanup_free_ char *line =
                        xasprintf("%s queued as job %s (`orch log %s -f` follows it)",
                                  value_text(job, "vm"), id, id);
                written = written && output_line(line);
        }
        if (i == 0)
                written = output_line("nothing to do: none of these VMs is due");
        return cli_printed(written);
}

int verb_backup_vm(const struct cli *cli, struct error **err)
{
        struct follow_options follow = { 0 };
        if (check_choices(cli, err) < 0 || follow_read_options(cli, &follow, err) < 0)
                return STATUS_USAGE;
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_json_ json_t *body = make_backup_request(cli);
        if (options_has(cli->options, "no-wait")) {
                _cleanup_json_ json_t *answer = NULL;
                int status = client_call(client, "/v1/backup", body, &answer, err);
                return status == STATUS_OK ? show_queued_jobs(cli, answer) : status;
        }
        return follow_jobs(cli, client, "/v1/backup", body, &follow, err);
}
