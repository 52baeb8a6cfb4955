/* Verbs from argv to what they print, against a scripted daemon. */
#include "cli/verbs/verbs.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api-server.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "capture.h"

static const struct verb verbs[] = {
        { "run", "", VERB_NEEDS_DAEMON, &manual_run, verb_run },
        { "backup vm", "", VERB_NEEDS_DAEMON, &manual_backup_vm, verb_backup_vm },
        { "list", "", VERB_DAEMON_OR_STANDALONE, &manual_list, verb_list },
        { "show", "", VERB_NEEDS_DAEMON, &manual_show, verb_show },
        { "schedule", "", VERB_NEEDS_DAEMON, &manual_schedule, verb_schedule },
        { "status", "", VERB_NEEDS_DAEMON, &manual_status, verb_status },
        { "cancel", "", VERB_NEEDS_DAEMON, &manual_cancel, verb_cancel },
        { "recover", "", VERB_DAEMON_OR_STANDALONE, &manual_recover, verb_recover },
        { "check", "", VERB_NEEDS_DAEMON, &manual_check, verb_check },
        { "hypervisor check", "", VERB_NEEDS_DAEMON, &manual_hypervisor_check,
          verb_hypervisor_check },
        { "discover", "", VERB_NEEDS_DAEMON, &manual_discover, verb_discover },
        { "prune", "", VERB_NEEDS_DAEMON, &manual_prune, verb_prune },
        { "verify", "", VERB_DAEMON_OR_STANDALONE, &manual_verify, verb_verify },
        { "test-restore", "", VERB_NEEDS_DAEMON, &manual_test_restore, verb_test_restore },
        { "pause", "", VERB_NEEDS_DAEMON, &manual_pause, verb_pause },
        { "notify test", "", VERB_NEEDS_DAEMON, &manual_notify_test, verb_notify_test },
        { "repository unlock", "", VERB_NEEDS_NO_DAEMON, &manual_repository_unlock,
          verb_repository_unlock },
        { "config check", "", VERB_NEEDS_NO_DAEMON, &manual_config_check, verb_config_check },
        { 0 },
};

/* A folder with an orch.yaml that names the server's socket. */
struct place {
        char folder[32];
        struct api_server *server;
        struct capture capture;
};

static void write_file(const struct place *place, const char *name, mode_t mode, const char *text)
{
        _cleanup_free_ char *path = path_join(place->folder, name);
        cr_assert_eq(fs_write_file(path, mode, text, strlen(text), NULL), 0);
}

static void place_init(struct place *place, const struct api_answer answers[])
{
        *place = (struct place){ .folder = "/tmp/orch-test-XXXXXX",
                                 .server = api_server_start(answers) };
        cr_assert_not_null(mkdtemp(place->folder));
        _cleanup_free_ char *settings =
                xasprintf("repository: { path: /tmp }\nsocket: %s\ncycle: { timezone: UTC }\n",
                          api_server_socket(place->server));
        write_file(place, "orch.yaml", 0600, settings);
}

static void place_done(struct place *place)
{
        api_server_stop(place->server);
        capture_done(&place->capture);
        cr_assert_eq(fs_remove_tree_at(AT_FDCWD, place->folder, NULL), 0);
}

static int orch(struct place *place, const char *const words[])
{
        _cleanup_free_ char *config = xasprintf("--config=%s/orch.yaml", place->folder);
        const char *argv[12] = { "orch", config };
        int argc = 2;
        for (; words[argc - 2]; argc++)
                argv[argc] = words[argc - 2];
        capture_begin(&place->capture);
        int status = cli_main(verbs, argc, (char **)(uintptr_t)argv);
        capture_end(&place->capture);
        return status;
}
#define ORCH(place, ...) orch(&(place), (const char *const[]){ __VA_ARGS__, NULL })

#define PLAN                                                                                       \
        "{\"usual\":1,\"plan\":[{\"vm\":\"db\",\"hypervisor\":\"h1\",\"priority\":1,\"due\":true," \
        "\"reason\":\"no point yet\"},"                                                            \
        "{\"vm\":\"web\",\"hypervisor\":\"h2\",\"priority\":20,\"due\":true,\"reason\":\"its "     \
        "slot began\"},"                                                                           \
        "{\"vm\":\"off\",\"hypervisor\":\"h2\",\"priority\":30,\"due\":false,\"reason\":\"done\"}" \
        "]}"
