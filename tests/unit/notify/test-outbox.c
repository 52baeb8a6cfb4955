/* The queue with commands as channels: they write what they get into files, and fail as long as a
 * file says so. */
#include "notify/outbox.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "fixture.h"

/* Appends the message's title to <folder>/<name>, unless <folder>/<name>.down exists. */
#define CHANNEL(name)                                            \
        "  - {name: " name ", kind: command, command: [sh, -c, " \
        "'test ! -e \"$1/$0.down\" || exit 9; sed "              \
        "\"s/.*\\\"title\\\":\\\"\\([^\\\"]*\\)\\\".*/\\1/\" >>\"$1/$0\"', " name ", "

static struct outbox *outbox;

static struct outbox *open_it(const char *more)
{
        unsetenv("SLACK_FAILURE_WEBHOOK");
        unsetenv("SLACK_SUCCESS_WEBHOOK");
        _cleanup_free_ char *text = xasprintf(
                "repository: {path: /m}\nnotify:\n" CHANNEL("one") "%s]}\n%s", folder, more);
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(settings_freep) struct settings *settings =
                settings_parse(text, strlen(text), "/o.yaml", &problems);
        _cleanup_free_ char *said = problems_format(&problems);
        cr_assert(settings, "%s", said);
        struct channels channels = channels_of(settings, NULL);
        _cleanup_free_ char *spool = path_join(folder, "spool");
        _cleanup_error_ struct error *error = NULL;
        struct outbox *opened = outbox_open(spool, &channels, &error);
        cr_assert(opened, "%s", error_message(error));
        return opened;
}

static void start(void)
{
        make_folder();
        outbox = open_it("");
}

static void end(void)
{
        outbox_free(outbox);
        remove_folder();
}

/* One round of what the daemon's loop does. */
static void turn(int wait_ms)
{
        int64_t next = outbox_turn(outbox);
        struct pollfd fds[4];
        for (size_t i = 0; i < outbox_count(outbox); i++)
                fds[i] = (struct pollfd){ .fd = outbox_fd(outbox, i), .events = POLLIN };
        if (next >= 0 && next < wait_ms)
                wait_ms = (int)next;
        poll(fds, outbox_count(outbox), wait_ms);
        for (size_t i = 0; i < outbox_count(outbox); i++)
                if (fds[i].revents)
                        outbox_dispatch(outbox, i);
}

static size_t waiting(void)
{
        size_t count = 0;
        for (size_t i = 0; i < outbox_count(outbox); i++)
                count += outbox_look(outbox, i).waiting;
        return count;
}

static void run_until_empty(void)
{
        int64_t until = clock_monotonic_ms() + 60000;
        while (waiting() && clock_monotonic_ms() < until)
                turn(1000);
        cr_assert_eq(waiting(), 0);
}

static void run_until_attempts(unsigned attempts)
{
        int64_t until = clock_monotonic_ms() + 60000;
        while (outbox_look(outbox, 0).attempts < attempts && clock_monotonic_ms() < until)
                turn(1000);
        cr_assert_geq(outbox_look(outbox, 0).attempts, attempts);
}

static void add(const char *title)
{
        _cleanup_notice_ struct notice *notice = make_notice(title);
        outbox_add(outbox, notice, NULL, 0);
}

static void expect(const char *name, const char *expected)
{
        _cleanup_free_ char *got = read_file(name);
        cr_assert(streq(got, expected), "%s: %s", name, got);
}

Test(outbox, brings_each_message_once_and_in_order, .init = start, .fini = end)
{
        add("one");
        add("two");
        add("three");
        cr_assert_eq(outbox_look(outbox, 0).waiting, 3);
        run_until_empty();
        expect("one", "one\ntwo\nthree\n");
        cr_assert_gt(outbox_look(outbox, 0).delivered, 0);
        cr_assert_null(outbox_look(outbox, 0).error);
}

Test(outbox, what_waits_survives_a_restart, .init = start, .fini = end)
{
        write_file("one.down", "");
        add("one");
        add("two");
        run_until_attempts(1);
        cr_assert(strstr(outbox_look(outbox, 0).error, "status 9"));
        outbox_free(outbox);
        outbox = open_it("");
        add("three");
        run_until_attempts(1);
        _cleanup_free_ char *down = path_join(folder, "one.down");
        unlink(down);
        run_until_empty();
        expect("one", "one\ntwo\nthree\n");
}

Test(outbox, a_channel_that_is_down_does_not_hold_up_another, .init = start, .fini = end)
{
        outbox_free(outbox);
        _cleanup_free_ char *more = xasprintf(CHANNEL("two") "%s]}\n", folder);
        outbox = open_it(more);
        write_file("one.down", "");
        add("x");
        add("y");
        int64_t until = clock_monotonic_ms() + 60000;
        while (outbox_look(outbox, 1).waiting && clock_monotonic_ms() < until)
                turn(1000);
        expect("two", "x\ny\n");
        expect("one", NULL);
        cr_assert_eq(outbox_look(outbox, 0).waiting, 2);
}

