/* From argv to a verb, over a table of the test's own. */
#include "cli/cli.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"

static const struct option_spec options[] = {
        { .name = "level", .value = "LEVEL", .help = "a level" },
        { .name = "disks", .value = "vda,…", .help = "a few" },
        { 0 },
};
static const struct verb_manual manual = { .arguments = "[VM]",
                                           .max_words = 1,
                                           .options = options,
                                           .text = "Text.",
                                           .example = "orch run" };

static int print_call(const struct cli *cli, _unused_ struct error **err)
{
        printf("%s config=%s json=%d verbosity=%d level=%s word=%s\n", cli->verb->name, cli->config,
               cli->json, cli->verbosity,
               options_get(cli->options, "level") ? options_get(cli->options, "level") : "-",
               cli->options->n_words ? cli->options->words[0] : "-");
        fflush(stdout);
        return STATUS_OK;
}

static int fail_as_named(const struct cli *cli, struct error **err)
{
        error_set(err, error_kind_from_name(cli->options->words[0]), "because");
        return STATUS_FROM_ERROR;
}

static const struct verb verbs[] = {
        { "run", "runs", VERB_NEEDS_DAEMON, &manual, print_call },
        { "fail", "fails", VERB_NEEDS_NO_DAEMON, &manual, fail_as_named },
        { "repository init", "makes", VERB_NEEDS_NO_DAEMON, &manual, print_call },
        { "repository check", "checks", VERB_NEEDS_NO_DAEMON, &manual, print_call },
        { "list", "lists", VERB_DAEMON_OR_STANDALONE, &manual, print_call },
        { "worker", "hidden", VERB_HIDDEN, &manual, print_call },
        { 0 },
};

/* Runs `orch <words>` and returns its exit status; *out and *errors get what it printed. */
static int orch(struct capture *capture, const char *const words[])
{
        char *argv[12] = { (char *)(uintptr_t) "orch" };
        int argc = 1;
        for (; words[argc - 1]; argc++)
                argv[argc] = (char *)(uintptr_t)words[argc - 1];
        capture_begin(capture);
        int status = cli_main(verbs, argc, argv);
        capture_end(capture);
        return status;
}
#define ORCH(capture, ...) orch(&(capture), (const char *const[]){ __VA_ARGS__, NULL })

Test(cli, global_options_may_stand_anywhere)
{
        _cleanup_(capture_done) struct capture capture = { 0 };
        static const char expected[] =
                "repository init config=/x json=1 verbosity=-1 level=full word=vm1\n";
        cr_assert_eq(ORCH(capture, "--config", "/x", "repository", "--json", "init", "vm1",
                          "--level", "full", "-q"),
                     0);
        cr_assert_str_eq(capture.out, expected);
        cr_assert_eq(ORCH(capture, "-q", "repository", "init", "--level=full", "--json",
                          "--config=/x", "--", "vm1"),
                     0);
        cr_assert_str_eq(capture.out, expected);
}

Test(cli, what_is_no_verb_is_told_with_the_nearest)
{
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(ORCH(capture, "rnu"), STATUS_USAGE);
        cr_assert_str_eq(capture.errors, "error: there is no verb 'rnu'; did you mean `orch run`? "
                                         "`orch --help` lists the verbs\n");
        cr_assert_eq(ORCH(capture, "repository", "chek"), STATUS_USAGE);
        cr_assert_str_eq(capture.errors, "error: there is no verb 'repository chek'; did you mean "
                                         "`orch repository check`?\n");
        cr_assert_eq(ORCH(capture, "repostory", "check"), STATUS_USAGE);
        cr_assert(strstr(capture.errors,
                         "no verb 'repostory'; did you mean `orch repository init|check`?"),
                  "%s", capture.errors);
        cr_assert_eq(ORCH(capture, "repository", "prune"), STATUS_USAGE);
        cr_assert_str_eq(capture.errors, "error: there is no verb 'repository prune'; 'repository' "
                                         "is followed by one of: init, check\n");
        cr_assert_eq(ORCH(capture, "repository"), STATUS_USAGE);
        cr_assert_str_eq(capture.errors,
                         "error: 'orch repository' needs one more word: init, check\n");
        cr_assert_eq(ORCH(capture, "restore"), STATUS_USAGE);
        cr_assert_str_eq(capture.errors,
                         "error: there is no verb 'restore'; `orch --help` lists the verbs\n");
        cr_assert_eq(ORCH(capture, "--json"), STATUS_USAGE);
        cr_assert(strstr(capture.errors, "a verb is missing"));
        cr_assert_eq(ORCH(capture, "--jsn", "run"), STATUS_USAGE);
        cr_assert(strstr(capture.errors, "did you mean --json?"));
        cr_assert_str_eq(capture.out, "");
}