static const struct api_chunk short_run[] = {
        { "{\"event\":\"end\",\"exit_status\":0,\"text\":\"done\"}\n", 0 }, { 0 }
};
static const struct api_answer run_answers[] = {
        { .path = "/v1/run", .posted = "\"dry_run\":true", .json = PLAN },
        { .path = "/v1/run", .posted = "\"plan_only\":true", .json = PLAN },
        { .path = "/v1/run", .chunks = short_run },
        { 0 },
};

Test(verbs, a_dry_run_shows_what_is_due_and_runs_nothing)
{
        _cleanup_(place_done) struct place place;
        place_init(&place, run_answers);
        cr_assert_eq(ORCH(place, "run", "--dry-run", "--tag=a", "--tag", "b", "--exclude", "x*"),
                     STATUS_OK, "%s", place.capture.errors);
        cr_assert_str_eq(place.capture.out,
                         "VM   HYPERVISOR  PRIORITY  REASON\n"
                         "db   h1                 1  no point yet\n"
                         "web  h2                20  its slot began\n"
                         "2 VMs would be backed up, in this order; nothing was done\n");
        cr_assert_eq(api_server_requests(place.server), 1);
        cr_assert_str_eq(
                api_server_posted(place.server),
                "{\"all\":false,\"tag\":[\"a\",\"b\"],\"hypervisor\":[],\"exclude\":[\"x*\"],"
                "\"dry_run\":true,\"attach\":false,\"plan_only\":false}");
}

/* Runs `orch run` as on a terminal where `typed` is answered. */
static int run_asking(struct place *place, const char *typed, const char *const words[])
{
        int ends[2];
        cr_assert_eq(pipe(ends), 0);
        cr_assert_eq(write(ends[1], typed, strlen(typed)), (ssize_t)strlen(typed));
        close(ends[1]);
        dup2(ends[0], STDIN_FILENO);
        clearerr(stdin);
        close(ends[0]);
        _cleanup_options_ struct options options = { 0 };
        cr_assert_eq(options_parse(cli_global_options, manual_run.options, words, &options, NULL),
                     0);
        _cleanup_free_ char *config = path_join(place->folder, "orch.yaml");
        const struct cli cli = {
                .verb = &verbs[0], .options = &options, .config = config, .can_ask = true
        };
        capture_begin(&place->capture);
        int status = verb_run(&cli, NULL);
        capture_end(&place->capture);
        return status;
}

Test(verbs, a_run_of_more_than_the_usual_asks_on_a_terminal)
{
        _cleanup_(place_done) struct place place;
        place_init(&place, run_answers);
        cr_assert_eq(run_asking(&place, "n\n", (const char *const[]){ NULL }), STATUS_CANCELLED);
        cr_assert(strstr(place.capture.out, "web  h2"), "%s", place.capture.out);
        cr_assert(strstr(place.capture.out, "This would back up 2 VMs; usual for this slot: 1. "
                                            "Back them up now? [y/N] "),
                  "%s", place.capture.out);
        cr_assert(strstr(place.capture.errors, "nothing was done"));
        cr_assert_eq(api_server_requests(place.server), 1, "nothing was started");

        cr_assert_eq(run_asking(&place, "", (const char *const[]){ NULL }), STATUS_CANCELLED,
                     "no answer is no");

        cr_assert_eq(run_asking(&place, "y\n", (const char *const[]){ NULL }), STATUS_OK);
        cr_assert(strstr(api_server_posted(place.server), "\"plan_only\":false"));
        cr_assert(str_ends_with(place.capture.out, "done\n"));
}

Test(verbs, a_run_does_not_ask_with_yes_or_attach_or_without_a_terminal)
{
        _cleanup_(place_done) struct place place;
        place_init(&place, run_answers);
        cr_assert_eq(run_asking(&place, "", (const char *const[]){ "--yes", NULL }), STATUS_OK);
        cr_assert_eq(run_asking(&place, "", (const char *const[]){ "--attach", NULL }), STATUS_OK);
        cr_assert_eq(ORCH(place, "run"), STATUS_OK);
        cr_assert_str_eq(place.capture.out, "done\n");
        cr_assert_eq(api_server_requests(place.server), 3);
}