Test(outbox, what_is_held_can_be_changed, .init = start, .fini = end)
{
        _cleanup_notice_ struct notice *first = make_notice("one failed");
        _cleanup_notice_ struct notice *both = make_notice("two failed");
        outbox_add(outbox, first, "share", 2);
        cr_assert(outbox_has(outbox, "share"));
        turn(10);
        expect("one", NULL);
        cr_assert(outbox_change(outbox, "share", both, 2));
        run_until_empty();
        expect("one", "two failed\n");
        cr_assert_not(outbox_has(outbox, "share"));
        cr_assert_not(outbox_change(outbox, "share", first, 0), "it is gone");
}

Test(outbox, what_was_tried_is_not_changed_any_more, .init = start, .fini = end)
{
        write_file("one.down", "");
        _cleanup_notice_ struct notice *first = make_notice("one failed");
        outbox_add(outbox, first, "share", 0);
        run_until_attempts(1);
        cr_assert_not(outbox_change(outbox, "share", first, 0));
        cr_assert(outbox_has(outbox, "share"));
}

static void age_all(void)
{
        _cleanup_free_ char *command = xasprintf("sed -i 's/\"created\": \"[^\"]*\"/\"created\": "
                                                 "\"2020-01-01T00:00:00Z\"/' %s/spool/one/*.json",
                                                 folder);
        cr_assert_eq(system(command), 0);
}

Test(outbox, after_a_day_all_of_that_age_is_given_up, .init = start, .fini = end)
{
        write_file("one.down", "");
        add("old");
        add("old too");
        outbox_free(outbox);
        age_all();
        outbox = open_it("");
        add("young");
        int64_t until = clock_monotonic_ms() + 60000;
        while (outbox_look(outbox, 0).given_up < 2 && clock_monotonic_ms() < until)
                turn(1000);
        struct outbox_lane lane = outbox_look(outbox, 0);
        cr_assert_eq(lane.given_up, 2);
        cr_assert_eq(lane.waiting, 1);
        cr_assert(strstr(lane.given_up_error, "status 9"));
        _cleanup_free_ char *down = path_join(folder, "one.down");
        unlink(down);
        run_until_empty();
        expect("one", "young\n");
}

struct seen {
        size_t results;
        size_t errors;
        bool done;
};

static void on_result(void *data, const struct outbox_test *result)
{
        struct seen *seen = data;
        cr_assert_str_eq(result->channel, "one");
        cr_assert_eq(result->kind, NOTIFY_COMMAND);
        seen->results++;
        seen->errors += result->error != NULL;
}

static void on_done(void *data)
{
        ((struct seen *)data)->done = true;
}

static struct seen run_test(void)
{
        struct seen seen = { 0 };
        _cleanup_notice_ struct notice *notice = make_notice("a test");
        cr_assert(outbox_test(outbox, NULL, notice, on_result, on_done, &seen));
        int64_t until = clock_monotonic_ms() + 60000;
        while (!seen.done && clock_monotonic_ms() < until)
                turn(1000);
        cr_assert(seen.done);
        return seen;
}

Test(outbox, a_test_tells_its_result_and_gets_the_queue_going, .init = start, .fini = end)
{
        struct seen seen = { 0 };
        _cleanup_notice_ struct notice *notice = make_notice("a test");
        cr_assert_not(outbox_test(outbox, "nobody", notice, on_result, on_done, &seen));
        write_file("one.down", "");
        add("waits");
        run_until_attempts(4);
        seen = run_test();
        cr_assert_eq(seen.results, 1);
        cr_assert_eq(seen.errors, 1);
        cr_assert_eq(outbox_look(outbox, 0).waiting, 1, "a test is not kept");
        _cleanup_free_ char *down = path_join(folder, "one.down");
        unlink(down);
        seen = run_test();
        cr_assert_eq(seen.errors, 0);
        run_until_empty();
        expect("one", "a test\nwaits\n");
}

Test(outbox, messages_of_a_channel_that_is_gone_are_told_of, .init = start, .fini = end)
{
        outbox_free(outbox);
        _cleanup_free_ char *more = xasprintf(CHANNEL("two") "%s]}\n", folder);
        outbox = open_it(more);
        add("x");
        outbox_free(outbox);
        outbox = open_it("");
        cr_assert_eq(strv_length(outbox_warnings(outbox)), 1);
        cr_assert(strstr(outbox_warnings(outbox)[0], "/spool/two"));
        _cleanup_strv_ char **names = outbox_names(outbox);
        cr_assert_eq(strv_length(names), 1);
        cr_assert(outbox_has_channel_for(outbox, NOTICE_SUMMARY));
}
