/* Commands over a real sshd: streams, statuses, deadlines. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "sshd.h"
#include "transports/ssh/ssh-exec.h"

TestSuite(ssh_exec, .timeout = 60);

struct session {
        struct sshd sshd;
        struct ssh_connection *connection;
};

static void session_start(struct session *session)
{
        sshd_start(&session->sshd);
        struct ssh_target target = sshd_target(&session->sshd);
        _cleanup_error_ struct error *error = NULL;
        session->connection = ssh_connection_open(&target, 15000, &error);
        cr_assert(session->connection, "%s", error_message(error));
}

static void session_stop(struct session *session)
{
        ssh_connection_free(session->connection);
        sshd_stop(&session->sshd);
}
#define _cleanup_session_ __attribute__((cleanup(session_stop)))

/* Runs a line that must get through. */
static struct exec_result run(struct ssh_connection *connection, const char *line,
                              struct exec_options options)
{
        struct exec_result result = { 0 };
        _cleanup_error_ struct error *error = NULL;
        bool sent;
        if (!options.timeout_ms)
                options.timeout_ms = 20000;
        int r = ssh_exec(connection, "test", line, &options, &sent, &result, &error);
        cr_assert_eq(r, 0, "%s", error_message(error));
        cr_assert(sent);
        return result;
}

static void assert_status(struct ssh_connection *connection, const char *line, int status)
{
        _cleanup_exec_result_ struct exec_result result =
                run(connection, line, (struct exec_options){ 0 });
        cr_assert_eq(result.status, status, "%s: %d", line, result.status);
}

Test(ssh_exec, keeps_the_streams_apart_and_gives_the_status)
{
        _cleanup_session_ struct session session;
        session_start(&session);
        _cleanup_exec_result_ struct exec_result result =
                run(session.connection, "printf out; printf err >&2; exit 7",
                    (struct exec_options){ 0 });
        cr_assert_eq(result.status, 7);
        cr_assert_str_eq(result.output, "out");
        cr_assert_str_eq(result.errors, "err");
}

Test(ssh_exec, tells_how_a_command_ended)
{
        _cleanup_session_ struct session session;
        session_start(&session);
        assert_status(session.connection, "true", 0);
        assert_status(session.connection, "exit 255", 255);
        assert_status(session.connection, "kill -TERM $$", 128 + 15);
        assert_status(session.connection, "kill -KILL $$", 128 + 9);
        assert_status(session.connection, "kill -ABRT $$", 128 + 6);
        assert_status(session.connection, "/nonexistent", 127);
}

struct collected {
        struct strbuf bytes;
};

static void collect(const char *data, size_t length, void *pointer)
{
        struct collected *collected = pointer;
        strbuf_append(&collected->bytes, data, length);
}

Test(ssh_exec, passes_every_byte)
{
        _cleanup_session_ struct session session;
        session_start(&session);
        struct collected collected = { 0 };
        _cleanup_exec_result_ struct exec_result result = run(
                session.connection,
                "i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %03o $i)\"; i=$((i+1)); done",
                (struct exec_options){ .on_output = collect, .data = &collected });
        cr_assert_eq(collected.bytes.length, 256);
        for (size_t i = 0; i < 256; i++)
                cr_assert_eq((unsigned char)collected.bytes.data[i], i);
        strbuf_done(&collected.bytes);
}

Test(ssh_exec, caps_what_it_keeps_of_a_large_output_and_drains_the_rest)
{
        _cleanup_session_ struct session session;
        session_start(&session);
        struct collected collected = { 0 };
        _cleanup_exec_result_ struct exec_result result =
                run(session.connection,
                    "head -c 5000000 /dev/zero | tr '\\0' a; head -c 3000000 /dev/zero | tr '\\0' "
                    "b >&2; exit 3",
                    (struct exec_options){
                            .max_output = 100000, .on_output = collect, .data = &collected });
        cr_assert_eq(result.status, 3);
        cr_assert_eq(strlen(result.output), 100000);
        cr_assert_eq(strlen(result.errors), 100000);
        cr_assert_eq(result.output[99999], 'a');
        cr_assert_eq(result.errors[0], 'b');
        cr_assert_eq(collected.bytes.length, 8000000);
        strbuf_done(&collected.bytes);
}

Test(ssh_exec, feeds_stdin_and_ends_it)
{
        _cleanup_session_ struct session session;
        session_start(&session);
        size_t length = 6 * 1000 * 1000; /* more than an SSH window */
        _cleanup_free_ char *input = xmalloc(length + 1);
        for (size_t i = 0; i < length; i++)
                input[i] = (char)('a' + i % 23);
        input[length] = '\0';
        _cleanup_exec_result_ struct exec_result result =
                run(session.connection, "cat",
                    (struct exec_options){ .input = input, .max_output = length + 100 });
        cr_assert_eq(result.status, 0);
        cr_assert(strcmp(result.output, input) == 0);
        _cleanup_exec_result_ struct exec_result unread = run(
                session.connection, "echo done; exit 4", (struct exec_options){ .input = input });
        cr_assert_eq(unread.status, 4);
        cr_assert_str_eq(unread.output, "done\n");
}