Test(verbs, backup_posts_what_was_asked_for_and_checks_words_first)
{
        static const struct api_answer answers[] = {
                { .path = "/v1/backup", .json = "{\"jobs\":[{\"job\":\"j1\",\"vm\":\"db\"}]}" },
                { 0 }
        };
        _cleanup_(place_done) struct place place;
        place_init(&place, answers);
        cr_assert_eq(ORCH(place, "backup", "vm", "db", "--no-wait", "--level", "full"), STATUS_OK);
        cr_assert_str_eq(place.capture.out, "db queued as job j1 (`orch log j1 -f` follows it)\n");
        cr_assert_str_eq(api_server_posted(place.server),
                         "{\"vms\":[\"db\"],\"level\":\"full\",\"method\":null,\"if_due\":false,"
                         "\"wait\":false,\"accept_new_uuid\":false}");
        cr_assert_eq(ORCH(place, "backup", "vm", "db", "--level", "ful"), STATUS_USAGE);
        cr_assert_str_eq(place.capture.errors,
                         "error: --level ful: expected full, incremental or differential\n");
        cr_assert_eq(ORCH(place, "backup", "vm", "db", "--method", "magic"), STATUS_USAGE);
        cr_assert_eq(api_server_requests(place.server), 1);
        cr_assert_eq(ORCH(place, "backup", "vm"), STATUS_USAGE);
}

#define POINT(name, status) \
        "{\"vm\":\"db\",\"hypervisor\":\"h1\",\"point\":\"" name "\",\"status\":\"" status "\"}"

Test(verbs, show_resolves_the_point_before_it_asks_for_it)
{
        static const struct api_answer answers[] = {
                { .path = "/v1/points?vm=db",
                  .json = "[" POINT("2026-02-08-1", "ok") "," POINT("2026-02-01-1", "ok") "]" },
                { .path = "/v1/points/db/2026-02-08-1", .json = POINT("2026-02-08-1", "ok") },
                { .path = "/v1/points/db/2026-02-01-1", .json = POINT("2026-02-01-1", "ok") },
                { 0 },
        };
        _cleanup_(place_done) struct place place;
        place_init(&place, answers);
        cr_assert_eq(ORCH(place, "show", "db"), STATUS_OK);
        cr_assert(strstr(place.capture.out, "point         2026-02-08-1\n"), "%s",
                  place.capture.out);
        cr_assert_eq(ORCH(place, "show", "db", "2026-02-01"), STATUS_OK);
        cr_assert(strstr(place.capture.out, "point         2026-02-01-1\n"), "%s",
                  place.capture.out);
        cr_assert_eq(ORCH(place, "show", "db", "2026"), STATUS_USAGE);
        cr_assert(strstr(place.capture.errors, "2026-02-08-1, 2026-02-01-1"), "%s",
                  place.capture.errors);
}

Test(verbs, list_asks_for_what_it_can_and_filters_the_rest)
{
        static const char all[] = "[{\"vm\":\"db-1\",\"point\":\"p\",\"status\":\"ok\"},{\"vm\":"
                                  "\"web\",\"point\":\"p\",\"status\":\"ok\"}]";
        static const struct api_answer answers[] = {
                { .path = "/v1/points", .json = all },
                { .path = "/v1/points?failed=1", .json = all },
                { .path = "/v1/points?failed=1&vm=web", .json = "[]" },
                { .path = "/v1/points?vm=a%2Fb", .json = "[]" },
                { 0 },
        };
        _cleanup_(place_done) struct place place;
        place_init(&place, answers);
        cr_assert_eq(ORCH(place, "list", "--json"), STATUS_OK);
        cr_assert(strstr(place.capture.out, "\"web\"") && strstr(place.capture.out, "\"db-1\""));
        cr_assert_eq(ORCH(place, "list", "db-*", "--failed", "--json"), STATUS_OK);
        cr_assert(!strstr(place.capture.out, "\"web\"") && strstr(place.capture.out, "\"db-1\""),
                  "%s", place.capture.out);
        cr_assert_eq(ORCH(place, "list", "web", "--failed"), STATUS_OK);
        cr_assert_str_eq(place.capture.out, "there are no points of web\n");
        cr_assert_eq(ORCH(place, "list", "a/b"), STATUS_OK);
        cr_assert_str_eq(place.capture.out, "there are no points of a/b\n");
}

