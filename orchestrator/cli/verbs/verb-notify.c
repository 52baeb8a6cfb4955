/* `orch notify test|failure`: sends a test message to the channels; reports a failed job of a
 * scheduler, with or without a daemon. */
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/terminal/output.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "notify/channel.h"
#include "notify/state-notices.h"
#include "schema/config/secrets.h"
#include "schema/json/json-fields.h"

enum { TRIES = 3, PAUSE_SECONDS = 3, PAUSE_MAX_SECONDS = 10, DAEMON_SILENCE_MS = 10000 };

const struct verb_manual manual_notify_test = {
        .arguments = "[CHANNEL]",
        .max_words = 1,
        .text = "Asks the daemon to send a test message to a channel, or to all channels, and "
                "prints whether it was delivered. The exit status is 1 if a channel failed.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch notify test slack-failure",
};

static const struct option_spec failure_options[] = {
        { .name = "job", .value = "NAME", .help = "name of the scheduler's job (required)" },
        { .name = "text", .value = "TEXT", .help = "what is known about the failure (required)" },
        { .name = "bacula-job",
          .value = "ID",
          .help = "the job's id in Bacula (%i); the daemon uses it to recognise failures that it "
                  "has reported already" },
        { .name = "direct", .help = "send the message without asking the daemon first" },
        { 0 },
};

const struct verb_manual manual_notify_failure = {
        .arguments = "",
        .options = failure_options,
        .text = "Reports a failed job of a scheduler (Bacula) to the channels for failures. "
                "If the daemon answers, it queues the message, unless it has reported this failure "
                "already. If it does not answer, the message is sent from here, which needs only "
                "orch.yaml and the secrets.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED),
        .example = "orch notify failure --job orch-run --text 'no answer from the daemon'",
};

static bool print_results(const json_t *channels, bool *ret_all_ok)
{
        bool written = true;
        const json_t *channel;
        for (size_t i = 0; (channel = json_array_get(channels, i)); i++) {
                bool ok = value_bool(channel, "ok");
                *ret_all_ok &= ok;
                _cleanup_free_ char *took =
                        format_duration_ms(value_integer(channel, "duration_ms", 0));
                _cleanup_free_ char *line =
                        xasprintf("%s (%s): %s%s%s, %s", value_text(channel, "channel"),
                                  value_text(channel, "kind"), ok ? "delivered" : "NOT delivered",
                                  ok ? "" : ": ", value_text(channel, "error"), took);
                written = written && output_line(line);
        }
        return written;
}

int verb_notify_test(const struct cli *cli, struct error **err)
{
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_json_ json_t *body = json_object();
        _cleanup_json_ json_t *answer = NULL;
        if (cli->options->n_words)
                json_object_set_new(body, "channel", json_from_text(cli->options->words[0]));
        int status = client_call(client, "/v1/notify/test", body, &answer, err);
        if (status != STATUS_OK)
                return status;
        const json_t *channels = value_array(answer, "channels");
        bool all_ok = true;
        bool written = true;
        const json_t *channel;
        if (cli->json) {
                written = output_json(answer);
                for (size_t i = 0; (channel = json_array_get(channels, i)); i++)
                        all_ok &= value_bool(channel, "ok");
        } else {
                written = print_results(channels, &all_ok);
        }
        return all_ok ? cli_printed(written) : STATUS_JOB_FAILED;
}

/* True if the daemon has queued the message, or has reported the failure before. */
static bool leave_to_daemon(const struct cli *cli, const struct settings *settings, const char *job,
                            const char *text, int *ret_status)
{
        const char *bacula_job = options_get(cli->options, "bacula-job");
        _cleanup_client_ struct client *client = client_new(settings->socket);
        _cleanup_error_ struct error *error = NULL;
        _cleanup_json_ json_t *body = json_object();
        _cleanup_json_ json_t *answer = NULL;
        client_set_silence_ms(client, DAEMON_SILENCE_MS);
        json_object_set_new(body, "job", json_from_text(job));
        json_object_set_new(body, "text", json_from_text(text));
        if (bacula_job)
                json_object_set_new(body, "bacula_job", json_from_text(bacula_job));
        if (client_call(client, "/v1/notify/failure", body, &answer, &error) != STATUS_OK)
                return false;
        bool queued = value_bool(answer, "queued");
        *ret_status =
                cli_printed(cli->json ? output_json(answer)
                                      : output_line(queued ? "the daemon has queued the message"
                                                           : "the daemon has reported this failure "
                                                             "already; nothing more is sent"));
        return true;
}

