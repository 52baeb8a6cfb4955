/* Implements worker/job/cancel.h. Three things ask a worker to stop: SIGTERM, SIGINT, and the end
 * of the daemon, which the worker sees as the end of its standard input. */
#include "worker/job/cancel.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t stop_requested;

static void on_signal(int number)
{
        (void)number;
        stop_requested = 1;
}

/* stdin ends when the daemon does. Nothing but end-of-file is expected on it. */
static bool daemon_gone(void)
{
        struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
        if (poll(&fd, 1, 0) <= 0)
                return false;
        char byte;
        return read(STDIN_FILENO, &byte, 1) <= 0;
}

bool worker_cancelled(void *data)
{
        (void)data;
        if (!stop_requested && daemon_gone())
                stop_requested = 1;
        return stop_requested;
}

int worker_check_cancelled(struct error **err)
{
        return worker_cancelled(NULL) ? error_set(err, ERROR_CANCELLED, "cancelled") : 0;
}

void worker_note_cancellation(struct error *failure)
{
        if (!worker_cancelled(NULL) ||
            (failure->kind != ERROR_UNREACHABLE && failure->kind != ERROR_TIMEOUT))
                return;
        failure->kind = ERROR_CANCELLED;
        error_prefix(&failure, "cancelled");
}

void cancel_watch_signals(void)
{
        struct sigaction stop = { .sa_handler = on_signal };
        sigaction(SIGTERM, &stop, NULL);
        sigaction(SIGINT, &stop, NULL);
}
