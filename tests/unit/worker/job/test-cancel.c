/* Who asks a worker to stop, and what a failure means then. */
#include "worker/job/cancel.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <unistd.h>

#include "base/memory.h"

/* The daemon's end of the life line; standard input is the worker's. */
static int hold_life_line(void)
{
        int line[2];
        cr_assert_eq(pipe(line), 0);
        cr_assert_eq(dup2(line[0], STDIN_FILENO), STDIN_FILENO);
        close(line[0]);
        return line[1];
}

static enum error_kind kind_after(enum error_kind kind)
{
        struct error *failure = NULL;
        error_set(&failure, kind, "it failed");
        worker_note_cancellation(failure);
        enum error_kind noted = failure->kind;
        error_free(failure);
        return noted;
}

Test(cancel, nobody_asks)
{
        int daemon = hold_life_line();
        cr_expect_not(worker_cancelled(NULL));
        cr_expect_eq(worker_check_cancelled(NULL), 0);
        cr_expect_eq(kind_after(ERROR_UNREACHABLE), ERROR_UNREACHABLE);
        cr_expect_eq(kind_after(ERROR_TIMEOUT), ERROR_TIMEOUT);
        close(daemon);
}

Test(cancel, a_signal_asks)
{
        int daemon = hold_life_line();
        cancel_watch_signals();
        cr_assert_eq(raise(SIGTERM), 0);
        _cleanup_error_ struct error *error = NULL;
        cr_expect(worker_cancelled(NULL));
        cr_expect_eq(worker_check_cancelled(&error), -1);
        cr_expect_eq(error->kind, ERROR_CANCELLED);
        close(daemon);
}

Test(cancel, the_end_of_the_daemon_asks_and_is_remembered)
{
        close(hold_life_line());
        cr_expect(worker_cancelled(NULL));
        close(hold_life_line());
        cr_expect(worker_cancelled(NULL));
}

/* What a cancelled call fails with is the cancellation; a true failure stays what it is. */
Test(cancel, a_lost_connection_is_then_the_cancellation)
{
        close(hold_life_line());
        cr_expect_eq(kind_after(ERROR_UNREACHABLE), ERROR_CANCELLED);
        cr_expect_eq(kind_after(ERROR_TIMEOUT), ERROR_CANCELLED);
        cr_expect_eq(kind_after(ERROR_NOSPACE), ERROR_NOSPACE);
        cr_expect_eq(kind_after(ERROR_CORRUPT), ERROR_CORRUPT);
}
