/* The client against a server that behaves, misbehaves, and goes away. */
#include "cli/client/client.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api-server.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "capture.h"
#include "cli/cli.h"
#include "cli/terminal/values.h"
#include "schema/json/json-fields.h"

Test(client, a_call_gives_the_answer_and_posts_its_body)
{
        static const struct api_answer answers[] = {
                { .path = "/v1/x?a=%2Fb", .json = "{\"n\":7}" }, { 0 }
        };
        _cleanup_api_server_ struct api_server *server = api_server_start(answers);
        _cleanup_client_ struct client *client = client_new(api_server_socket(server));
        _cleanup_error_ struct error *error = NULL;
        _cleanup_json_ json_t *body = json_pack("{s:s}", "key", "value");
        _cleanup_json_ json_t *answer = NULL;
        _cleanup_free_ char *word = client_escape("/b");
        _cleanup_free_ char *path = xasprintf("/v1/x?a=%s", word);
        cr_assert_eq(client_call(client, path, body, &answer, &error), STATUS_OK, "%s",
                     error_message(error));
        cr_assert_eq(value_integer(answer, "n", 0), 7);
        cr_assert_str_eq(api_server_posted(server), "{\"key\":\"value\"}");
}

Test(client, a_refusal_gives_the_daemons_sentence_and_exit_status)
{
        static const struct api_answer answers[] = {
                { .path = "/a",
                  .status = 409,
                  .json = "{\"error\":{\"kind\":\"refused\",\"message\":\"a cycle "
                          "runs\"},\"exit_status\":4}" },
                { .path = "/b",
                  .status = 400,
                  .json = "{\"error\":{\"kind\":\"config\",\"message\":\"no such "
                          "VM\"},\"exit_status\":2}" },
                { .path = "/odd",
                  .status = 500,
                  .json = "{\"error\":{\"kind\":\"x\",\"message\":\"odd\"},\"exit_status\":0}" },
                { .path = "/empty", .status = 500, .json = "<html>" },
                { .path = "/text", .json = "not JSON" },
                { 0 },
        };
        _cleanup_api_server_ struct api_server *server = api_server_start(answers);
        _cleanup_client_ struct client *client = client_new(api_server_socket(server));
        static const struct {
                const char *path;
                int status;
                const char *message;
        } cases[] = {
                { "/a", STATUS_REFUSED, "a cycle runs" },
                { "/b", STATUS_USAGE, "no such VM" },
                { "/odd", STATUS_JOB_FAILED, "odd" }, /* a failure never becomes a success */
                { "/empty", STATUS_JOB_FAILED,
                  "the daemon answered with HTTP status 500 and no reason" },
                { "/nowhere", STATUS_JOB_FAILED,
                  "the daemon answered with HTTP status 404 and no reason" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_error_ struct error *error = NULL;
                json_t *answer = NULL;
                cr_assert_eq(client_call(client, cases[i].path, NULL, &answer, &error),
                             cases[i].status, "%s", cases[i].path);
                cr_assert_str_eq(error->message, cases[i].message);
                cr_assert_null(answer);
        }
        _cleanup_error_ struct error *error = NULL;
        json_t *answer = NULL;
        cr_assert_eq(client_call(client, "/text", NULL, &answer, &error), STATUS_NO_DAEMON);
        cr_assert(strstr(error->message, "is not valid JSON"));
}

Test(client, no_daemon_is_told_at_once_with_what_to_do)
{
        _cleanup_client_ struct client *client = client_new("/tmp/orch-test-no-such.sock");
        _cleanup_error_ struct error *error = NULL;
        json_t *answer = NULL;
        int64_t before = clock_monotonic_ms();
        cr_assert_eq(client_call(client, "/v1/status", NULL, &answer, &error), STATUS_NO_DAEMON);
        cr_assert_lt(clock_monotonic_ms() - before, 1000);
        cr_assert(strstr(error->message,
                         "cannot reach the orch daemon at /tmp/orch-test-no-such.sock: No such "
                         "file or directory (is it "
                         "running?"),
                  "%s", error->message);
}

/* A socket with nobody behind it, as a killed daemon leaves it. */
Test(client, a_socket_that_a_dead_daemon_left_is_told_as_refused)
{
        char folder[] = "/tmp/orch-test-XXXXXX";
        cr_assert_not_null(mkdtemp(folder));
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        close(fd);
        _cleanup_client_ struct client *client = client_new(address.sun_path);
        _cleanup_error_ struct error *error = NULL;
        json_t *answer = NULL;
        cr_assert_eq(client_call(client, "/v1/status", NULL, &answer, &error), STATUS_NO_DAEMON);
        cr_assert(strstr(error->message, "Connection refused (is it running?"), "%s",
                  error->message);
        unlink(address.sun_path);
        rmdir(folder);
}

/* A daemon that is stopped: the kernel still accepts for it. */
Test(client, a_mute_daemon_is_given_up)
{
        char folder[] = "/tmp/orch-test-XXXXXX";
        cr_assert_not_null(mkdtemp(folder));
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        cr_assert_eq(listen(fd, 4), 0);
        _cleanup_client_ struct client *client = client_new(address.sun_path);
        client_set_silence_ms(client, 200);
        _cleanup_error_ struct error *error = NULL;
        json_t *answer = NULL;
        cr_assert_eq(client_call(client, "/v1/status", NULL, &answer, &error), STATUS_NO_DAEMON);
        cr_assert_eq(error->kind, ERROR_TIMEOUT);
        cr_assert(strstr(error->message, "has sent nothing for"), "%s", error->message);
        unlink(address.sun_path);
        rmdir(folder);
}

struct seen {
        struct strbuf events; /* the kinds seen, with a comma after each */
        const char *stop_at;  /* CLIENT_STOP at this kind */
        const char *raise_at; /* raises SIGINT at this kind */
        bool interrupted;
};

static enum client_next note_line(const json_t *line, void *data)
{
        struct seen *seen = data;
        const char *event = value_text(line, "event");
        strbuf_addf(&seen->events, "%s,", event);
        if (streq(seen->raise_at, event))
                raise(SIGINT);
        return streq(seen->stop_at, event) ? CLIENT_STOP : CLIENT_GO_ON;
}

static void note_interrupt(void *data)
{
        ((struct seen *)data)->interrupted = true;
}

/* Streams what one answer scripts; returns the exit status. */
static int stream(const struct api_answer *answer, long silence_ms, struct seen *seen,
                  struct error **err)
{
        const struct api_answer answers[] = { *answer, { 0 } };
        _cleanup_api_server_ struct api_server *server = api_server_start(answers);
        _cleanup_client_ struct client *client = client_new(api_server_socket(server));
        client_set_silence_ms(client, silence_ms);
        const struct client_stream handler = { .on_line = note_line,
                                               .on_interrupt = note_interrupt,
                                               .data = seen };
        return client_stream(client, answer->path, NULL, &handler, err);
}

static void assert_stream(const struct api_chunk chunks[], int status, const char *events)
{
        const struct api_answer answer = { .path = "/s", .chunks = chunks };
        _cleanup_error_ struct error *error = NULL;
        struct seen seen = { 0 };
        int got = stream(&answer, 5000, &seen, &error);
        cr_expect_eq(got, status, "%d instead of %d: %s", got, status, error_message(error));
        cr_expect_str_eq(seen.events.data ? seen.events.data : "", events);
        strbuf_done(&seen.events);
}

Test(client, a_stream_comes_line_by_line_and_its_end_gives_the_exit_status)
{
        static const struct api_chunk one_piece[] = {
                { "{\"event\":\"a\"}\n{\"event\":\"b\"}\n{\"event\":\"end\",\"exit_status\":1}\n{"
                  "\"event\":\"late\"}\n",
                  0 },
                { 0 }
        };
        assert_stream(one_piece, 1, "a,b,end,");
        static const struct api_chunk torn[] = {
                { "{\"eve", 0 },
                { "nt\":\"a\"}", 20 },
                { "\n\n{\"event\":\"keepalive\"}\n{\"event\":", 20 },
                { "\"end\",\"exit_status\":0}\n", 20 },
                { 0 },
        };
        assert_stream(torn, 0, "a,end,");
        static const struct api_chunk odd_status[] = {
                { "{\"event\":\"end\",\"exit_status\":77}\n", 0 }, { 0 }
        };
        assert_stream(odd_status, 1, "end,");
        static const struct api_chunk no_status[] = { { "{\"event\":\"end\"}\n", 0 }, { 0 } };
        assert_stream(no_status, 1, "end,");
}

Test(client, lines_that_are_garbage_or_too_long_are_skipped)
{
        char *endless = xcalloc(3 * 1024 * 1024, 1);
        memset(endless, 'x', 3 * 1024 * 1024 - 2);
        endless[3 * 1024 * 1024 - 2] = '\n';
        const struct api_chunk chunks[] = {
                { "garbage\n[1]\n\"x\"\n{\"event\":\"a\"}\n", 0 },
                { endless, 0 },
                { "{\"event\":\"end\",\"exit_status\":0}\n", 0 },
                { 0 },
        };
        _cleanup_(capture_done) struct capture capture = { 0 };
        capture_begin(&capture);
        assert_stream(chunks, 0, "a,end,");
        capture_end(&capture);
        cr_assert(strstr(capture.errors, "not a JSON object"));
        cr_assert(strstr(capture.errors, "more than 1048576 bytes"));
        free(endless);
}

Test(client, a_stream_that_stops_before_its_end_means_that_the_daemon_went_away)
{
        static const struct api_chunk begun[] = { { "{\"event\":\"a\"}\n{\"event\":\"en", 0 },
                                                  { 0 } };
        static const struct api_answer ways[] = {
                /* closed in order, but without the end event */
                { .path = "/s", .chunks = begun },
                { .path = "/s", .chunks = begun, .breaks = true }, /* torn */
        };
        for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
                _cleanup_error_ struct error *error = NULL;
                struct seen seen = { 0 };
                cr_assert_eq(stream(&ways[i], 5000, &seen, &error), STATUS_NO_DAEMON);
                cr_assert_str_eq(seen.events.data, "a,");
                cr_assert(strstr(error->message, "stopped before it had answered"), "%s",
                          error->message);
                cr_assert(strstr(error->message, "`orch run` backs up what is still due"), "%s",
                          error->message);
                strbuf_done(&seen.events);
        }
}

