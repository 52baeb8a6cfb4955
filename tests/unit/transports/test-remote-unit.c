/* The lines for hosts without systemd are run here, by a shell of this machine: they need no more
 * than /run, /proc and coreutils. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "transports/remote-unit.h"

TestSuite(remote_unit, .timeout = 60);

static const struct remote_abilities systemd = { .systemd = true };
static const struct remote_abilities plain = { .systemd = false };

Test(remote_unit, abilities_are_whole_lines)
{
        cr_assert(remote_abilities_parse("systemd\nvirt-ssh-helper\n").systemd);
        cr_assert(remote_abilities_parse("systemd\nvirt-ssh-helper\n").virt_ssh_helper);
        cr_assert(remote_abilities_parse("Welcome!\nvirt-ssh-helper\n").virt_ssh_helper);
        cr_assert_not(remote_abilities_parse("Welcome!\nvirt-ssh-helper\n").systemd);
        cr_assert_not(remote_abilities_parse("no systemd here\nsystemd-less\n").systemd);
        cr_assert_not(remote_abilities_parse("").systemd);
}

Test(remote_unit, systemd_gets_a_limit_and_no_expansions)
{
        const char *const argv[] = { "cp", "a b", "$HOME", "${X}$$", NULL };
        _cleanup_free_ char *line = remote_unit_command(systemd, "orch-1", argv, 5500, NULL);
        cr_assert_str_eq(line, "systemd-run --unit=orch-1 --collect --wait --pipe --quiet "
                               "--property=TimeoutStopSec=5 --property=IgnoreSIGPIPE=no "
                               "--property=RuntimeMaxSec=7500ms -- /bin/sh -c 'trap : TERM HUP INT "
                               "PIPE; echo orch: the unit began >&2; "
                               "\"$$@\"; exit $$?' orch "
                               "cp 'a b' '$$HOME' '$${X}$$$$'");
        _cleanup_free_ char *stop = remote_unit_stop_command(systemd, "orch-1", NULL);
        cr_assert_str_eq(stop, "systemctl stop orch-1.service");
}

Test(remote_unit, refuses_names_that_could_be_paths_or_words)
{
        static const char *const names[] = { "", "../x", "a b", "a;b", "-x", "a/b", "x\n" };
        const char *const argv[] = { "true", NULL };
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
                _cleanup_error_ struct error *error = NULL;
                cr_expect_null(remote_unit_command(plain, names[i], argv, 1000, &error));
                cr_expect(error && error->kind == ERROR_INTERNAL);
                cr_expect_null(remote_unit_stop_command(plain, names[i], NULL));
        }
}

Test(remote_unit, reads_how_a_stop_went)
{
        cr_assert_eq(remote_unit_stop_result("u", 0, "", NULL), 0);
        cr_assert_eq(remote_unit_stop_result("u", 5, "Unit u.service not loaded.", NULL), 0);
        _cleanup_error_ struct error *stuck = NULL, *failed = NULL;
        cr_assert_eq(remote_unit_stop_result("u", 75, "", &stuck), -1);
        cr_assert_eq(stuck->kind, ERROR_TIMEOUT);
        cr_assert_eq(remote_unit_stop_result("u", 1, "Access denied\n", &failed), -1);
        cr_assert(strstr(failed->message, "Access denied"));
}

/* "1" is also what a comparison says of images that differ. */
Test(remote_unit, one_that_did_not_begin_has_no_status)
{
        char in_use[] = "Failed to start transient service unit: Unit orch-1.service was already "
                        "loaded or has a fragment file.\n";
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(remote_unit_result("orch-1", 1, in_use, &error), -1);
        cr_assert_eq(error->kind, ERROR_BUSY);
        cr_assert(strstr(error->message, "unit orch-1 was not started") &&
                          strstr(error->message, "already loaded"),
                  "%s", error->message);

        char began[] = "some shell's warning\norch: the unit began\nFailed to do it\n";
        cr_assert_eq(remote_unit_result("orch-1", 1, began, NULL), 0);
        cr_assert_str_eq(began, "some shell's warning\nFailed to do it\n");
        char well[] = "orch: the unit began\n";
        cr_assert_eq(remote_unit_result("orch-1", 0, well, NULL), 0);
        cr_assert_str_eq(well, "");
}

/* Runs a line as an SSH server would. */
static struct child_result shell(const char *line, const char *input)
{
        const char *const argv[] = { "sh", "-c", line, NULL };
        struct child_result result = { 0 };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(child_run(argv, &(struct child_options){ .timeout_ms = 30000, .input = input },
                               &result, &error),
                     0, "%s", error_message(error));
        return result;
}

static struct child_result run_unit(const char *unit, int64_t timeout_ms, const char *script,
                                    const char *input)
{
        const char *const argv[] = { "sh", "-c", script, NULL };
        _cleanup_free_ char *line = remote_unit_command(plain, unit, argv, timeout_ms, NULL);
        struct child_result result = shell(line, input);
        cr_assert_eq(remote_unit_result(unit, result.status, result.errors, NULL), 0);
        return result;
}

static int stop_unit(const char *unit)
{
        _cleanup_free_ char *line = remote_unit_stop_command(plain, unit, NULL);
        _cleanup_child_result_ struct child_result result = shell(line, NULL);
        return result.status;
}

static char *unit_name(void)
{
        return xasprintf("test-%d", (int)getpid());
}

