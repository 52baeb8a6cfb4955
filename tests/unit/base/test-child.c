/* Child processes, real ones: what they gave, their deadline, and that nothing of them is left. */
#include "base/child.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

Test(child, gives_status_and_both_streams)
{
        const char *const argv[] = { "sh", "-c", "cat; echo bad >&2; exit 3", NULL };
        struct child_options options = { .timeout_ms = 10000, .input = "hello" };
        _cleanup_child_result_ struct child_result result = { 0 };
        cr_assert_eq(child_run(argv, &options, &result, NULL), 0);
        cr_assert_eq(result.status, 3);
        cr_assert_str_eq(result.output, "hello");
        cr_assert_str_eq(result.errors, "bad\n");
}

Test(child, a_deadline_ends_it_and_all_that_it_started)
{
        const char *const argv[] = { "sh", "-c", "sleep 60 & sleep 60", NULL };
        struct child_options options = { .timeout_ms = 300 };
        _cleanup_child_result_ struct child_result result = { 0 };
        _cleanup_error_ struct error *error = NULL;
        int64_t before = clock_monotonic_ms();
        cr_assert_eq(child_run(argv, &options, &result, &error), -1);
        cr_assert_eq(error->kind, ERROR_TIMEOUT);
        cr_assert_lt(clock_monotonic_ms() - before, 30000);
}

Test(child, a_grandchild_that_keeps_the_pipe_is_not_waited_for)
{
        const char *const argv[] = { "sh", "-c", "setsid sleep 20 & echo done", NULL };
        struct child_options options = { .timeout_ms = 10000 };
        _cleanup_child_result_ struct child_result result = { 0 };
        int64_t before = clock_monotonic_ms();
        cr_assert_eq(child_run(argv, &options, &result, NULL), 0);
        cr_assert_str_eq(result.output, "done\n");
        cr_assert_lt(clock_monotonic_ms() - before, 15000);
}

/* The first wait ends at once, because the child can be fed; while that is done (a long input takes
 * a moment to be measured), it says its word and ends. */
Test(child, what_it_said_while_nobody_looked_is_read)
{
        enum { LONG = 256 << 20, TRIES = 5 };
        signal(SIGPIPE, SIG_IGN); /* as every orch process has it: nobody reads the input */
        _cleanup_free_ char *input = xmalloc(LONG + 1);
        memset(input, 'x', LONG);
        input[LONG] = '\0';
        const char *const argv[] = { "echo", "said", NULL };
        struct child_options options = { .timeout_ms = 30000, .input = input };
        for (int i = 0; i < TRIES; i++) {
                _cleanup_child_result_ struct child_result result = { 0 };
                cr_assert_eq(child_run(argv, &options, &result, NULL), 0);
                cr_assert_str_eq(result.output, "said\n");
        }
}

static bool at_once(void *data)
{
        (void)data;
        return true;
}

Test(child, cancelling_stops_it)
{
        const char *const argv[] = { "sleep", "60", NULL };
        struct child_options options = { .timeout_ms = 60000, .cancelled = at_once };
        _cleanup_child_result_ struct child_result result = { 0 };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(child_run(argv, &options, &result, &error), -1);
        cr_assert_eq(error->kind, ERROR_CANCELLED);
}

static int say_and_return(void *argument)
{
        (void)!write(1, argument, 2);
        return 7;
}

Test(child, a_function_runs_in_its_own_process)
{
        struct child_options options = { .timeout_ms = 10000 };
        _cleanup_child_result_ struct child_result result = { 0 };
        char text[] = "ok";
        cr_assert_eq(child_run_function(say_and_return, text, &options, &result, NULL), 0);
        cr_assert_eq(result.status, 7);
        cr_assert_str_eq(result.output, "ok");
}

Test(child, a_program_that_does_not_exist_is_said)
{
        const char *const argv[] = { "orch-no-such-program", NULL };
        struct child_options options = { .timeout_ms = 10000 };
        _cleanup_child_result_ struct child_result result = { 0 };
        cr_assert_eq(child_run(argv, &options, &result, NULL), 0);
        cr_assert_eq(result.status, 127);
}

/* As on an old kernel, in a container whose filter does not know the call, and under valgrind. */
static void take_pidfds_away(void)
{
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = sizeof filter / sizeof filter[0], .filter = filter };
        cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
        cr_assert_eq(syscall(SYS_pidfd_open, getpid(), 0), -1);
}

Test(child, works_where_there_are_no_pidfds)
{
        take_pidfds_away();
        const char *const argv[] = { "sh", "-c", "echo fine; exit 4", NULL };
        struct child_options options = { .timeout_ms = 5000 };
        _cleanup_child_result_ struct child_result result = { 0 };
        cr_assert_eq(child_run(argv, &options, &result, NULL), 0);
        cr_assert_eq(result.status, 4);
        cr_assert_str_eq(result.output, "fine\n");
}

Test(child, a_deadline_ends_it_where_there_are_no_pidfds)
{
        take_pidfds_away();
        const char *const argv[] = { "sleep", "60", NULL };
        struct child_options options = { .timeout_ms = 300 };
        _cleanup_child_result_ struct child_result result = { 0 };
        int64_t before = clock_monotonic_ms();
        cr_assert_eq(child_run(argv, &options, &result, NULL), -1);
        cr_assert_lt(clock_monotonic_ms() - before, 30000);
        cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "a zombie is left");
}
