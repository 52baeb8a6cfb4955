/* A stream of events as it is shown where there is no terminal, and what the exit status then
 * is. */
#include "cli/client/follow.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api-server.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "capture.h"

#define TIME "\"time_ms\":1769983215000"
#define JOB "\"job\":\"20260201-aa11\",\"vm\":\"db\","

static const struct api_chunk good_run[] = {
        { "{\"event\":\"queued\"," JOB "\"hypervisor\":\"h1\",\"position\":1}\n"
          "{\"event\":\"started\"," JOB "\"hypervisor\":\"h1\"," TIME "}\n"
          "{\"event\":\"step\"," JOB TIME
          ",\"step\":\"freeze\",\"state\":\"begin\",\"text\":null,\"duration_ms\":0}\n"
          "{\"event\":\"step\"," JOB TIME
          ",\"step\":\"freeze\",\"state\":\"done\",\"text\":null,\"duration_ms\":41}\n"
          "{\"event\":\"progress\"," JOB TIME ",\"disk\":\"vda\",\"done_bytes\":1,\"total_bytes\":"
          "2,\"bytes_per_second\":1,\"remaining_seconds\":1}\n"
          "{\"event\":\"check\"," JOB TIME
          ",\"check\":{\"phase\":\"before\",\"name\":\"vm-running\",\"verdict\":\"pass\","
          "\"measured\":\"running\"}}\n"
          "{\"event\":\"warning\"," JOB TIME
          ",\"text\":\"agent absent\\u001b[31m\\nforged line\"}\n"
          "{\"event\":\"of-a-newer-daemon\"," JOB TIME "}\n"
          "{\"event\":\"result\"," JOB TIME ",\"status\":\"ok\",\"error\":null,\"error_kind\":null,"
          "\"path\":\"h1/db/2026-02-01-230015\","
          "\"duration_ms\":5000,\"metadata\":null}\n",
          0 },
        { "{\"event\":\"end\",\"exit_status\":0,\"text\":\"1 VM backed up, 1.0 GiB in 5.0s\"}\n",
          0 },
        { 0 },
};

static int follow(const struct api_chunk chunks[], const struct cli *cli,
                  const struct follow_options *options, struct capture *capture)
{
        cr_assert_eq(clock_set_timezone("UTC", NULL), 0);
        const struct api_answer answers[] = { { .path = "/v1/run", .chunks = chunks }, { 0 } };
        _cleanup_api_server_ struct api_server *server = api_server_start(answers);
        _cleanup_client_ struct client *client = client_new(api_server_socket(server));
        _cleanup_error_ struct error *error = NULL;
        if (capture)
                capture_begin(capture);
        int status = follow_jobs(cli, client, "/v1/run", NULL, options, &error);
        if (capture)
                capture_end(capture);
        return status;
}

Test(follow, one_plain_line_an_event_and_the_verdict_last)
{
        const struct cli cli = { 0 };
        const struct follow_options options = { 0 };
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(follow(good_run, &cli, &options, &capture), STATUS_OK);
        const char *rest = strchr(capture.out, ' '); /* the time of "queued" is now */
        cr_assert_str_eq(rest, " db queued at place 1 (job 20260201-aa11)\n"
                               "22:00:15 db started on h1 (job 20260201-aa11)\n"
                               "22:00:15 db freeze: done, 41 ms\n"
                               "22:00:15 db warning: agent absent?[31m forged line\n"
                               "22:00:15 db ok, 5.0s \xe2\x86\x92 h1/db/2026-02-01-230015\n"
                               "1 VM backed up, 1.0 GiB in 5.0s\n");
        cr_assert_str_eq(capture.errors, "");
}

Test(follow, quiet_prints_results_and_the_verdict_only)
{
        const struct cli cli = { .verbosity = -1 };
        const struct follow_options options = { 0 };
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(follow(good_run, &cli, &options, &capture), STATUS_OK);
        cr_assert_str_eq(capture.out, "22:00:15 db ok, 5.0s \xe2\x86\x92 "
                                      "h1/db/2026-02-01-230015\n1 VM backed up, 1.0 GiB in 5.0s\n");
}

Test(follow, passed_checks_are_shown_where_they_are_the_result)
{
        const struct cli cli = { 0 };
        const struct follow_options options = { .passed_checks = true };
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(follow(good_run, &cli, &options, &capture), STATUS_OK);
        cr_assert(strstr(capture.out, "22:00:15 db check vm-running: pass, running\n"), "%s",
                  capture.out);
}