Test(ssh_exec, gives_an_empty_stdin_when_there_is_none)
{
        _cleanup_session_ struct session session;
        session_start(&session);
        _cleanup_exec_result_ struct exec_result result =
                run(session.connection, "wc -c", (struct exec_options){ 0 });
        cr_assert_str_eq(result.output, "0\n");
}

/* Runs a line that must fail; returns the error. */
static struct error *run_badly(struct ssh_connection *connection, const char *line,
                               const struct exec_options *options)
{
        struct exec_result result = { 0 };
        struct error *error = NULL;
        bool sent;
        cr_assert_eq(ssh_exec(connection, "test", line, options, &sent, &result, &error), -1);
        cr_assert(error);
        return error;
}

Test(ssh_exec, gives_up_at_the_deadline)
{
        _cleanup_session_ struct session session;
        session_start(&session);
        int64_t since = clock_monotonic_ms();
        _cleanup_error_ struct error *error = run_badly(
                session.connection, "sleep 30", &(struct exec_options){ .timeout_ms = 400 });
        cr_assert_eq(error->kind, ERROR_TIMEOUT);
        cr_assert_lt(clock_monotonic_ms() - since, 15000);
        cr_assert(ssh_connection_is_lost(session.connection));
}

Test(ssh_exec, a_full_pipe_does_not_outlast_the_deadline)
{
        _cleanup_session_ struct session session;
        session_start(&session);
        size_t length = 8 * 1000 * 1000;
        _cleanup_free_ char *input = xmalloc(length + 1);
        memset(input, 'x', length);
        input[length] = '\0';
        int64_t since = clock_monotonic_ms();
        _cleanup_error_ struct error *error =
                run_badly(session.connection, "sleep 30",
                          &(struct exec_options){ .timeout_ms = 500, .input = input });
        cr_assert_eq(error->kind, ERROR_TIMEOUT);
        cr_assert_lt(clock_monotonic_ms() - since, 15000);
}

static bool is_late(void *data)
{
        return clock_monotonic_ms() > *(int64_t *)data;
}

Test(ssh_exec, can_be_cancelled)
{
        _cleanup_session_ struct session session;
        session_start(&session);
        int64_t since = clock_monotonic_ms(), limit = since + 300;
        _cleanup_error_ struct error *error =
                run_badly(session.connection, "sleep 30",
                          &(struct exec_options){
                                  .timeout_ms = 20000, .cancelled = is_late, .data = &limit });
        cr_assert_eq(error->kind, ERROR_CANCELLED);
        cr_assert_lt(clock_monotonic_ms() - since, 15000);
        assert_status(session.connection, "true", 0); /* the connection is still good */
}

Test(ssh_exec, notices_a_connection_that_breaks_under_a_command)
{
        _cleanup_session_ struct session session;
        session_start(&session);
        int64_t since = clock_monotonic_ms();
        _cleanup_error_ struct error *error =
                run_badly(session.connection, "kill -KILL $PPID; sleep 2",
                          &(struct exec_options){ .timeout_ms = 20000 });
        cr_assert_eq(error->kind, ERROR_UNREACHABLE, "%s", error->message);
        cr_assert_lt(clock_monotonic_ms() - since, 10000);
        cr_assert(ssh_connection_is_lost(session.connection));
}

struct nested {
        struct ssh_connection *connection;
        unsigned n;
};

static void run_another(const char *data _unused_, size_t length _unused_, void *pointer)
{
        struct nested *nested = pointer;
        cr_assert(ssh_connection_is_running(nested->connection));
        _cleanup_exec_result_ struct exec_result result =
                run(nested->connection, "echo inner", (struct exec_options){ 0 });
        cr_assert_str_eq(result.output, "inner\n");
        nested->n++;
}

Test(ssh_exec, a_callback_may_run_another_command)
{
        _cleanup_session_ struct session session;
        session_start(&session);
        struct nested nested = { .connection = session.connection };
        _cleanup_exec_result_ struct exec_result result =
                run(session.connection, "for i in 1 2 3; do echo $i; sleep 0.1; done; exit 5",
                    (struct exec_options){ .on_output = run_another, .data = &nested });
        cr_assert_geq(nested.n, 1);
        cr_assert_eq(result.status, 5);
        cr_assert_str_eq(result.output, "1\n2\n3\n");
        cr_assert_not(ssh_connection_is_running(session.connection));
}

Test(ssh_exec, says_that_nothing_was_sent_over_a_dead_connection)
{
        _cleanup_session_ struct session session;
        session_start(&session);
        _cleanup_error_ struct error *first =
                run_badly(session.connection, "kill -KILL $PPID; sleep 1",
                          &(struct exec_options){ .timeout_ms = 20000 });
        struct exec_result result = { 0 };
        _cleanup_error_ struct error *second = NULL;
        bool sent = true;
        cr_assert_eq(ssh_exec(session.connection, "test", "true",
                              &(struct exec_options){ .timeout_ms = 5000 }, &sent, &result,
                              &second),
                     -1);
        cr_assert_eq(second->kind, ERROR_UNREACHABLE);
        cr_assert_not(sent);
}