/* Delivers with a few retries, because nothing else will retry this message. */
static void deliver_failure(const struct channel *channel, const struct notice *notice,
                            struct delivery *ret)
{
        for (int attempt = 1;; attempt++) {
                channel_deliver(channel, notice, NULL, NULL, ret);
                if (ret->outcome != DELIVERY_RETRY || attempt == TRIES)
                        return;
                int64_t wait = ret->retry_after_seconds > PAUSE_SECONDS ? ret->retry_after_seconds
                                                                        : PAUSE_SECONDS;
                const struct timespec pause = { .tv_sec = wait < PAUSE_MAX_SECONDS
                                                                  ? wait
                                                                  : PAUSE_MAX_SECONDS };
                delivery_done(ret);
                nanosleep(&pause, NULL);
        }
}

static json_t *deliver_to_all(const struct channels *channels, const struct notice *notice)
{
        json_t *results = json_array();
        for (size_t i = 0; i < channels->count; i++) {
                const struct channel *channel = channels->items[i];
                if (!channel_wants(channel, notice))
                        continue;
                int64_t begun = clock_monotonic_ms();
                _cleanup_delivery_ struct delivery delivery = { 0 };
                deliver_failure(channel, notice, &delivery);
                json_t *json = json_object();
                json_object_set_new(json, "channel", json_from_text(channel_name(channel)));
                json_object_set_new(json, "kind",
                                    json_string(notify_kind_name(channel_kind(channel))));
                json_object_set_new(json, "ok", json_boolean(delivery.outcome == DELIVERY_DONE));
                json_object_set_new(json, "error", json_from_text(delivery.error));
                json_object_set_new(json, "duration_ms",
                                    json_integer(clock_monotonic_ms() - begun));
                json_array_append_new(results, json);
        }
        return results;
}

static int send_directly(const struct cli *cli, const struct settings *settings, const char *job,
                         const char *text, struct error **err)
{
        _cleanup_(secrets_freep) struct secrets *secrets = secrets_load(settings->directory, err);
        if (!secrets)
                return STATUS_FROM_ERROR;
        _cleanup_channels_ struct channels channels = channels_of(settings, secrets);
        _cleanup_notice_ struct notice *notice =
                scheduler_failure_notice(job, text, clock_realtime_s());
        _cleanup_json_ json_t *answer = json_object();
        json_t *results = deliver_to_all(&channels, notice);
        json_object_set_new(answer, "channels", results);
        if (json_array_size(results) == 0) {
                error_set(err, ERROR_CONFIG, "no channel accepts failures%s%s",
                          channels.warnings ? ": " : "",
                          channels.warnings ? channels.warnings[0]
                                            : "; set the secret SLACK_FAILURE_WEBHOOK, or "
                                              "`notify:` in orch.yaml");
                return STATUS_FROM_ERROR;
        }
        bool all_ok = true;
        for (size_t i = 0; i < json_array_size(results); i++)
                all_ok &= value_bool(json_array_get(results, i), "ok");
        bool written = cli->json ? output_json(answer) : print_results(results, &all_ok);
        return all_ok ? cli_printed(written) : STATUS_JOB_FAILED;
}

int verb_notify_failure(const struct cli *cli, struct error **err)
{
        const char *job = options_get(cli->options, "job");
        const char *text = options_get(cli->options, "text");
        if (str_empty(job) || str_empty(text)) {
                error_set(err, ERROR_CONFIG, "--job and --text are required");
                return STATUS_USAGE;
        }
        _cleanup_(settings_freep) struct settings *settings = cli_load_settings(cli);
        if (!settings)
                return STATUS_USAGE;
        /* A channel's command may end before it has read its input. */
        signal(SIGPIPE, SIG_IGN);
        int status = STATUS_OK;
        if (!options_has(cli->options, "direct") &&
            leave_to_daemon(cli, settings, job, text, &status))
                return status;
        return send_directly(cli, settings, job, text, err);
}