static bool has_pidfile(const char *unit)
{
        _cleanup_free_ char *path = xasprintf("/run/orch/%s.pid", unit);
        return access(path, F_OK) == 0;
}

Test(remote_unit, passes_streams_and_status_and_leaves_nothing)
{
        _cleanup_free_ char *unit = unit_name();
        _cleanup_child_result_ struct child_result result =
                run_unit(unit, 20000, "cat; echo err >&2; exit 9", "in 'put'\n");
        cr_assert_eq(result.status, 9);
        cr_assert_str_eq(result.output, "in 'put'\n");
        cr_assert_str_eq(result.errors, "err\n");
        cr_assert_not(has_pidfile(unit));
}

Test(remote_unit, arguments_arrive_as_they_are)
{
        _cleanup_free_ char *unit = unit_name();
        const char *const argv[] = { "printf", "%s|", "a b",         "$HOME", "${X}$$", "`id`",
                                     "'q\"",   "%n",  "line\nbreak", "",      NULL };
        _cleanup_free_ char *line = remote_unit_command(plain, unit, argv, 20000, NULL);
        _cleanup_child_result_ struct child_result result = shell(line, NULL);
        cr_assert_str_eq(result.output, "a b|$HOME|${X}$$|`id`|'q\"|%n|line\nbreak||");
}

Test(remote_unit, ends_at_its_limit)
{
        _cleanup_free_ char *unit = unit_name();
        int64_t since = clock_monotonic_ms();
        _cleanup_child_result_ struct child_result result = run_unit(unit, 200, "sleep 20", NULL);
        cr_assert_eq(result.status, 124);
        cr_assert_lt(clock_monotonic_ms() - since, 8000);
        cr_assert_not(has_pidfile(unit));
}

/* Starts a unit in the background and waits until it says that it runs. */
static pid_t start_in_background(const char *unit, const char *script, int *ret_fd)
{
        int fds[2];
        cr_assert_eq(pipe(fds), 0);
        const char *const argv[] = { "sh", "-c", script, NULL };
        _cleanup_free_ char *line = remote_unit_command(plain, unit, argv, 30000, NULL);
        pid_t pid = fork();
        if (pid == 0) {
                dup2(fds[1], STDOUT_FILENO);
                close(fds[0]);
                close(fds[1]);
                execl("/bin/sh", "sh", "-c", line, (char *)NULL);
                _exit(127);
        }
        close(fds[1]);
        char c;
        cr_assert_eq(read(fds[0], &c, 1), 1);
        *ret_fd = fds[0];
        return pid;
}

/* Whether everything that held the pipe's other end has gone. */
static bool is_ended(int fd)
{
        char rest[64];
        ssize_t n;
        while ((n = read(fd, rest, sizeof rest)) > 0)
                ;
        close(fd);
        return n == 0;
}

Test(remote_unit, stop_ends_all_that_it_started)
{
        _cleanup_free_ char *unit = unit_name();
        int fd;
        int64_t since = clock_monotonic_ms();
        pid_t pid = start_in_background(unit, "sleep 20 & echo x; sleep 20", &fd);
        cr_assert(has_pidfile(unit));
        cr_assert_eq(stop_unit(unit), 0);
        cr_assert(is_ended(fd));
        int status;
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0,
                  "what was stopped must not look well");
        cr_assert_lt(clock_monotonic_ms() - since, 10000);
        cr_assert_not(has_pidfile(unit));
}

Test(remote_unit, stop_ends_what_ignores_sigterm)
{
        _cleanup_free_ char *unit = unit_name();
        int fd;
        int64_t since = clock_monotonic_ms();
        start_in_background(unit, "trap '' TERM; echo x; sleep 20; sleep 20", &fd);
        cr_assert_eq(stop_unit(unit), 0);
        cr_assert(is_ended(fd));
        cr_assert_lt(clock_monotonic_ms() - since, 15000);
}

Test(remote_unit, stopping_what_does_not_run_is_fine)
{
        cr_assert_eq(stop_unit("test-never-was"), 0);
}

Test(remote_unit, a_name_in_use_is_refused)
{
        _cleanup_free_ char *unit = unit_name();
        int fd;
        start_in_background(unit, "echo x; sleep 20", &fd);
        const char *const argv[] = { "echo", "ran", NULL };
        _cleanup_free_ char *line = remote_unit_command(plain, unit, argv, 20000, NULL);
        _cleanup_child_result_ struct child_result second = shell(line, NULL);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(remote_unit_result(unit, second.status, second.errors, &error), -1);
        cr_assert_eq(error->kind, ERROR_BUSY);
        cr_assert_str_eq(second.output, "");
        cr_assert_eq(stop_unit(unit), 0);
        cr_assert(is_ended(fd));
}

Test(remote_unit, a_pidfile_of_another_process_harms_nobody)
{
        _cleanup_free_ char *unit = unit_name();
        pid_t bystander = fork();
        if (bystander == 0) {
                setsid();
                pause();
                _exit(0);
        }
        _cleanup_free_ char *forge =
                /* not its start time */
                xasprintf("mkdir -p /run/orch && echo %d 12345 > /run/orch/%s.pid", (int)bystander,
                          unit);
        _cleanup_child_result_ struct child_result forged = shell(forge, NULL);
        cr_assert_eq(stop_unit(unit), 0);
        cr_assert_eq(kill(bystander, 0), 0);
        cr_assert_not(has_pidfile(unit));
        kill(bystander, SIGKILL);
}