Test(follow, strict_makes_a_warning_a_failure_and_says_so)
{
        const struct cli cli = { 0 };
        const struct follow_options options = { .strict = true };
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(follow(good_run, &cli, &options, &capture), STATUS_JOB_FAILED);
        cr_assert(str_ends_with(capture.out, "1 VM backed up, 1.0 GiB in 5.0s; 1 warning, which "
                                             "--strict counts as a failure\n"),
                  "%s", capture.out);
}

Test(follow, strict_leaves_a_run_without_warnings_alone)
{
        static const struct api_chunk chunks[] = {
                { "{\"event\":\"notice\",\"level\":\"info\",\"text\":\"hello\"}\n"
                  "{\"event\":\"end\",\"exit_status\":0,\"text\":\"nothing is due\"}\n",
                  0 },
                { 0 }
        };
        const struct cli cli = { 0 };
        const struct follow_options options = { .strict = true };
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(follow(chunks, &cli, &options, &capture), STATUS_OK);
        /* behind the time of day */
        cr_assert_str_eq(strchr(capture.out, ' '), " hello\nnothing is due\n");
}

Test(follow, json_passes_the_events_through)
{
        const struct cli cli = { .json = true };
        const struct follow_options options = { 0 };
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(follow(good_run, &cli, &options, &capture), STATUS_OK);
        size_t lines = 0;
        for (const char *p = capture.out; *p; p++)
                lines += *p == '\n';
        cr_assert_eq(lines, 10);
        cr_assert(strstr(capture.out, "{\"event\":\"of-a-newer-daemon\""));
}

Test(follow, strict_counts_warnings_of_every_kind_whatever_is_shown)
{
        static const char *const warnings[] = {
                "{\"event\":\"warning\"," JOB TIME ",\"text\":\"agent absent\"}\n",
                "{\"event\":\"check\"," JOB TIME
                ",\"check\":{\"phase\":\"before\",\"name\":\"guest-agent\",\"verdict\":\"warn\","
                "\"measured\":\"absent\"}}\n",
                "{\"event\":\"notice\",\"level\":\"warning\",\"text\":\"the catalog is behind\"}\n",
        };
        const struct cli ways[] = { { 0 }, { .verbosity = -1 }, { .json = true } };
        const struct follow_options options = { .strict = true };
        for (size_t i = 0; i < ARRAY_LENGTH(warnings); i++) {
                const struct api_chunk chunks[] = {
                        { warnings[i], 0 },
                        { "{\"event\":\"end\",\"exit_status\":0,\"text\":\"done\"}\n", 0 },
                        { 0 }
                };
                for (size_t way = 0; way < ARRAY_LENGTH(ways); way++) {
                        _cleanup_(capture_done) struct capture capture = { 0 };
                        cr_expect_eq(follow(chunks, &ways[way], &options, &capture),
                                     STATUS_JOB_FAILED, "%zu: %s", way, warnings[i]);
                }
        }
}

Test(follow, notices_that_matter_go_to_stderr_line_by_line)
{
        static const struct api_chunk chunks[] = {
                { "{\"event\":\"notice\",\"level\":\"error\",\"text\":\"a.yaml:1:2: "
                  "x\\na.yaml:3:4: y\"}\n"
                  "{\"event\":\"notice\",\"level\":\"warning\",\"text\":\"w\"}\n"
                  "{\"event\":\"end\",\"exit_status\":2,\"text\":\"done\"}\n",
                  0 },
                { 0 }
        };
        const struct cli cli = { 0 };
        const struct follow_options options = { 0 };
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(follow(chunks, &cli, &options, &capture), STATUS_USAGE);
        cr_assert_str_eq(capture.out, "done\n");
        cr_assert_str_eq(capture.errors,
                         "error: a.yaml:1:2: x\nerror: a.yaml:3:4: y\nwarning: w\n");
}

Test(follow, no_line_is_longer_than_bacula_takes)
{
        char text[3000];
        memset(text, 'x', sizeof text);
        text[sizeof text - 1] = '\0';
        _cleanup_free_ char *line =
                xasprintf("{\"event\":\"warning\"," JOB TIME ",\"text\":\"%s\"}\n"
                          "{\"event\":\"notice\",\"level\":\"info\",\"text\":\"%s\"}\n"
                          "{\"event\":\"end\",\"exit_status\":0,\"text\":\"%s\"}\n",
                          text, text, text);
        const struct api_chunk chunks[] = { { line, 0 }, { 0 } };
        const struct cli cli = { 0 };
        const struct follow_options options = { 0 };
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(follow(chunks, &cli, &options, &capture), STATUS_OK);
        size_t lines = 0;
        for (const char *p = capture.out; *p; p += strcspn(p, "\n") + 1) {
                cr_assert_leq(strcspn(p, "\n"), 480);
                lines++;
        }
        cr_assert_eq(lines, 3);
}

