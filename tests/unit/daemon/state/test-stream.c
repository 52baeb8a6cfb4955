/* Lines to a client that reads quickly, slowly, or not at all. */
#include "daemon/state/stream.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

static char *read_all(struct stream *stream)
{
        struct strbuf out = { 0 };
        char chunk[7]; /* lines are cut wherever it falls */
        for (ssize_t n; (n = stream_read(stream, chunk, sizeof chunk)) > 0;)
                strbuf_append(&out, chunk, (size_t)n);
        return strbuf_take(&out);
}

Test(stream, gives_lines_in_order_and_then_the_end)
{
        _cleanup_(stream_freep) struct stream *stream = stream_new();
        stream_preload(stream, xstrdup("old\n"), 4);
        stream_push(stream, "one", NULL);
        stream_push(stream, "two", NULL);
        _cleanup_free_ char *text = read_all(stream);
        cr_assert_str_eq(text, "old\none\ntwo\n");
        char byte;
        cr_assert_eq(stream_read(stream, &byte, 1), 0);
        stream_end(stream);
        cr_assert_eq(stream_read(stream, &byte, 1), -1);
        stream_push(stream, "late", NULL);
        cr_assert_eq(stream_read(stream, &byte, 1), -1);
}

Test(stream, progress_replaces_what_waits_of_the_same_key)
{
        _cleanup_(stream_freep) struct stream *stream = stream_new();
        stream_push(stream, "a 1", "a");
        stream_push(stream, "b 1", "b");
        stream_push(stream, "step", NULL);
        stream_push(stream, "a 2 longer", "a");
        _cleanup_free_ char *text = read_all(stream);
        cr_assert_str_eq(text, "a 2 longer\nb 1\nstep\n");
        cr_assert_eq(stream_waiting_bytes(stream), 0);
}

Test(stream, a_line_that_is_half_read_is_not_replaced)
{
        _cleanup_(stream_freep) struct stream *stream = stream_new();
        stream_push(stream, "a 1", "a");
        char half[2];
        cr_assert_eq(stream_read(stream, half, 2), 2);
        stream_push(stream, "a 2", "a");
        _cleanup_free_ char *text = read_all(stream);
        cr_assert_str_eq(text, "1\na 2\n");
}

static void push_bytes(struct stream *stream, size_t bytes, const char *key)
{
        _cleanup_free_ char *line = xmalloc(bytes + 1);
        memset(line, 'x', bytes);
        line[bytes] = '\0';
        stream_push(stream, line, key);
}

Test(stream, drops_progress_before_it_cuts_off)
{
        _cleanup_(stream_freep) struct stream *stream = stream_new();
        push_bytes(stream, STREAM_LIMIT_BYTES / 2, "p");
        push_bytes(stream, STREAM_LIMIT_BYTES / 2 - 100, NULL);
        push_bytes(stream, 1000, NULL);
        cr_assert_not(stream_is_cut(stream));
        cr_assert_eq(stream_waiting_bytes(stream), STREAM_LIMIT_BYTES / 2 - 100 + 1000 + 2);
        stream_push(stream, "last", NULL);
        _cleanup_free_ char *text = read_all(stream);
        cr_assert(str_ends_with(text, "\nlast\n"), "the list is broken after dropping");
}

Test(stream, a_reader_that_does_not_read_is_cut_off_and_its_memory_freed)
{
        _cleanup_(stream_freep) struct stream *stream = stream_new();
        for (int i = 0; i < 1000; i++) {
                push_bytes(stream, 1000, NULL);
                cr_assert_leq(stream_waiting_bytes(stream), STREAM_LIMIT_BYTES);
        }
        cr_assert(stream_is_cut(stream));
        cr_assert_eq(stream_waiting_bytes(stream), 0);
        char byte;
        cr_assert_eq(stream_read(stream, &byte, 1), -2);
}

Test(stream, one_line_may_be_longer_than_the_limit_and_a_preload_does_not_count)
{
        _cleanup_(stream_freep) struct stream *stream = stream_new();
        push_bytes(stream, 2 * STREAM_LIMIT_BYTES, NULL);
        cr_assert_not(stream_is_cut(stream));

        _cleanup_(stream_freep) struct stream *log = stream_new();
        stream_preload(log, xstrdup("x\n"), 2);
        _cleanup_free_ char *big = xcalloc(1, 2 * STREAM_LIMIT_BYTES + 1);
        memset(big, 'y', 2 * STREAM_LIMIT_BYTES);
        stream_preload(log, TAKE_PTR(big), 2 * STREAM_LIMIT_BYTES);
        push_bytes(log, 1000, NULL);
        cr_assert_not(stream_is_cut(log));
}

static void count(void *data)
{
        ++*(int *)data;
}

Test(stream, wakes_a_reader_once_and_only_when_it_waits)
{
        int calls = 0;
        _cleanup_(stream_freep) struct stream *stream = stream_new();
        stream_on_readable(stream, count, &calls);
        stream_push(stream, "nobody waits yet", NULL);
        cr_assert_eq(calls, 0);
        _cleanup_free_ char *text = read_all(stream);
        stream_push(stream, "one", NULL);
        stream_push(stream, "two", NULL);
        cr_assert_eq(calls, 1);
        stream_cut(stream);
        cr_assert_eq(calls, 2, "a cut is told whether the reader waits or not");
}

Test(stream, a_set_outlives_its_streams_and_the_other_way_round)
{
        struct stream_set set = { 0 };
        struct stream *first = stream_new();
        struct stream *second = stream_new();
        struct stream *third = stream_new();
        stream_join(first, &set);
        stream_join(second, &set);
        stream_join(third, &set);
        second = stream_free(second);
        cr_assert_eq(stream_set_count(&set), 2);
        stream_set_push(&set, "to both", NULL);
        stream_set_end(&set, "end");
        cr_assert_eq(stream_set_count(&set), 0);
        _cleanup_free_ char *a = read_all(first);
        _cleanup_free_ char *b = read_all(third);
        cr_assert_str_eq(a, "to both\nend\n");
        cr_assert_str_eq(b, "to both\nend\n");
        stream_free(first);
        stream_free(third);
}
