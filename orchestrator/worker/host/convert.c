/* Implements worker/host/convert.h. */
#include "worker/host/convert.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "worker/job/cancel.h"

enum {
        /* the deadline is on progress; this one only limits a unit that lost its watcher */
        LONGEST_MS = 7 * 24 * 3600 * 1000,
        TAIL_MAX = 32,
};

struct run {
        const struct convert *convert;
        char tail[TAIL_MAX]; /* the end of the progress text: chunks may split it */
        size_t tail_length;
        double percent;
        struct deadline stall;
        struct error *reason; /* why it is aborted */
};

static bool is_written_back(const struct run *run)
{
        return run->convert->write_back_seconds && run->percent >= 100;
}

static unsigned patience_seconds(const struct run *run)
{
        return is_written_back(run) ? run->convert->write_back_seconds
                                    : run->convert->stall_seconds;
}

static void reset_stall(struct run *run)
{
        run->stall = deadline_in_ms((int64_t)patience_seconds(run) * 1000);
}

/* "    (12.34/100%)\r" */
static void on_percent(struct run *run, const char *text)
{
        char *end = NULL;
        double percent = strtod(text, &end);
        if (end == text || percent < 0 || percent > 100)
                return;
        if (percent > run->percent) {
                run->percent = percent;
                reset_stall(run);
        }
        uint64_t total = run->convert->total_bytes;
        report_progress(run->convert->report, run->convert->disk,
                        (uint64_t)((double)total * percent / 100.0), total);
}

static void convert_on_output(const char *data, size_t length, void *pointer)
{
        struct run *run = pointer;
        for (size_t i = 0; i < length; i++) {
                char c = data[i];
                if (c == '(')
                        run->tail_length = 0;
                else if (c == '/' && run->tail_length) {
                        run->tail[run->tail_length] = '\0';
                        on_percent(run, run->tail);
                        run->tail_length = 0;
                } else if (run->tail_length + 1 < TAIL_MAX)
                        run->tail[run->tail_length++] = c;
        }
}

static bool convert_must_end(void *pointer)
{
        struct run *run = pointer;
        const struct convert *convert = run->convert;
        if (run->reason)
                return true;
        if (is_written_back(run))
                report_life(convert->report, "%s: all is there; %s is still writing it to its disk",
                            convert->what, convert->host->name);
        if (worker_cancelled(NULL))
                error_set(&run->reason, ERROR_CANCELLED, "cancelled during %s", convert->what);
        else if (deadline_passed(run->stall))
                error_set(&run->reason, ERROR_TIMEOUT,
                          "%s has not moved for %u s (%.1f %% done): the share or the disk of %s "
                          "is stuck",
                          convert->what, patience_seconds(run), run->percent, convert->host->name);
        else if (convert->must_end)
                return convert->must_end(convert->data, &run->reason);
        return run->reason != NULL;
}

int convert_run(const struct convert *convert, const char *const argv[], int *ret_status,
                char **ret_errors, struct error **err)
{
        struct run run = { .convert = convert };
        reset_stall(&run);
        struct exec_options options = { .timeout_ms = LONGEST_MS,
                                        .unit = convert->unit,
                                        .on_output = convert_on_output,
                                        .cancelled = convert_must_end,
                                        .data = &run };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        _cleanup_error_ struct error *error = NULL;
        if (convert->host->ops->exec(convert->host, argv, &options, &result, &error) < 0) {
                if (run.reason)
                        return error_propagate(err, TAKE_PTR(run.reason));
                error_propagate(err, TAKE_PTR(error));
                return error_prefix(err, "%s was broken off", convert->what);
        }
        error_free(run.reason);
        *ret_status = result.status;
        *ret_errors = TAKE_PTR(result.errors);
        return 0;
}