Test(verbs, recover_tells_vms_from_hypervisors_by_the_inventory)
{
        static const struct api_answer answers[] = {
                { .path = "/v1/hypervisors", .json = "[{\"name\":\"h1\"},{\"name\":\"h2\"}]" },
                { .path = "/v1/recover", .chunks = short_run },
                { 0 },
        };
        _cleanup_(place_done) struct place place;
        place_init(&place, answers);
        cr_assert_eq(ORCH(place, "recover", "db", "h2"), STATUS_OK);
        cr_assert_str_eq(api_server_posted(place.server),
                         "{\"vms\":[\"db\"],\"hypervisors\":[\"h2\"],\"dry_run\":false}");
}

Test(verbs, status_shows_what_runs_and_what_needs_a_person)
{
        static const struct api_answer answers[] = {
                { .path = "/v1/status",
                  .json = "{\"version\":\"9.9\",\"pid\":7,\"started\":\"2026-02-01T10:00:00Z\","
                          "\"paused\":true,\"paused_until\":"
                          "\"2026-02-03T06:00:00Z\","
                          "\"repository\":{\"path\":\"/"
                          "mnt\",\"state\":\"unavailable\",\"error\":\"does not answer\"},"
                          "\"inventory\":{\"file\":\"/etc/"
                          "l.yaml\",\"vms\":1,\"state\":\"last-good\",\"problems\":\"l.yaml:1:1: "
                          "bad\"},"
                          "\"cycle\":{\"started\":\"2026-02-01T11:00:00Z\",\"summary\":{\"total\":"
                          "5,\"succeeded\":1,\"failed\":1}},"
                          "\"running\":[{\"job\":\"j1\",\"vm\":\"db\",\"hypervisor\":\"h1\","
                          "\"action\":\"backup\",\"state\":"
                          "\"stuck\","
                          "\"started\":\"2026-02-01T11:00:01Z\",\"step\":\"copy\",\"progress\":{"
                          "\"disk\":\"vda\",\"done_bytes\":"
                          "512,"
                          "\"total_bytes\":1024,\"bytes_per_second\":256,\"remaining_seconds\":2}}]"
                          ","
                          "\"queued\":[{\"job\":\"j2\",\"vm\":\"web\",\"hypervisor\":\"h2\","
                          "\"action\":\"backup\",\"priority\":4,"
                          "\"trigger\":\"cycle\"}],"
                          "\"overdue\":[{\"vm\":\"old\",\"reason\":\"missed\"}],"
                          "\"failed\":[{\"vm\":\"bad\",\"job\":\"j0\",\"error\":\"no "
                          "room\",\"when\":\"2026-02-01T09:00:00Z\"}],"
                          "\"damaged\":[\"db/p1\"],"
                          "\"next_slot\":\"2026-02-07T12:00:00Z\",\"warnings\":[\"beware\"]}" },
                { 0 },
        };
        _cleanup_(place_done) struct place place;
        place_init(&place, answers);
        cr_assert_eq(ORCH(place, "status"), STATUS_OK);
        cr_assert_str_eq(
                place.capture.out,
                "daemon      orch 9.9, process 7, since 2026-02-01 10:00:00, PAUSED until "
                "2026-02-03 06:00:00\n"
                "repository  /mnt, unavailable: does not answer\n"
                "inventory   /etc/l.yaml, 1 VM: THE FILE IS BROKEN, the last good one is in use\n"
                "l.yaml:1:1: bad\n"
                "cycle       running since 2026-02-01 11:00:00: 2 of 5 done, 1 failed; next slot "
                "2026-02-07 12:00:00\n"
                "\n"
                "RUNNING  HYPERVISOR  ACTION  SINCE                STEP           PROGRESS         "
                "            JOB\n"
                "db       h1          backup  2026-02-01 11:00:01  STUCK in copy  vda 50%, 256 "
                "B/s, 2.0s left  j1\n"
                "\n"
                "QUEUED  HYPERVISOR  ACTION  PRIORITY  TRIGGER  JOB\n"
                "web     h2          backup         4  cycle    j2\n"
                "\n"
                "TROUBLE  VM   WHAT\n"
                "overdue  old  missed\n"
                "failed   bad  2026-02-01 09:00:00, job j0: no room\n"
                "damaged  db   point p1; `orch show db p1` shows why\n"
                "\n"
                "warning: beware\n");
        cr_assert_eq(ORCH(place, "status", "--watch"), STATUS_USAGE);
}

