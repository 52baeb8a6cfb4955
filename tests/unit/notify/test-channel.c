/* Which channels the settings make, which message goes where, and a command as a channel. */
#include "notify/channel.h"

#include <signal.h>
#include <stdlib.h>

#include "fixture.h"

static struct settings *parse(const char *more)
{
        _cleanup_free_ char *text = xasprintf("repository: {path: /m}\n%s", more);
        _cleanup_problems_ struct problems problems = { 0 };
        struct settings *settings =
                settings_parse(text, strlen(text), "/etc/orch/orch.yaml", &problems);
        cr_assert(settings);
        return settings;
}

static struct channels channels_from(const char *more)
{
        _cleanup_(settings_freep) struct settings *settings = parse(more);
        return channels_of(settings, NULL);
}

static void no_secrets(void)
{
        unsetenv("SLACK_FAILURE_WEBHOOK");
        unsetenv("SLACK_SUCCESS_WEBHOOK");
}

Test(channel, without_secrets_there_is_none_and_no_complaint, .init = no_secrets)
{
        _cleanup_channels_ struct channels channels = channels_from("");
        cr_assert_eq(channels.count, 0);
        cr_assert_null(channels.warnings);
}

Test(channel, slack_that_is_asked_for_without_its_secret_is_a_warning, .init = no_secrets)
{
        setenv("SLACK_SUCCESS_WEBHOOK", "https://example.invalid/x", 1);
        _cleanup_channels_ struct channels channels =
                channels_from("slack: {summary: after-cycle}\n");
        cr_assert_eq(channels.count, 1);
        cr_assert_str_eq(channel_name(channels.items[0]), "slack-summary");
        cr_assert_eq(strv_length(channels.warnings), 1);
        cr_assert(strstr(channels.warnings[0], "SLACK_FAILURE_WEBHOOK"));
}

static bool wants(const struct channels *channels, size_t index, enum notice_severity severity,
                  const char *tag)
{
        _cleanup_notice_ struct notice *notice = notice_new("x", severity, 1, "t");
        if (tag)
                notice_add_tags(notice, (char *const[]){ (char *)tag, NULL });
        return channel_wants(channels->items[index], notice);
}

Test(channel, by_severity_and_tag, .init = no_secrets)
{
        setenv("SLACK_FAILURE_WEBHOOK", "https://example.invalid/x", 1);
        setenv("SLACK_SUCCESS_WEBHOOK", "https://example.invalid/y", 1);
        _cleanup_channels_ struct channels channels =
                channels_from("notify:\n"
                              "  - {name: all, kind: command, command: [x]}\n"
                              "  - {name: db, kind: command, command: [x], severities: [failure], "
                              "tags: [db, sql]}\n");
        cr_assert_eq(channels.count, 4);
        static const struct {
                size_t channel;
                enum notice_severity severity;
                const char *tag;
                bool wanted;
        } cases[] = {
                { 0, NOTICE_FAILURE, NULL, true },  { 0, NOTICE_WARNING, "db", true },
                { 0, NOTICE_RESOLVED, NULL, true }, { 0, NOTICE_SUMMARY, NULL, false },
                { 1, NOTICE_SUMMARY, NULL, true },  { 1, NOTICE_FAILURE, NULL, false },
                { 2, NOTICE_SUMMARY, NULL, true },  { 2, NOTICE_FAILURE, "x", true },
                { 3, NOTICE_FAILURE, "db", true },  { 3, NOTICE_FAILURE, "web", false },
                { 3, NOTICE_FAILURE, NULL, true },  { 3, NOTICE_WARNING, "db", false },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                cr_assert_eq(wants(&channels, cases[i].channel, cases[i].severity, cases[i].tag),
                             cases[i].wanted, "case %zu", i);
        _cleanup_notice_ struct notice *untagged = notice_new("x", NOTICE_FAILURE, 1, "t");
        notice_add_tags(untagged, NULL);
        cr_assert_not(channel_wants(channels.items[3], untagged),
                      "it is about a VM, which has no tag");
}

/* As every process of orch: a command need not read what it is given. */
static struct delivery deliver(const char *command)
{
        signal(SIGPIPE, SIG_IGN);
        _cleanup_free_ char *more = xasprintf(
                "notify:\n  - {name: c, kind: command, timeout_seconds: 2, command: %s}\n",
                command);
        _cleanup_channels_ struct channels channels = channels_from(more);
        _cleanup_notice_ struct notice *notice = make_notice("t");
        struct delivery delivery;
        channel_deliver(channels.items[0], notice, NULL, NULL, &delivery);
        return delivery;
}

Test(channel, a_command_gets_the_json, .init = make_folder, .fini = remove_folder)
{
        _cleanup_free_ char *command = xasprintf("[sh, -c, 'cat >\"$0\"/got', %s]", folder);
        _cleanup_delivery_ struct delivery delivery = deliver(command);
        cr_assert_eq(delivery.outcome, DELIVERY_DONE);
        cr_assert_null(delivery.error);
        _cleanup_free_ char *got = read_file("got");
        _cleanup_notice_ struct notice *notice = make_notice("t");
        cr_assert(got && strstr(got, "\"title\":\"t\"") && strstr(got, "\"vm\":\"web-01\""), "%s",
                  got);
}

Test(channel, a_command_that_fails_is_tried_again)
{
        _cleanup_delivery_ struct delivery failed = deliver("[sh, -c, 'echo oops >&2; exit 3']");
        cr_assert_eq(failed.outcome, DELIVERY_RETRY);
        cr_assert_str_eq(failed.error, "the command ended with status 3: oops ");
        _cleanup_delivery_ struct delivery missing = deliver("[/nonexistent/program]");
        cr_assert_eq(missing.outcome, DELIVERY_RETRY);
        _cleanup_delivery_ struct delivery slow = deliver("[sleep, '60']");
        cr_assert_eq(slow.outcome, DELIVERY_RETRY);
        cr_assert(slow.error);
}
