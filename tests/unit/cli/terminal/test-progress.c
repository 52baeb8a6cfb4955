/* The live line, by its columns. */
#include "cli/terminal/progress.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"

static struct event *half_way(void)
{
        struct event *event = event_new(EVENT_PROGRESS);
        event->disk = xstrdup("vda");
        event->done_bytes = 5ULL << 30;
        event->total_bytes = 10ULL << 30;
        event->bytes_per_second = 210ULL << 20;
        event->remaining_seconds = 84;
        return event;
}

Test(progress, a_line_tells_what_how_far_how_fast_and_how_long)
{
        _cleanup_(event_freep) struct event *event = half_way();
        _cleanup_free_ char *line = progress_line(event, "db", 120);
        cr_assert_str_eq(line, "db vda  [##########----------]  50%  5.0 GiB of 10.0 GiB  210.0 "
                               "MiB/s  1m24s left");
}

Test(progress, it_never_exceeds_the_columns)
{
        _cleanup_(event_freep) struct event *event = half_way();
        for (unsigned columns = 20; columns < 120; columns++) {
                _cleanup_free_ char *line = progress_line(
                        event, "a-rather-long-name-of-a-virtual-machine-that-nobody-would-like",
                        columns);
                cr_assert_leq(strlen(line), columns);
        }
}

Test(progress, more_done_than_expected_and_nothing_known_are_shown_sanely)
{
        _cleanup_(event_freep) struct event *event = half_way();
        event->done_bytes = 11ULL << 30;
        event->bytes_per_second = 0;
        event->remaining_seconds = -1;
        _cleanup_free_ char *over = progress_line(event, "db", 120);
        cr_assert_str_eq(over, "db vda  [####################] 100%  11.0 GiB of 10.0 GiB");
        event->total_bytes = 0;
        _cleanup_free_ char *unknown = progress_line(event, "db", 120);
        cr_assert_str_eq(unknown, "db vda  11.0 GiB");
}