Test(verbs, a_moment_is_said_in_the_time_zone_of_the_settings)
{
        static const struct api_answer answers[] = {
                { .path = "/v1/pause",
                  .json = "{\"paused\":true,\"until\":\"2126-02-01T18:00:00Z\"}" },
                { .path = "/v1/verify", .chunks = short_run },
                { 0 },
        };
        _cleanup_(place_done) struct place place;
        place_init(&place, answers);
        cr_assert_eq(clock_set_timezone("Asia/Tokyo", NULL), 0, "the machine's");
        cr_assert_eq(ORCH(place, "pause", "--until", "2126-02-01 18:00"), STATUS_OK, "%s",
                     place.capture.errors);
        cr_assert_str_eq(api_server_posted(place.server), "{\"until\":\"2126-02-01T18:00:00Z\"}");
        cr_assert_str_eq(place.capture.out,
                         "backups are paused until 2126-02-01 18:00:00, or `orch resume`\n");

        cr_assert_eq(clock_set_timezone("Asia/Tokyo", NULL), 0);
        cr_assert_eq(ORCH(place, "verify", "--all", "--since", "2026-02-01 18:00"), STATUS_OK, "%s",
                     place.capture.errors);
        cr_assert(strstr(api_server_posted(place.server), "\"since\":\"2026-02-01T18:00:00Z\""),
                  "%s", api_server_posted(place.server));
}

/* A word that was left out would make fewer words, or none: all VMs. */
Test(verbs, a_word_that_is_not_utf_8_is_asked_for_and_never_left_out)
{
        static const struct api_answer answers[] = {
                { .path = "/v1/prune", .json = "{\"vms\":[],\"unlisted\":[]}" },
                { .path = "/v1/hypervisors", .json = "[]" },
                { .path = "/v1/check", .chunks = short_run },
                { .path = "/v1/backup", .chunks = short_run },
                { .path = "/v1/recover", .chunks = short_run },
                { .path = "/v1/verify", .chunks = short_run },
                { .path = "/v1/test-restore", .chunks = short_run },
                { .path = "/v1/run", .chunks = short_run },
                { 0 },
        };
        static const struct {
                const char *words[4];
                const char *posted;
        } cases[] = {
                { { "prune", "--yes", "a\xff" }, "\"vms\":[\"a\xef\xbf\xbd\"]" },
                { { "check", "a\xff" }, "\"vms\":[\"a\xef\xbf\xbd\"]" },
                { { "backup", "vm", "a\xff" }, "\"vms\":[\"a\xef\xbf\xbd\"]" },
                { { "recover", "a\xff" }, "\"vms\":[\"a\xef\xbf\xbd\"]" },
                { { "verify", "a\xff" }, "\"vms\":[\"a\xef\xbf\xbd\"]" },
                { { "test-restore", "a\xff" }, "\"vms\":[\"a\xef\xbf\xbd\"]" },
                { { "run", "--exclude", "a\xff" }, "\"exclude\":[\"a\xef\xbf\xbd\"]" },
                { { "run", "--hypervisor", "a\xff" }, "\"hypervisor\":[\"a\xef\xbf\xbd\"]" },
        };
        _cleanup_(place_done) struct place place;
        place_init(&place, answers);
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                cr_expect_eq(orch(&place, cases[i].words), STATUS_OK, "%s: %s", cases[i].words[0],
                             place.capture.errors);
                cr_expect(strstr(api_server_posted(place.server), cases[i].posted), "%s: %s",
                          cases[i].words[0], api_server_posted(place.server));
        }
}

