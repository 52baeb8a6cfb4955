/* Without a server: what is refused before anything is sent, what an answer means, what gives an
 * address away. Against a real server that records, delays, refuses and breaks off:
 * tests/integration/test_notify.py. */
#include "transports/webhook.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

static struct webhook_result post(const char *address, const char *body, int64_t timeout_ms,
                                  bool (*cancelled)(void *))
{
        _cleanup_(secret_freep) struct secret *secret = secret_new(address);
        struct webhook_request request = {
                .address = secret, .body = body, .timeout_ms = timeout_ms, .cancelled = cancelled
        };
        struct webhook_result result;
        webhook_post(&request, &result);
        return result;
}

Test(webhook, answers_are_classified)
{
        static const struct {
                long status;
                enum webhook_outcome outcome;
        } cases[] = {
                { 200, WEBHOOK_ACCEPTED }, { 204, WEBHOOK_ACCEPTED }, { 301, WEBHOOK_REFUSED },
                { 400, WEBHOOK_REFUSED },  { 403, WEBHOOK_REFUSED },  { 404, WEBHOOK_REFUSED },
                { 408, WEBHOOK_RETRY },    { 410, WEBHOOK_REFUSED },  { 425, WEBHOOK_RETRY },
                { 429, WEBHOOK_RETRY },    { 500, WEBHOOK_RETRY },    { 503, WEBHOOK_RETRY },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                cr_assert_eq(webhook_classify(cases[i].status), cases[i].outcome, "%ld",
                             cases[i].status);
}

Test(webhook, only_https_is_spoken)
{
        static const char *const addresses[] = { "http://127.0.0.1:9/s3cretpath",
                                                 "ftp://127.0.0.1/s3cretpath",
                                                 "file:///etc/passwd",
                                                 "s3cretpath",
                                                 "https://",
                                                 "https://ho st/s3cretpath" };
        for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
                _cleanup_webhook_result_ struct webhook_result result =
                        post(addresses[i], "{}", 2000, NULL);
                cr_assert_eq(result.outcome, WEBHOOK_REFUSED, "%s: %s", addresses[i], result.error);
                cr_assert_null(strstr(result.error, "s3cretpath"));
                cr_assert_null(strstr(result.error, "passwd"));
        }
}

Test(webhook, a_body_that_is_too_long_is_refused)
{
        _cleanup_free_ char *body = xmalloc(WEBHOOK_BODY_MAX_BYTES + 2);
        memset(body, 'x', WEBHOOK_BODY_MAX_BYTES + 1);
        body[WEBHOOK_BODY_MAX_BYTES + 1] = '\0';
        _cleanup_webhook_result_ struct webhook_result result =
                post("https://127.0.0.1:9/", body, 2000, NULL);
        cr_assert_eq(result.outcome, WEBHOOK_REFUSED);
        cr_assert_str_eq(result.error, "the message is too long");
}

/* A port that takes connections and never says a word. */
static int listen_mute(char **ret_address)
{
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t length = sizeof address;
        cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 &&
                  listen(fd, 4) == 0);
        cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
        *ret_address = xasprintf("https://127.0.0.1:%u/s3cretpath", ntohs(address.sin_port));
        return fd;
}

Test(webhook, nobody_there_may_pass)
{
        _cleanup_free_ char *address = NULL;
        close(listen_mute(&address));
        _cleanup_webhook_result_ struct webhook_result result = post(address, "{}", 20000, NULL);
        cr_assert_eq(result.outcome, WEBHOOK_RETRY);
        cr_assert(str_starts_with(result.error, "no connection: "), "%s", result.error);
        cr_assert_null(strstr(result.error, "127.0.0.1"));
}

Test(webhook, a_mute_server_costs_the_deadline)
{
        _cleanup_free_ char *address = NULL;
        _cleanup_close_ int fd = listen_mute(&address);
        int64_t begun = clock_monotonic_ms();
        _cleanup_webhook_result_ struct webhook_result result = post(address, "{}", 1000, NULL);
        cr_assert_eq(result.outcome, WEBHOOK_RETRY);
        cr_assert_str_eq(result.error, "the server did not answer in time");
        cr_assert_lt(clock_monotonic_ms() - begun, 15000);
}

static bool yes(void *data)
{
        (void)data;
        return true;
}

Test(webhook, a_cancel_ends_it)
{
        _cleanup_free_ char *address = NULL;
        _cleanup_close_ int fd = listen_mute(&address);
        int64_t begun = clock_monotonic_ms();
        _cleanup_webhook_result_ struct webhook_result result = post(address, "{}", 60000, yes);
        cr_assert_eq(result.outcome, WEBHOOK_RETRY);
        cr_assert_lt(clock_monotonic_ms() - begun, 30000);
}

Test(webhook, what_gives_an_address_away)
{
        _cleanup_(secret_freep) struct secret *address =
                secret_new("https://hooks.example.com/services/T0AB/XyZ123456?token=abcdefgh");
        static const char *const telling[] = { "no such hook: XyZ123456", "abcdefgh",
                                               "see hooks.example.com", "/services/" };
        for (size_t i = 0; i < ARRAY_LENGTH(telling); i++)
                cr_assert(webhook_text_tells(telling[i], address), "%s", telling[i]);
        static const char *const harmless[] = { "", "invalid_payload", "T0AB", "ok", "token" };
        for (size_t i = 0; i < ARRAY_LENGTH(harmless); i++)
                cr_assert_not(webhook_text_tells(harmless[i], address), "%s", harmless[i]);
}