Test(cli, too_many_words_are_refused_with_the_usage)
{
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(ORCH(capture, "run", "a", "b"), STATUS_USAGE);
        cr_assert(strstr(capture.errors, "usage: orch run [options] [VM]"), "%s", capture.errors);
        cr_assert_eq(ORCH(capture, "run", "--levl", "full"), STATUS_USAGE);
        cr_assert(strstr(capture.errors,
                         "orch run: there is no option --levl; did you mean --level?"),
                  "%s", capture.errors);
}

Test(cli, help_is_printed_for_all_a_group_and_a_verb)
{
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(ORCH(capture, "--help"), 0);
        const char *without = strstr(capture.out, "verbs that need no daemon:");
        cr_assert(without);
        cr_assert_lt(strstr(capture.out, "  run "), without);
        cr_assert_gt(strstr(capture.out, "  repository init "), without);
        cr_assert(strstr(capture.out, " (*)\n") &&
                  strstr(capture.out, "--standalone: without the daemon"));
        cr_assert_null(strstr(capture.out, "worker"));
        cr_assert_eq(ORCH(capture, "repository", "--help"), 0);
        cr_assert(strstr(capture.out, "repository check") && !strstr(capture.out, "  run "));
        cr_assert_eq(ORCH(capture, "run", "-h"), 0);
        cr_assert(strstr(capture.out, "usage: orch run [options] [VM]"));
        cr_assert(strstr(capture.out, "--level LEVEL") && strstr(capture.out, "--config FILE") &&
                  strstr(capture.out, "exit status:") && strstr(capture.out, "example:"));
        cr_assert(
                strstr(capture.out,
                       "\n  --level LEVEL            a level\n  --disks vda,…            a few\n"),
                "%s", capture.out);
        cr_assert_eq(ORCH(capture, "--version"), 0);
        cr_assert_str_eq(capture.out, "orch " ORCH_VERSION "\n");
}

/* `orch bacula config >FILE` on a full disk. */
Test(cli, what_could_not_be_written_is_told)
{
        _cleanup_(capture_done) struct capture capture = { 0 };
        char *argv[] = { (char *)(uintptr_t) "orch", (char *)(uintptr_t) "--help", NULL };
        capture_begin(&capture);
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        cr_assert_geq(dup2(full, STDOUT_FILENO), 0);
        close(full);
        int status = cli_main(verbs, 2, argv);
        __fpurge(stdout);
        capture_end(&capture);
        cr_assert_eq(status, STATUS_JOB_FAILED);
        cr_assert_str_eq(capture.errors,
                         "error: cannot write to standard output: No space left on device\n");
}

Test(cli, the_kind_of_an_error_gives_the_exit_status)
{
        _cleanup_(capture_done) struct capture capture = { 0 };
        cr_assert_eq(ORCH(capture, "fail", "config"), STATUS_USAGE);
        cr_assert_str_eq(capture.errors, "error: because\n");
        cr_assert_eq(ORCH(capture, "fail", "refused"), STATUS_REFUSED);
        cr_assert_eq(ORCH(capture, "fail", "busy"), STATUS_REFUSED);
        cr_assert_eq(ORCH(capture, "fail", "cancelled"), STATUS_CANCELLED);
        cr_assert_eq(ORCH(capture, "fail", "timeout"), STATUS_JOB_FAILED);
        cr_assert_eq(ORCH(capture, "fail", "internal"), STATUS_JOB_FAILED);
}