/* Runs the real orch on a terminal of so many columns where "y" is typed. Returns what is shown
 * there; the caller frees. */
static char *orch_on_terminal(struct place *place, unsigned short columns,
                              const char *const words[], int *ret_status)
{
        const char *binary = getenv("ORCH_BINARY");
        cr_assert(binary, "ORCH_BINARY has to name the orch that is tested (meson test sets it)");
        _cleanup_free_ char *config = xasprintf("--config=%s/orch.yaml", place->folder);
        const char *argv[12] = { binary, config };
        for (int argc = 2; words[argc - 2]; argc++)
                argv[argc] = words[argc - 2];
        setenv("TERM", "xterm", 1);
        int terminal = -1;
        const struct winsize size = { .ws_row = 25, .ws_col = columns };
        pid_t pid = forkpty(&terminal, NULL, NULL, &size);
        cr_assert_geq(pid, 0);
        if (pid == 0) {
                execv(binary, (char **)(uintptr_t)argv);
                _exit(127);
        }
        cr_assert_eq(write(terminal, "y\n", 2), 2);
        struct strbuf shown = { 0 };
        char chunk[512];
        for (ssize_t n; (n = read(terminal, chunk, sizeof chunk)) > 0;)
                strbuf_append(&shown, chunk, (size_t)n);
        close(terminal);
        int status = 0;
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        return strbuf_take(&shown);
}

/* A question would stand amid the JSON, and what it is about is not shown. */
Test(verbs, with_json_nobody_is_asked)
{
        static const struct api_answer answers[] = {
                { .path = "/v1/prune",
                  .posted = "\"dry_run\":true",
                  .json = "{\"vms\":[{\"vm\":\"db\",\"points\":[{\"point\":\"p1\",\"remove\":true,"
                          "\"stored_bytes\":1}]}],"
                          "\"unlisted\":[]}" },
                { .path = "/v1/prune", .chunks = short_run },
                { 0 },
        };
        _cleanup_(place_done) struct place place;
        place_init(&place, answers);
        int status = -1;
        _cleanup_free_ char *asked =
                orch_on_terminal(&place, 80, (const char *const[]){ "prune", NULL }, &status);
        cr_expect(status == STATUS_OK && strstr(asked, "Remove 1 point (1 B)? [y/N]"), "%d: %s",
                  status, asked);
        cr_expect_eq(api_server_requests(place.server), 2);

        static const char *const calls[][4] = { { "prune", "--json" },
                                                { "repository", "unlock", "--force", "--json" } };
        for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
                const char *words[] = { calls[i][0], calls[i][1], calls[i][2], calls[i][3], NULL };
                _cleanup_free_ char *shown = orch_on_terminal(&place, 80, words, &status);
                cr_expect_eq(status, STATUS_USAGE, "%d: %s", status, shown);
                cr_expect(strstr(shown, "--yes") && !strstr(shown, "[y/N]"), "%s", shown);
        }
        cr_expect_eq(api_server_requests(place.server), 2, "nothing was asked for");
}

/* A line that wraps could not be drawn over. */
Test(verbs, the_live_line_is_no_wider_than_the_terminal)
{
        static const struct api_chunk copy[] = {
                { "{\"event\":\"progress\",\"job\":\"20260201-aa11\",\"vm\":\"a-rather-long-name-"
                  "of-a-vm\",\"time_ms\":1,\"disk\":"
                  "\"vda\","
                  "\"done_bytes\":1,\"total_bytes\":2,\"bytes_per_second\":1,\"remaining_seconds\":"
                  "1}\n"
                  "{\"event\":\"end\",\"exit_status\":0,\"text\":\"done\"}\n",
                  0 },
                { 0 }
        };
        static const struct api_answer answers[] = { { .path = "/v1/check", .chunks = copy },
                                                     { 0 } };
        _cleanup_(place_done) struct place place;
        place_init(&place, answers);
        for (unsigned short columns = 10; columns <= 40; columns += 15) {
                int status = -1;
                _cleanup_free_ char *shown = orch_on_terminal(
                        &place, columns, (const char *const[]){ "check", NULL }, &status);
                const char *line = strstr(shown, "\ra-rather");
                cr_assert(status == STATUS_OK && line, "%d: %s", status, shown);
                cr_expect_leq(strcspn(line + 1, "\x1b\r\n"), columns - 1U, "%u: %s", columns,
                              shown);
        }
}

