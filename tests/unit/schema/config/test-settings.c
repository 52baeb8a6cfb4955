/* orch.yaml, key by key. Its mistakes are in test-config-corpus.c. */
#include "schema/config/settings.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

static struct settings *parse_at(const char *path, const char *text)
{
        _cleanup_problems_ struct problems problems = { 0 };
        struct settings *settings = settings_parse(text, strlen(text), path, &problems);
        _cleanup_free_ char *found = problems_format(&problems);
        cr_assert_not_null(settings, "%s", found);
        return settings;
}

Test(settings, every_key_but_the_repository_has_a_default)
{
        _cleanup_(settings_freep) struct settings *settings =
                parse_at("/etc/orch/orch.yaml", "repository: {path: /mnt/backup}\n");
        cr_assert_str_eq(settings->file, "/etc/orch/orch.yaml");
        cr_assert_str_eq(settings->directory, "/etc/orch");
        cr_assert_str_eq(settings->repository_path, "/mnt/backup");
        cr_assert_eq(settings->repository_fstype, REPOSITORY_FSTYPE_NFS);
        cr_assert_str_eq(settings->inventory, "/etc/orch/vm-list.yaml");
        cr_assert_str_eq(settings->socket, "/run/orch/orch.sock");
        cr_assert_eq(settings->cycle_start.weekday, 6);
        cr_assert_eq(settings->cycle_start.hour, 12);
        cr_assert_null(settings->cycle_timezone);
        cr_assert_eq(settings->cycle_trigger, CYCLE_TRIGGER_EXTERNAL);
        cr_assert_eq(settings->limits.jobs, 1);
        cr_assert_eq(settings->limits.jobs_per_hypervisor, 1);
        cr_assert_eq(settings->limits.thaw_deadline_seconds, 20);
        cr_assert_eq(settings->limits.copy_stall_seconds, 600);
        cr_assert_eq(settings->limits.bandwidth_mib_s, 0);
        cr_assert_str_eq(settings->ssh.user, "root");
        cr_assert_eq(settings->ssh.port, 22);
        cr_assert_str_eq(settings->ssh.key, "/etc/orch/ssh/id_ed25519");
        cr_assert_str_eq(settings->ssh.known_hosts, "/etc/orch/ssh/known_hosts");
        cr_assert_eq(settings->checks.hypervisor_free_gib, 50);
        cr_assert_eq(settings->checks.hypervisor_low_water_gib, 20);
        cr_assert_float_eq(settings->checks.repository_free_factor, 1.2, 1e-9);
        cr_assert_str_eq(settings->slack.failure_webhook_env, "SLACK_FAILURE_WEBHOOK");
        cr_assert_str_eq(settings->slack.success_webhook_env, "SLACK_SUCCESS_WEBHOOK");
        cr_assert_eq(settings->slack.summary.weekday, 0);
        cr_assert_eq(settings->slack.summary.hour, 20);
        cr_assert_not(settings->slack.summary_after_cycle);
        cr_assert_str_eq(settings->metrics_listen, "");
        cr_assert_str_eq(settings->daemon.state, "/var/lib/orch");
        cr_assert_eq(settings->daemon.on_stop, ON_STOP_CANCEL);
        cr_assert_eq(settings->verify.budget_minutes + settings->test_restore.budget_minutes, 0);
}

static const char all_keys[] =
        "repository: {path: //srv//share/, fstype: any}\n"
        "inventory: lists/vms.yaml\n"
        "socket: run/o.sock\n"
        "cycle: {start: 'wednesday 9:05', timezone: Europe/Berlin, trigger: internal}\n"
        "limits: {jobs: 2, jobs_per_hypervisor: 3, thaw_deadline_seconds: 4, copy_stall_seconds: "
        "5, bandwidth_mib_s: 6}\n"
        "ssh: {user: backup, port: 2222, key: id, known_hosts: /etc/ssh/known}\n"
        "checks: {hypervisor_free_gib: 7, hypervisor_low_water_gib: 6, repository_free_factor: "
        "2.5}\n"
        "slack: {failure_webhook_env: F, success_webhook_env: S, summary: after-cycle}\n"
        "metrics: {listen: '127.0.0.1:9188'}\n"
        "daemon: {state: /srv/orch/, on_stop: finish}\n"
        "verify: {budget_minutes: 8}\n"
        "test_restore: {budget_minutes: 9}\n";

Test(settings, each_key_reaches_its_member_and_relative_paths_start_at_the_file)
{
        _cleanup_(settings_freep) struct settings *settings =
                parse_at("/opt/o/orch.yaml", all_keys);
        cr_assert_str_eq(settings->repository_path, "/srv/share");
        cr_assert_eq(settings->repository_fstype, REPOSITORY_FSTYPE_ANY);
        cr_assert_str_eq(settings->inventory, "/opt/o/lists/vms.yaml");
        cr_assert_str_eq(settings->socket, "/opt/o/run/o.sock");
        cr_assert_eq(settings->cycle_start.weekday, 3);
        cr_assert_eq(settings->cycle_start.hour, 9);
        cr_assert_eq(settings->cycle_start.minute, 5);
        cr_assert_str_eq(settings->cycle_timezone, "Europe/Berlin");
        cr_assert_eq(settings->cycle_trigger, CYCLE_TRIGGER_INTERNAL);
        cr_assert_eq(settings->limits.jobs, 2);
        cr_assert_eq(settings->limits.jobs_per_hypervisor, 3);
        cr_assert_eq(settings->limits.thaw_deadline_seconds, 4);
        cr_assert_eq(settings->limits.copy_stall_seconds, 5);
        cr_assert_eq(settings->limits.bandwidth_mib_s, 6);
        cr_assert_str_eq(settings->ssh.user, "backup");
        cr_assert_eq(settings->ssh.port, 2222);
        cr_assert_str_eq(settings->ssh.key, "/opt/o/id");
        cr_assert_str_eq(settings->ssh.known_hosts, "/etc/ssh/known");
        cr_assert_eq(settings->checks.hypervisor_free_gib, 7);
        cr_assert_eq(settings->checks.hypervisor_low_water_gib, 6);
        cr_assert_float_eq(settings->checks.repository_free_factor, 2.5, 1e-9);
        cr_assert_str_eq(settings->slack.failure_webhook_env, "F");
        cr_assert_str_eq(settings->slack.success_webhook_env, "S");
        cr_assert(settings->slack.summary_after_cycle);
        cr_assert_str_eq(settings->metrics_listen, "127.0.0.1:9188");
        cr_assert_str_eq(settings->daemon.state, "/srv/orch");
        cr_assert_eq(settings->daemon.on_stop, ON_STOP_FINISH);
        cr_assert_eq(settings->verify.budget_minutes, 8);
        cr_assert_eq(settings->test_restore.budget_minutes, 9);
}