/* Bacula gives stderr to the job log too. */
Test(follow, diagnostics_are_no_longer_either)
{
        char text[6000];
        memset(text, 'x', sizeof text);
        memcpy(text + 1000, "\\u0007\xf0\x9f\x92\xbe", 10);
        text[sizeof text - 1] = '\0';
        _cleanup_free_ char *line =
                xasprintf("{\"event\":\"notice\",\"level\":\"warning\",\"text\":\"%s\"}\n"
                          "{\"event\":\"notice\",\"level\":\"error\",\"text\":\"%s\\n%s\"}\n"
                          "{\"event\":\"end\",\"exit_status\":1,\"text\":\"1 of 1 failed\"}\n",
                          text, text + 800, text);
        const struct api_chunk chunks[] = { { line, 0 }, { 0 } };
        const struct cli cli = { 0 };
        const struct follow_options options = { 0 };
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(follow(chunks, &cli, &options, &capture), STATUS_JOB_FAILED);
        size_t lines = 0;
        for (const char *p = capture.errors; *p; p += strcspn(p, "\n") + 1) {
                cr_assert_leq(strcspn(p, "\n"), 480);
                cr_assert_gt(strcspn(p, "\n"), 470);
                lines++;
        }
        cr_assert_eq(lines, 3);
        cr_assert(str_starts_with(strchr(capture.errors, '\n') + 1, "error: xxx"), "%s",
                  capture.errors);
        cr_assert(strstr(capture.errors, "x?\xf0\x9f\x92\xbexx"),
                  "cleaned, and whole characters stay: %s", capture.errors);
        cr_assert_str_eq(capture.out, "1 of 1 failed\n");
}

/* A reader of our stdout that goes away, as `orch run | head -1` does: the client leaves quietly,
 * it does not die by a signal. */
Test(follow, a_closed_stdout_ends_the_client_quietly)
{
        static const struct api_chunk chunks[] = {
                { "{\"event\":\"notice\",\"level\":\"info\",\"text\":\"x\"}\n", 0 },
                { "{\"event\":\"notice\",\"level\":\"info\",\"text\":\"y\"}\n", 50 },
                { "{\"event\":\"end\",\"exit_status\":0}\n", 2000 },
                { 0 }
        };
        int ends[2];
        cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
        close(ends[0]);
        int saved = dup(STDOUT_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[1]);
        const struct cli cli = { 0 };
        const struct follow_options options = { 0 };
        int status = follow(chunks, &cli, &options, NULL);
        dup2(saved, STDOUT_FILENO);
        close(saved);
        cr_assert_eq(status, STATUS_INTERRUPTED);
}

Test(follow, watching_a_failed_job_is_no_failure_of_the_watcher)
{
        static const struct api_chunk chunks[] = {
                { "{\"event\":\"end\",\"exit_status\":1,\"text\":\"failed\"}\n", 0 }, { 0 }
        };
        const struct cli cli = { 0 };
        const struct follow_options options = { .just_watching = true };
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(follow(chunks, &cli, &options, &capture), STATUS_OK);
        const struct follow_options job = { 0 };
        cr_assert_eq(follow(chunks, &cli, &job, &capture), STATUS_JOB_FAILED);
}

Test(follow, ctrl_c_says_that_the_job_goes_on_and_how_to_cancel_it)
{
        static const struct api_chunk chunks[] = {
                { "{\"event\":\"started\"," JOB "\"hypervisor\":\"h1\"," TIME "}\n", 0 },
                { "{\"event\":\"keepalive\"}\n", 3000 },
                { "{\"event\":\"end\",\"exit_status\":0}\n", 3000 },
                { 0 }
        };
        /* Blocked before the server's threads start, so that the signal, which comes two seconds
         * in, waits for the stream. */
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        cr_assert_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
        pid_t sender = fork();
        if (sender == 0) {
                sleep(2);
                kill(getppid(), SIGINT);
                _exit(0);
        }
        const struct cli cli = { 0 };
        const struct follow_options options = { 0 };
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(follow(chunks, &cli, &options, &capture), STATUS_INTERRUPTED);
        cr_assert_eq(waitpid(sender, NULL, 0), sender);
        cr_assert_str_eq(
                capture.errors,
                "warning: interrupted, but the daemon continues with job 20260201-aa11 (db). `orch "
                "cancel 20260201-aa11` cancels it, `orch log 20260201-aa11 -f` follows it\n");
}
