/* Whether a job is cancelled in Bacula: read out of the console's answer, asked of a scripted
 * `bconsole`, and what a client that follows does about it. */
#include "cli/client/bacula-console.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api-server.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "capture.h"
#include "cli/verbs/verbs.h"

#define HELLO                                                                                \
        "Connecting to Director 127.0.0.1:9101\n1000 OK: 103 bacula-dir Version: 9.6.7 (10 " \
        "December 2020)\n"
#define JOB(id, status)                                                            \
        "\njobid=" id "\nlevel= \ntype=D\nstatus=" status                          \
        "\nstatus_desc=x\ncomment=status=A\njob=orch-run.2026-11-20_08.27.41_09\n" \
        "name=orch-run\nerrors=0\n\n"

Test(bacula_console, a_job_is_cancelled_only_where_its_own_lines_say_so)
{
        static const struct {
                const char *answer;
                bool cancelled;
        } cases[] = {
                { HELLO "running:\n" JOB("12", "A"), true },
                { HELLO "running:\n" JOB("11", "R") JOB("12", "A") JOB("13", "R"), true },
                { HELLO "running:\r\njobid=12\r\nstatus=A\r\n", true },
                { HELLO "running:\n" JOB("12", "R"), false },
                { HELLO "running:\n" JOB("11", "A") JOB("12", "R") JOB("13", "A"), false },
                { HELLO "running:\n" JOB("112", "A") JOB("1", "A") JOB("120", "A"), false },
                { HELLO "running:\n" JOB("12", "AB"), false },
                { HELLO "No Jobs running.\n====\n", false },
                { "status=A\njobid=12\n", false },
                { "jobid=12\nstatus=A", true },
                { "", false },
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                cr_assert_eq(bacula_console_says_cancelled(cases[i].answer, "12"),
                             cases[i].cancelled, "case %zu", i);
}

Test(bacula_console, the_status_of_a_command_line)
{
        cr_assert(bacula_status_is_cancelled("Canceled"));
        cr_assert(bacula_status_is_cancelled("Cancelled"));
        static const char *const others[] = {
                "Error", "Fatal Error", "OK", "OK -- with warnings", "%e", "", "Not Canceled"
        };
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
                cr_assert_not(bacula_status_is_cancelled(others[i]), "%s", others[i]);
}

/* A folder with a `bconsole` that comes first in PATH, and an orch.yaml. */
struct place {
        char folder[32];
        struct api_server *server;
};

static void put(const struct place *place, const char *name, mode_t mode, const char *text)
{
        _cleanup_free_ char *path = path_join(place->folder, name);
        cr_assert_eq(fs_write_file(path, mode, text, strlen(text), NULL), 0);
}

static void place_init(struct place *place, const char *bconsole, const struct api_answer answers[])
{
        *place = (struct place){ .folder = "/tmp/orch-test-XXXXXX",
                                 .server = answers ? api_server_start(answers) : NULL };
        cr_assert_not_null(mkdtemp(place->folder));
        _cleanup_free_ char *script = xasprintf("#!/bin/sh\n%s", bconsole);
        put(place, "bconsole", 0755, script);
        if (answers) {
                _cleanup_free_ char *settings =
                        xasprintf("repository: { path: /tmp }\nsocket: %s\n",
                                  api_server_socket(place->server));
                put(place, "orch.yaml", 0600, settings);
        }
        _cleanup_free_ char *path = xasprintf("%s:%s", place->folder, getenv("PATH"));
        cr_assert_eq(setenv("PATH", path, 1), 0);
}

static void place_done(struct place *place)
{
        api_server_stop(place->server);
        cr_assert_eq(fs_remove_tree_at(AT_FDCWD, place->folder, NULL), 0);
}

Test(bacula_console, is_asked_in_words_that_no_translation_touches)
{
        /* as a client that follows has it: this bconsole may end before it is asked */
        signal(SIGPIPE, SIG_IGN);
        _cleanup_(place_done) struct place place;
        place_init(
                &place,
                "[ \"$1 $2\" = '-c /etc/b c.conf' ] || exit 9\n"
                "[ \"$(cat)\" = \"$(printf '.api 2\\n.status dir running\\nquit')\" ] || exit 8\n"
                "printf '1000 OK: 103\\nrunning:\\n\\njobid=5\\nstatus=A\\n'",
                NULL);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(bacula_console_is_cancelled("/etc/b c.conf", "5", &error), 1, "%s",
                     error_message(error));
        cr_assert_eq(bacula_console_is_cancelled("/etc/b c.conf", "6", &error), 0, "%s",
                     error_message(error));
        cr_assert_eq(bacula_console_is_cancelled("/etc/other.conf", "5", &error), -1);
        cr_assert(strstr(error->message, "exit 9"), "%s", error->message);
}

Test(bacula_console, one_that_does_not_reach_the_director_says_nothing)
{
        signal(SIGPIPE, SIG_IGN); /* this bconsole ends without having read what it is asked */
        _cleanup_(place_done) struct place place;
        place_init(&place,
                   "echo 'Connecting to Director localhost:9101'; echo 'jobid=5'; echo 'status=A'",
                   NULL);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(bacula_console_is_cancelled("x", "5", &error), -1);
        cr_assert_eq(error->kind, ERROR_UNREACHABLE);
}

static const struct verb verbs[] = {
        { "run", "", VERB_NEEDS_DAEMON, &manual_run, verb_run },
        { "backup vm", "", VERB_NEEDS_DAEMON, &manual_backup_vm, verb_backup_vm },
        { "cancel", "", VERB_NEEDS_DAEMON, &manual_cancel, verb_cancel },
        { 0 },
};

static int orch(const struct place *place, struct capture *capture, const char *const words[])
{
        _cleanup_free_ char *config = xasprintf("--config=%s/orch.yaml", place->folder);
        const char *argv[12] = { "orch", config };
        int argc = 2;
        for (; words[argc - 2]; argc++)
                argv[argc] = words[argc - 2];
        capture_begin(capture);
        int status = cli_main(verbs, argc, (char **)(uintptr_t)argv);
        capture_end(capture);
        return status;
}
#define ORCH(place, capture, ...) \
        orch(&(place), &(capture), (const char *const[]){ __VA_ARGS__, NULL })

/* The client asks once in 10 s: the stream lasts longer. */
static const struct api_chunk long_run[] = {
        { "{\"event\":\"notice\",\"level\":\"info\",\"text\":\"begun\"}\n", 0 },
        { "{\"event\":\"keepalive\"}\n", 6000 },
        { "{\"event\":\"end\",\"exit_status\":5,\"text\":\"1 cancelled\"}\n", 10000 },
        { 0 }
};

Test(bacula_console, a_cancelled_job_ends_what_it_started_and_the_client_waits_for_the_verdict,
     .timeout = 60)
{
        static const struct api_answer answers[] = {
                { .path = "/v1/cancel",
                  .posted = "{\"bacula_job\":\"5\"}",
                  .json = "{\"jobs\":1,\"state\":\"cancelling\"}" },
                { .path = "/v1/backup", .posted = "\"bacula_job\":\"5\"", .chunks = long_run },
                { 0 },
        };
        _cleanup_(place_done) struct place place;
        _cleanup_(capture_done) struct capture capture = { 0 };
        place_init(&place,
                   "cat >/dev/null; printf '1000 OK: 103\\nrunning:\\n\\njobid=5\\nstatus=A\\n'",
                   answers);
        cr_assert_eq(ORCH(place, capture, "backup", "vm", "db", "--bacula-job", "5",
                          "--bacula-console", "x"),
                     STATUS_CANCELLED, "%s", capture.errors);
        cr_assert(str_ends_with(capture.out, " begun\nBacula's job 5 is cancelled: the jobs that "
                                             "it started roll back and end\n"
                                             "1 cancelled\n"),
                  "%s", capture.out);
        cr_assert_eq(api_server_requests(place.server), 2);
        cr_assert_str_eq(api_server_posted(place.server), "{\"bacula_job\":\"5\"}");
}

Test(bacula_console, one_that_cannot_be_asked_is_told_once_and_hurts_nothing, .timeout = 60)
{
        static const struct api_chunk good[] = {
                { "{\"event\":\"keepalive\"}\n", 6000 },
                { "{\"event\":\"end\",\"exit_status\":0,\"text\":\"fine\"}\n", 10000 },
                { 0 }
        };
        static const struct api_answer answers[] = { { .path = "/v1/run", .chunks = good }, { 0 } };
        _cleanup_(place_done) struct place place;
        _cleanup_(capture_done) struct capture capture = { 0 };
        place_init(&place, "echo no; exit 1", answers);
        cr_assert_eq(ORCH(place, capture, "run", "--strict", "--bacula-job", "5",
                          "--bacula-console", "x"),
                     STATUS_OK);
        cr_assert_str_eq(capture.out, "fine\n");
        cr_assert(str_starts_with(capture.errors,
                                  "warning: cannot check whether Bacula's job 5 is cancelled ("),
                  "%s", capture.errors);
}

Test(bacula_console, cancel_takes_a_job_or_a_job_of_bacula)
{
        static const struct api_answer answers[] = {
                { .path = "/v1/cancel",
                  .posted = "{\"bacula_job\":\"5\"}",
                  .json = "{\"jobs\":2,\"state\":\"cancelling\"}" },
                { .path = "/v1/cancel",
                  .status = 404,
                  .json = "{\"error\":{\"kind\":\"config\",\"message\":\"nothing "
                          "runs\"},\"exit_status\":2}" },
                { 0 },
        };
        _cleanup_(place_done) struct place place;
        _cleanup_(capture_done) struct capture capture = { 0 };
        place_init(&place, "exit 1", answers);
        cr_assert_eq(ORCH(place, capture, "cancel", "--bacula-job", "5"), STATUS_OK);
        cr_assert(str_starts_with(capture.out, "2 jobs of Bacula's job 5 cancelling"), "%s",
                  capture.out);
        cr_assert_eq(
                ORCH(place, capture, "cancel", "--bacula-job", "5", "--bacula-status", "Canceled"),
                STATUS_OK);
        cr_assert(str_starts_with(capture.out, "2 jobs"), "%s", capture.out);
        size_t before = api_server_requests(place.server);
        cr_assert_eq(ORCH(place, capture, "cancel", "--bacula-job", "5", "--bacula-status",
                          "Fatal Error"),
                     STATUS_OK);
        cr_assert_str_eq(capture.out, "");
        cr_assert_eq(api_server_requests(place.server), before,
                     "a job that failed is no reason to end a cycle");
        cr_assert_eq(ORCH(place, capture, "cancel", "--bacula-job", "6"), STATUS_USAGE);
        cr_assert_eq(
                ORCH(place, capture, "cancel", "--bacula-job", "6", "--bacula-status", "Canceled"),
                STATUS_OK, "all its jobs have ended, which is not worth a message");
        cr_assert_str_eq(capture.out, "");
        cr_assert_str_eq(capture.errors, "");
        before = api_server_requests(place.server);
        cr_assert_eq(ORCH(place, capture, "cancel"), STATUS_USAGE);
        cr_assert_eq(ORCH(place, capture, "cancel", "j", "--bacula-job", "5"), STATUS_USAGE);
        cr_assert_eq(ORCH(place, capture, "cancel", "j", "--bacula-status", "Canceled"),
                     STATUS_USAGE);
        cr_assert_eq(ORCH(place, capture, "run", "--bacula-console", "x"), STATUS_USAGE);
        cr_assert_eq(ORCH(place, capture, "run", "--bacula-job", "1 2"), STATUS_USAGE);
        cr_assert_eq(api_server_requests(place.server), before);
}