Test(verbs, cancel_by_the_name_of_a_vm_tells_which_job_it_is)
{
        static const struct api_answer answers[] = {
                { .path = "/v1/jobs/db/cancel",
                  .json = "{\"job\":\"20260201-aa11\",\"state\":\"cancelling\"}" },
                { 0 }
        };
        _cleanup_(place_done) struct place place;
        place_init(&place, answers);
        cr_assert_eq(ORCH(place, "cancel", "db"), STATUS_OK, "%s", place.capture.errors);
        cr_assert_str_eq(place.capture.out, "job 20260201-aa11 is cancelling; `orch log "
                                            "20260201-aa11 -f` follows it to its end\n");
}

Test(verbs, ctrl_c_ends_discover_too)
{
        static const struct api_answer answers[] = {
                { .path = "/v1/discover", .chunks = short_run, .hangs = true }, { 0 }
        };
        _cleanup_(place_done) struct place place;
        place_init(&place, answers);
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        cr_assert_eq(raise(SIGINT), 0);
        cr_assert_eq(ORCH(place, "discover"), STATUS_INTERRUPTED);
        cr_assert_str_eq(place.capture.out, "");
}

/* What waits for the share is refused while it is away; what takes time, while the daemon stops. */
Test(verbs, help_names_the_exit_status_of_what_is_refused)
{
        static const char gone[] =
                "{\"error\":{\"kind\":\"unreachable\",\"message\":\"no share\"},\"exit_status\":4}";
        static const struct api_answer answers[] = {
                { .path = "/v1/check", .status = 503, .json = gone },
                { .path = "/v1/hypervisors/check", .status = 503, .json = gone },
                { .path = "/v1/discover", .status = 503, .json = gone },
                { .path = "/v1/schedule", .status = 503, .json = gone },
                { .path = "/v1/points?vm=a", .status = 503, .json = gone },
                { .path = "/v1/points", .status = 503, .json = gone },
                { .path = "/v1/verify", .status = 503, .json = gone },
                { .path = "/v1/test-restore", .status = 503, .json = gone },
                { .path = "/v1/run", .status = 503, .json = gone },
                { .path = "/v1/notify/test", .status = 503, .json = gone },
                { 0 },
        };
        static const char *const calls[][4] = { { "check" },           { "hypervisor", "check" },
                                                { "discover" },        { "schedule" },
                                                { "show", "a" },       { "list" },
                                                { "verify", "--all" }, { "test-restore", "a" },
                                                { "notify", "test" },  { "run" } };
        _cleanup_(place_done) struct place place;
        place_init(&place, answers);
        for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
                cr_expect_eq(orch(&place, calls[i]), STATUS_REFUSED, "%s: %s", calls[i][0],
                             place.capture.errors);
                const char *with_help[] = { calls[i][0], calls[i][1] ? calls[i][1] : "--help",
                                            "--help", NULL };
                cr_expect_eq(orch(&place, with_help), STATUS_OK);
                cr_expect(strstr(place.capture.out, "\n    4  refused"), "%s", place.capture.out);
        }
}

Test(verbs, an_answer_of_another_shape_shows_as_empty_and_never_crashes)
{
        static const char *const shapes[] = { "null",
                                              "[]",
                                              "{}",
                                              "7",
                                              "\"x\"",
                                              "[1,null,\"x\",[],{}]",
                                              "{\"running\":[1,{}],\"damaged\":[1,{},\"x\"],"
                                              "\"failed\":{},\"repository\":[],\"cycle\":7}" };
        for (size_t i = 0; i < ARRAY_LENGTH(shapes); i++) {
                const struct api_answer answers[] = {
                        { .path = "/v1/status", .json = shapes[i] },
                        { .path = "/v1/schedule", .json = shapes[i] },
                        { .path = "/v1/points", .json = shapes[i] },
                        { .path = "/v1/run", .json = shapes[i] },
                        { .path = "/v1/jobs/j/cancel", .json = shapes[i] },
                        { 0 },
                };
                _cleanup_(place_done) struct place place;
                place_init(&place, answers);
                cr_assert_eq(ORCH(place, "status"), STATUS_OK);
                cr_assert_eq(ORCH(place, "schedule"), STATUS_OK);
                cr_assert_eq(ORCH(place, "list"), STATUS_OK);
                cr_assert_eq(ORCH(place, "run", "--dry-run"), STATUS_OK);
                cr_assert_eq(ORCH(place, "cancel", "j"), STATUS_OK);
        }
}

