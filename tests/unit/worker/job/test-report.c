/* What a worker tells: events, metadata and log of the same. */
#include "worker/job/report.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"

/* Runs `tell` with stdout kept; the events come back parsed. */
static size_t events_of(struct report *report, void (*tell)(struct report *report),
                        struct event **ret, size_t max)
{
        int kept = dup(STDOUT_FILENO);
        int file = memfd_create("events", MFD_CLOEXEC);
        cr_assert(kept >= 0 && file >= 0 && dup2(file, STDOUT_FILENO) >= 0);
        tell(report);
        dup2(kept, STDOUT_FILENO);
        close(kept);
        char text[65536] = "";
        ssize_t n = pread(file, text, sizeof text - 1, 0);
        close(file);
        cr_assert_geq(n, 0);
        size_t count = 0;
        for (char *line = strtok(text, "\n"); line && count < max; line = strtok(NULL, "\n")) {
                _cleanup_error_ struct error *error = NULL;
                ret[count] = event_parse(line, strlen(line), &error);
                cr_assert(ret[count], "%s: %s", error_message(error), line);
                count++;
        }
        return count;
}

static void tell_a_job(struct report *report)
{
        report_step(report, STEP_NAME_FREEZE);
        report_step(report, STEP_NAME_THAW);
        report_step_end(report, STEP_DONE, "after %d ms", 41);
        report_check(report, CHECK_BEFORE, CHECK_NAME_VM_RUNNING, CHECK_WARN, "%s", "paused");
        report_warning(report, "only %s", "crash consistent");
        report_alert(report, "%s is mute", "the agent");
        _cleanup_error_ struct error *error = NULL;
        error_set(&error, ERROR_BUSY, "busy");
        report_result(report, "failed", NULL, error);
}

Test(report, events_metadata_and_log_say_the_same)
{
        _cleanup_(metadata_freep) struct metadata *metadata = metadata_new();
        _cleanup_(report_done) struct report report;
        report_init(&report, "vm-1", metadata);
        report.metadata = metadata;
        struct event *events[16] = { 0 };
        report.metadata->vm = xstrdup("vm-1");
        size_t count = events_of(&report, tell_a_job, events, ARRAY_LENGTH(events));
        cr_assert_eq(count, 8);
        cr_assert_eq(events[0]->state, STEP_BEGIN);
        cr_assert_eq(events[1]->state, STEP_DONE,
                     "a step that is still open ends when the next begins");
        cr_assert_str_eq(events[1]->step, "freeze");
        cr_assert_str_eq(events[3]->text, "after 41 ms");
        cr_assert_eq(events[4]->type, EVENT_CHECK);
        cr_assert_eq(events[5]->type, EVENT_WARNING);
        cr_assert_not(events[5]->alert);
        cr_assert_eq(events[6]->type, EVENT_WARNING);
        cr_assert(events[6]->alert);
        cr_assert_eq(events[7]->type, EVENT_RESULT);
        cr_assert_eq(events[7]->error_kind, ERROR_BUSY);
        cr_assert_eq(metadata->n_checks, 1);
        cr_assert_str_eq(metadata->checks[0].measured, "paused");
        cr_assert_str_eq(metadata->warnings[0], "only crash consistent");
        cr_assert_str_eq(metadata->warnings[1], "the agent is mute");
        cr_assert(strstr(report.log.data, "only crash consistent"));
        for (size_t i = 0; i < count; i++)
                event_free(events[i]);
}

static void tell_progress(struct report *report)
{
        for (uint64_t done = 0; done < 1000; done++)
                report_progress(report, "vda", done, 1000);
}

Test(report, progress_is_sent_at_most_twice_a_second)
{
        _cleanup_(report_done) struct report report;
        report_init(&report, "vm-1", NULL);
        struct event *events[16] = { 0 };
        size_t count = events_of(&report, tell_progress, events, ARRAY_LENGTH(events));
        cr_assert(count >= 1 && count <= 4, "%zu", count);
        for (size_t i = 0; i < count; i++)
                event_free(events[i]);
}

Test(report, a_daemon_that_went_away_does_not_end_the_worker)
{
        int ends[2];
        int kept = dup(STDOUT_FILENO);
        cr_assert(kept >= 0 && pipe2(ends, O_CLOEXEC) == 0 && signal(SIGPIPE, SIG_IGN) != SIG_ERR);
        close(ends[0]);
        dup2(ends[1], STDOUT_FILENO);
        _cleanup_(report_done) struct report report;
        report_init(&report, "vm-1", NULL);
        report_log(&report, "first");
        report_log(&report, "second");
        dup2(kept, STDOUT_FILENO);
        close(kept);
        close(ends[1]);
        cr_assert(report.daemon_gone);
        cr_assert(strstr(report.log.data, "second"), "the log goes on");
}
