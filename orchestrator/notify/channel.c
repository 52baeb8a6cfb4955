/* Implements notify/channel.h. A channel never changes after its creation, so its thread may read
 * it without a lock. */
#include "notify/channel.h"

#include "base/child.h"
#include "base/memory.h"
#include "base/strings.h"
#include "notify/compose.h"
#include "transports/webhook.h"

enum { COMMAND_OUTPUT_MAX_BYTES = 4096, COMMAND_ERROR_BYTES = 200 };

struct channel {
        char *name;
        enum notify_kind kind;
        struct secret *address;
        char **command;
        unsigned severities;
        char **tags;
        char *ca_file;
        int64_t timeout_ms;
};

static struct channel *channel_new(const struct notify_channel *settings, struct secret *address)
{
        struct channel *channel = xcalloc(1, sizeof *channel);
        *channel = (struct channel){
                .name = xstrdup(settings->name),
                .kind = settings->kind,
                .address = address,
                .command = strv_copy(settings->command),
                .severities = settings->severities,
                .tags = strv_copy(settings->tags),
                .ca_file = xstrdup(settings->ca_file),
                .timeout_ms = (int64_t)settings->timeout_seconds * 1000,
        };
        return channel;
}

void channels_done(struct channels *channels)
{
        for (size_t i = 0; i < channels->count; i++) {
                struct channel *channel = channels->items[i];
                free(channel->name);
                secret_free(channel->address);
                strv_free(channel->command);
                strv_free(channel->tags);
                free(channel->ca_file);
                free(channel);
        }
        free(channels->items);
        strv_free(channels->warnings);
        *channels = (struct channels){ 0 };
}

/* `wanted`: a missing secret is reported as a warning. */
static void add_channel(struct channels *channels, const struct notify_channel *settings,
                        const struct secrets *secrets, bool wanted)
{
        struct secret *address =
                settings->kind == NOTIFY_COMMAND ? NULL : secrets_get(secrets, settings->url_env);
        if (settings->kind != NOTIFY_COMMAND && !address) {
                if (wanted)
                        strv_addf(&channels->warnings,
                                  "channel %s: the secret %s is neither in the environment nor in "
                                  "secrets.conf; no messages are sent there",
                                  settings->name, settings->url_env);
                return;
        }
        channels->items =
                xrealloc_array(channels->items, channels->count + 1, sizeof(struct channel *));
        channels->items[channels->count++] = channel_new(settings, address);
}

struct channels channels_of(const struct settings *settings, const struct secrets *secrets)
{
        struct channels channels = { 0 };
        const struct notify_channel failures = {
                .name = (char *)SLACK_FAILURE_CHANNEL,
                .kind = NOTIFY_SLACK,
                .url_env = settings->slack.failure_webhook_env,
                .severities = 1U << NOTICE_FAILURE | 1U << NOTICE_WARNING | 1U << NOTICE_RESOLVED,
                .ca_file = settings->slack.ca_file,
                .timeout_seconds = 15,
        };
        struct notify_channel summaries = failures;
        summaries.name = (char *)SLACK_SUMMARY_CHANNEL;
        summaries.url_env = settings->slack.success_webhook_env;
        summaries.severities = 1U << NOTICE_SUMMARY;
        add_channel(&channels, &failures, secrets, settings->slack.given);
        add_channel(&channels, &summaries, secrets, settings->slack.given);
        for (size_t i = 0; i < settings->n_notify; i++)
                add_channel(&channels, &settings->notify[i], secrets, true);
        return channels;
}

const char *channel_name(const struct channel *channel)
{
        return channel->name;
}

enum notify_kind channel_kind(const struct channel *channel)
{
        return channel->kind;
}

bool channel_wants(const struct channel *channel, const struct notice *notice)
{
        if (!(channel->severities & (1U << notice->severity)))
                return false;
        if (!channel->tags || !notice->about_vms)
                return true;
        for (size_t i = 0; notice->tags && notice->tags[i]; i++)
                if (strv_contains(channel->tags, notice->tags[i]))
                        return true;
        return false;
}

void delivery_done(struct delivery *delivery)
{
        free(delivery->error);
        *delivery = (struct delivery){ 0 };
}

static void deliver_by_webhook(const struct channel *channel, const char *id, const char *body,
                               bool (*cancelled)(void *), void *data, struct delivery *ret)
{
        const struct webhook_request request = {
                .address = channel->address,
                .ca_file = channel->ca_file,
                .body = body,
                .id = id,
                .timeout_ms = channel->timeout_ms,
                .cancelled = cancelled,
                .data = data,
        };
        _cleanup_webhook_result_ struct webhook_result result;
        webhook_post(&request, &result);
        ret->outcome = result.outcome == WEBHOOK_ACCEPTED ? DELIVERY_DONE
                       : result.outcome == WEBHOOK_RETRY  ? DELIVERY_RETRY
                                                          : DELIVERY_REFUSED;
        ret->retry_after_seconds = result.retry_after_seconds;
        ret->error = TAKE_PTR(result.error);
}

static void deliver_by_command(const struct channel *channel, const char *body,
                               bool (*cancelled)(void *), void *data, struct delivery *ret)
{
        _cleanup_free_ char *line = xasprintf("%s\n", body);
        const struct child_options options = {
                .timeout_ms = channel->timeout_ms,
                .input = line,
                .max_output = COMMAND_OUTPUT_MAX_BYTES,
                .cancelled = cancelled,
                .data = data,
        };
        _cleanup_error_ struct error *error = NULL;
        _cleanup_child_result_ struct child_result result = { 0 };
        ret->outcome = DELIVERY_RETRY;
        if (child_run((const char *const *)channel->command, &options, &result, &error) < 0) {
                ret->error = str_one_line(error->message, 2 * COMMAND_ERROR_BYTES);
        } else if (result.status) {
                _cleanup_free_ char *said = str_one_line(result.errors, COMMAND_ERROR_BYTES);
                ret->error = xasprintf("the command ended with status %d%s%s", result.status,
                                       *said ? ": " : "", said);
        } else {
                ret->outcome = DELIVERY_DONE;
        }
}

void channel_deliver(const struct channel *channel, const struct notice *notice,
                     bool (*cancelled)(void *data), void *data, struct delivery *ret)
{
        *ret = (struct delivery){ 0 };
        _cleanup_free_ char *body =
                channel->kind == NOTIFY_SLACK ? compose_slack(notice) : compose_json(notice);
        if (channel->kind == NOTIFY_COMMAND)
                deliver_by_command(channel, body, cancelled, data, ret);
        else
                deliver_by_webhook(channel, notice->id, body, cancelled, data, ret);
}