Test(client, a_stream_that_falls_silent_is_given_up_but_a_slow_one_is_not)
{
        static const struct api_chunk slow[] = {
                { "{\"event\":\"keepalive\"}\n", 500 },
                { "{\"event\":", 500 },
                { "\"a\"}\n", 500 },
                { "{\"event\":\"end\",\"exit_status\":0}\n", 500 },
                { 0 },
        };
        const struct api_answer slow_answer = { .path = "/s", .chunks = slow };
        struct seen seen = { 0 };
        cr_assert_eq(stream(&slow_answer, 1500, &seen, NULL), STATUS_OK);
        strbuf_done(&seen.events);

        static const struct api_chunk begun[] = { { "{\"event\":\"a\"}\n", 0 }, { 0 } };
        const struct api_answer silent = { .path = "/s", .chunks = begun, .hangs = true };
        _cleanup_error_ struct error *error = NULL;
        struct seen then = { 0 };
        cr_assert_eq(stream(&silent, 300, &then, &error), STATUS_NO_DAEMON);
        cr_assert(strstr(error->message, "has sent nothing for"), "%s", error->message);
        strbuf_done(&then.events);
}

Test(client, a_refusal_of_a_stream_is_told_like_any_other)
{
        const struct api_answer answer = { .path = "/s",
                                           .status = 409,
                                           .json = "{\"error\":{\"kind\":\"refused\",\"message\":"
                                                   "\"a cycle runs\"},\"exit_status\":4}" };
        _cleanup_error_ struct error *error = NULL;
        struct seen seen = { 0 };
        cr_assert_eq(stream(&answer, 5000, &seen, &error), STATUS_REFUSED);
        cr_assert_str_eq(error->message, "a cycle runs");
        cr_assert_null(seen.events.data);
}