Test(settings, a_relative_path_of_the_file_starts_at_the_working_directory)
{
        cr_assert_eq(chdir("/tmp"), 0);
        _cleanup_(settings_freep) struct settings *settings =
                parse_at("orch.yaml", "repository: {path: /mnt/backup}\n");
        cr_assert_str_eq(settings->file, "/tmp/orch.yaml");
        cr_assert_str_eq(settings->inventory, "/tmp/vm-list.yaml");
}

Test(settings, days_are_english_short_or_full_in_any_case)
{
        static const char *const names[] = { "SUN",      "mon", "Tue",     "wednesday",
                                             "Thursday", "FRI", "Saturday" };
        for (int day = 0; day < 7; day++) {
                _cleanup_free_ char *text = xasprintf(
                        "repository: {path: /m}\ncycle: {start: '%s 23:59'}\n", names[day]);
                _cleanup_(settings_freep) struct settings *settings = parse_at("/o.yaml", text);
                cr_assert_eq(settings->cycle_start.weekday, day);
                cr_assert_eq(settings->cycle_start.minute, 59);
        }
}

Test(settings, parsing_leaves_the_process_alone)
{
        unsetenv("TZ");
        _cleanup_(settings_freep) struct settings *settings =
                parse_at("/opt/o/orch.yaml", all_keys);
        cr_assert_null(getenv("TZ"));
}

Test(settings, a_webhook_written_into_the_settings_is_not_repeated_in_the_message)
{
        static const char *const values[] = { "https://hooks.slack.com/services/T0/B0/hunter2",
                                              "123456789", "\"\\u0007hunter2\"" };
        for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
                _cleanup_free_ char *text = xasprintf(
                        "repository: {path: /m}\nslack: {failure_webhook_env: %s}\n", values[i]);
                _cleanup_problems_ struct problems problems = { 0 };
                cr_assert_null(settings_parse(text, strlen(text), "f", &problems));
                cr_assert_eq(problems.count, 1);
                cr_assert_null(strstr(problems.items[0].message, "hunter2"));
                cr_assert_null(strstr(problems.items[0].message, "123456789"));
        }
}

Test(settings, the_default_path_comes_from_the_environment)
{
        unsetenv("ORCH_CONFIG");
        cr_assert_str_eq(settings_default_path(), "/etc/orch/orch.yaml");
        setenv("ORCH_CONFIG", "/elsewhere/orch.yaml", 1);
        cr_assert_str_eq(settings_default_path(), "/elsewhere/orch.yaml");
}

Test(settings, a_file_that_is_not_there_is_a_problem)
{
        _cleanup_problems_ struct problems problems = { 0 };
        cr_assert_null(settings_load("/nonexistent/orch.yaml", NULL, &problems));
        cr_assert_eq(problems.n_errors, 1);
        cr_assert_str_eq(problems.items[0].message, "cannot be read: No such file or directory");
}

Test(settings, channels_have_their_defaults_and_paths_from_the_files_folder)
{
        static const char text[] =
                "repository: {path: /m}\n"
                "slack: {ca_file: tls/ca.pem}\n"
                "notify:\n"
                "  - {name: pager, kind: webhook, url_env: PAGER, severities: [failure, summary], "
                "tags: [prod], ca_file: a.pem}\n"
                "  - {name: hook, kind: command, command: [/bin/true, x], timeout_seconds: 3}\n";
        _cleanup_(settings_freep) struct settings *settings = parse_at("/etc/orch/orch.yaml", text);
        cr_assert(settings->slack.given);
        cr_assert_str_eq(settings->slack.ca_file, "/etc/orch/tls/ca.pem");
        cr_assert_eq(settings->n_notify, 2);
        const struct notify_channel *pager = &settings->notify[0];
        cr_assert_str_eq(pager->name, "pager");
        cr_assert_eq(pager->kind, NOTIFY_WEBHOOK);
        cr_assert_str_eq(pager->url_env, "PAGER");
        cr_assert_eq(pager->severities, 1U << NOTICE_FAILURE | 1U << NOTICE_SUMMARY);
        cr_assert_str_eq(pager->tags[0], "prod");
        cr_assert_str_eq(pager->ca_file, "/etc/orch/a.pem");
        cr_assert_eq(pager->timeout_seconds, 15);
        const struct notify_channel *hook = &settings->notify[1];
        cr_assert_eq(hook->kind, NOTIFY_COMMAND);
        cr_assert_str_eq(hook->command[1], "x");
        cr_assert_eq(hook->severities, (1U << NOTICE_SEVERITIES) - 1);
        cr_assert_eq(hook->timeout_seconds, 3);
}