Test(verbs, config_check_tells_all_mistakes_of_both_files_and_what_is_missing)
{
        static const struct api_answer none[] = { { 0 } };
        _cleanup_(place_done) struct place place;
        place_init(&place, none);
        write_file(&place, "vm-list.yaml", 0644,
                   "vms:\n  - { name: a/b, hypervisor: h1, retention_weeks: 8 }\n  - { nam: c, "
                   "hypervisor: h1 }\n");
        cr_assert_eq(ORCH(place, "config", "check"), STATUS_USAGE);
        cr_assert(strstr(place.capture.errors, "vm-list.yaml:2:"), "%s", place.capture.errors);
        cr_assert(strstr(place.capture.errors, "vm-list.yaml:3:"), "%s", place.capture.errors);
        cr_assert(strstr(place.capture.errors, "mistakes found"), "%s", place.capture.errors);
        cr_assert_str_eq(place.capture.out, "");

        /* A broken orch.yaml: the inventory where it is by default is still looked at. */
        write_file(&place, "orch.yaml", 0600, "repositry: { path: /tmp }\n");
        cr_assert_eq(ORCH(place, "config", "check"), STATUS_USAGE);
        cr_assert(strstr(place.capture.errors, "orch.yaml:1:1: ") &&
                          strstr(place.capture.errors, "vm-list.yaml:2:"),
                  "%s", place.capture.errors);
        cr_assert_eq(ORCH(place, "status"), STATUS_USAGE, "no client goes on with broken settings");
        cr_assert(strstr(place.capture.errors, "orch.yaml:1:1: "), "%s", place.capture.errors);
}

Test(verbs, config_check_warns_of_keys_that_others_can_read)
{
        static const struct api_answer none[] = { { 0 } };
        _cleanup_(place_done) struct place place;
        place_init(&place, none);
        write_file(&place, "orch.yaml", 0600,
                   "repository: { path: /tmp }\nssh: { key: key, known_hosts: known }\n");
        write_file(&place, "vm-list.yaml", 0644,
                   "vms:\n  - { name: a, hypervisor: h1, retention_weeks: 8 }\n");
        write_file(&place, "key", 0644, "");
        write_file(&place, "secrets.conf", 0640, "");
        cr_assert_eq(ORCH(place, "config", "check"), STATUS_OK);
        cr_assert_str_eq(place.capture.out,
                         "orch.yaml and vm-list.yaml are valid: 1 VM on 1 hypervisor\n");
        cr_assert(strstr(place.capture.errors, "/key can be read by others (mode 0644)"), "%s",
                  place.capture.errors);
        cr_assert(strstr(place.capture.errors, "/secrets.conf has mode 0640"), "%s",
                  place.capture.errors);
        cr_assert(strstr(place.capture.errors, "/known: No such file or directory"), "%s",
                  place.capture.errors);
        cr_assert_eq(ORCH(place, "config", "check", "--strict"), STATUS_JOB_FAILED);

        write_file(&place, "key", 0600, "");
        write_file(&place, "secrets.conf", 0600, "A=\"never closed\n");
        write_file(&place, "known", 0644, "");
        cr_assert_eq(ORCH(place, "config", "check", "--strict"), STATUS_JOB_FAILED);
        cr_assert(strstr(place.capture.errors, "/secrets.conf:1: the value is not closed"), "%s",
                  place.capture.errors);

        write_file(&place, "secrets.conf", 0600, "A=\"closed\"\n");
        cr_assert_eq(ORCH(place, "config", "check", "--strict"), STATUS_OK, "%s",
                     place.capture.errors);
        cr_assert_str_eq(place.capture.errors, "");
}