Test(client, ctrl_c_ends_the_call_at_once_and_not_the_process)
{
        static const struct api_chunk chunks[] = { { "{\"event\":\"a\"}\n", 0 }, { 0 } };
        const struct api_answer answer = { .path = "/s", .chunks = chunks, .hangs = true };
        _cleanup_error_ struct error *error = NULL;
        struct seen seen = { .raise_at = "a" };
        int64_t before = clock_monotonic_ms();
        cr_assert_eq(stream(&answer, 60000, &seen, &error), STATUS_INTERRUPTED);
        cr_assert_lt(clock_monotonic_ms() - before, 20000);
        cr_assert(seen.interrupted);
        cr_assert_null(error);
        strbuf_done(&seen.events);
}

Test(client, the_caller_can_stop_a_stream)
{
        static const struct api_chunk chunks[] = {
                { "{\"event\":\"a\"}\n{\"event\":\"b\"}\n{\"event\":\"end\"}\n", 0 }, { 0 }
        };
        const struct api_answer answer = { .path = "/s", .chunks = chunks, .hangs = true };
        struct seen seen = { .stop_at = "b" };
        cr_assert_eq(stream(&answer, 60000, &seen, NULL), STATUS_INTERRUPTED);
        cr_assert_str_eq(seen.events.data, "a,b,");
        cr_assert_not(seen.interrupted);
        strbuf_done(&seen.events);
}
