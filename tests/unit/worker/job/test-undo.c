/* The stack of what is left to be undone. */
#include "worker/job/undo.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"

static char order[32];

static int note(void *data, struct error **err)
{
        const char *name = data;
        strncat(order, name, sizeof order - strlen(order) - 1);
        return *name == 'x' ? error_set(err, ERROR_BUSY, "%s went wrong", name) : 0;
}

/* Events go to stdout, which Criterion needs. */
static void quiet_report(struct report *report)
{
        order[0] = '\0';
        report_init(report, "vm-1", NULL);
        report->daemon_gone = true;
}

Test(undo, runs_in_order_and_empties_the_stack)
{
        _cleanup_(report_done) struct report report;
        quiet_report(&report);
        struct undo_stack stack = { 0 };
        undo_push(&stack, UNDO_NAME_STAGING, note, (char[]){ "a" });
        undo_push(&stack, UNDO_NAME_COMMIT, note, (char[]){ "b" });
        undo_push(&stack, UNDO_NAME_COPY, note, (char[]){ "c" });
        cr_assert_eq(undo_run(&stack, &report, NULL), 0);
        cr_assert_str_eq(order, "cba");
        cr_assert_eq(stack.count, 0);
        cr_assert_eq(undo_run(&stack, &report, NULL), 0);
        cr_assert_str_eq(order, "cba");
}

Test(undo, goes_on_after_a_failure_and_tells_the_first)
{
        _cleanup_(report_done) struct report report;
        quiet_report(&report);
        struct undo_stack stack = { 0 };
        _cleanup_error_ struct error *error = NULL;
        undo_push(&stack, UNDO_NAME_STAGING, note, (char[]){ "a" });
        undo_push(&stack, UNDO_NAME_COMMIT, note, (char[]){ "xb" });
        undo_push(&stack, UNDO_NAME_COPY, note, (char[]){ "xc" });
        cr_assert_eq(undo_run(&stack, &report, &error), -1);
        cr_assert_str_eq(order, "xcxba");
        cr_assert_eq(error->kind, ERROR_BUSY);
        cr_assert_str_eq(error->message, "xc went wrong");
        cr_assert_eq(stack.count, 0);
        cr_assert(strstr(report.log.data, "xb went wrong"), "%s", report.log.data);
}

Test(undo, what_cannot_be_undone_is_added_to_what_failed_before)
{
        _cleanup_(report_done) struct report report;
        quiet_report(&report);
        struct undo_stack stack = { 0 };
        _cleanup_error_ struct error *failure = NULL;
        error_set(&failure, ERROR_CANCELLED, "cancelled");
        undo_push(&stack, UNDO_NAME_STAGING, note, (char[]){ "a" });
        undo_run_after(&stack, &report, "Putting the VM back", "db-1", &failure);
        cr_assert_str_eq(failure->message, "cancelled");
        undo_push(&stack, UNDO_NAME_COMMIT, note, (char[]){ "xb" });
        undo_run_after(&stack, &report, "Putting the VM back", "db-1", &failure);
        cr_assert_eq(failure->kind, ERROR_BUSY, "a VM that is not put back is no mere cancel");
        cr_assert_str_eq(failure->message,
                         "cancelled. Putting the VM back did not end well either: xb went wrong. "
                         "To try again: orch recover db-1");
        undo_push(&stack, UNDO_NAME_COPY, note, (char[]){ "xc" });
        failure->kind = ERROR_NOSPACE;
        undo_run_after(&stack, &report, "Putting the VM back", "db-1", &failure);
        cr_assert_eq(failure->kind, ERROR_NOSPACE);
}

Test(undo, settling_takes_the_newest_of_that_name_alone)
{
        _cleanup_(report_done) struct report report;
        quiet_report(&report);
        struct undo_stack stack = { 0 };
        undo_push(&stack, UNDO_NAME_COPY, note, (char[]){ "1" });
        undo_push(&stack, UNDO_NAME_THAW, note, (char[]){ "2" });
        undo_push(&stack, UNDO_NAME_COPY, note, (char[]){ "3" });
        undo_push(&stack, UNDO_NAME_STAGING, note, (char[]){ "4" });
        undo_settle(&stack, UNDO_NAME_COPY);
        undo_settle(&stack, UNDO_NAME_EXPORT);
        cr_assert_eq(stack.count, 3);
        cr_assert_eq(undo_run(&stack, &report, NULL), 0);
        cr_assert_str_eq(order, "214");
}

/* A snapshot is taken inside a freeze or a pause: its undo is pushed later and has to wait. */
Test(undo, the_order_is_that_of_the_names_not_that_of_pushing)
{
        static const enum undo_name pushed[][4] = {
                { UNDO_NAME_STAGING, UNDO_NAME_THAW, UNDO_NAME_CHECKPOINT, UNDO_NAME_COMMIT },
                { UNDO_NAME_COMMIT, UNDO_NAME_CHECKPOINT, UNDO_NAME_STAGING, UNDO_NAME_THAW },
                { UNDO_NAME_CHECKPOINT, UNDO_NAME_COMMIT, UNDO_NAME_THAW, UNDO_NAME_STAGING },
        };
        char letters[UNDO_NAME_COUNT][2] = { [UNDO_NAME_THAW] = "t",
                                             [UNDO_NAME_COMMIT] = "m",
                                             [UNDO_NAME_CHECKPOINT] = "c",
                                             [UNDO_NAME_STAGING] = "s" };
        for (size_t i = 0; i < ARRAY_LENGTH(pushed); i++) {
                _cleanup_(report_done) struct report report;
                quiet_report(&report);
                struct undo_stack stack = { 0 };
                for (size_t k = 0; k < 4; k++)
                        undo_push(&stack, pushed[i][k], note, letters[pushed[i][k]]);
                cr_assert_eq(undo_run(&stack, &report, NULL), 0);
                cr_assert_str_eq(order, "tmcs");
        }
}
