/* Connections to a real sshd: host keys and logins. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "sshd.h"
#include "transports/ssh/ssh-exec.h"

TestSuite(ssh_connection, .timeout = 60);

/* Opens it, which must fail; returns the error. */
static struct error *refusal(struct ssh_target target, int64_t timeout_ms)
{
        struct error *error = NULL;
        _cleanup_(ssh_connection_freep) struct ssh_connection *connection =
                ssh_connection_open(&target, timeout_ms, &error);
        cr_assert_null(connection);
        cr_assert(error);
        return error;
}

static void assert_says(const struct error *error, const char *words)
{
        cr_assert(strstr(error->message, words), "'%s' is not in: %s", words, error->message);
}

Test(ssh_connection, opens_with_the_right_keys)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        struct ssh_target target = sshd_target(&sshd);
        _cleanup_error_ struct error *error = NULL;
        _cleanup_(ssh_connection_freep) struct ssh_connection *connection =
                ssh_connection_open(&target, 10000, &error);
        cr_assert(connection, "%s", error_message(error));
        cr_assert_not(ssh_connection_is_lost(connection));
}

Test(ssh_connection, refuses_an_unknown_host_and_says_what_to_type)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        struct ssh_target target = sshd_target(&sshd);
        target.known_hosts = sshd.unknown_hosts;
        _cleanup_error_ struct error *error = refusal(target, 10000);
        cr_assert_eq(error->kind, ERROR_AUTH);
        _cleanup_free_ char *type =
                xasprintf("ssh-keyscan -p %u 127.0.0.1 >> %s", sshd.port, sshd.unknown_hosts);
        assert_says(error, type);
        assert_says(error, "SHA256:");
        assert_says(error, "not known");
}

Test(ssh_connection, refuses_a_host_when_the_file_is_missing)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        struct ssh_target target = sshd_target(&sshd);
        target.known_hosts = "/nonexistent/known_hosts";
        _cleanup_error_ struct error *error = refusal(target, 10000);
        cr_assert_eq(error->kind, ERROR_AUTH);
        assert_says(error, "/nonexistent/known_hosts");
}

Test(ssh_connection, refuses_a_changed_host_key)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        struct ssh_target target = sshd_target(&sshd);
        target.known_hosts = sshd.changed_hosts;
        _cleanup_error_ struct error *error = refusal(target, 10000);
        cr_assert_eq(error->kind, ERROR_AUTH);
        assert_says(error, "CHANGED");
        assert_says(error, sshd.changed_hosts);
        assert_says(error, "ssh-keygen -f");
}

Test(ssh_connection, refuses_a_host_known_by_a_key_of_another_type)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        _cleanup_free_ char *line =
                xasprintf("[127.0.0.1]:%u ecdsa-sha2-nistp256 "
                          "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7"
                          "opKgwFB9nkt5"
                          "YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=\n",
                          sshd.port);
        FILE *file = fopen(sshd.changed_hosts, "w");
        cr_assert(file && fputs(line, file) >= 0 && fclose(file) == 0);
        struct ssh_target target = sshd_target(&sshd);
        target.known_hosts = sshd.changed_hosts;
        _cleanup_error_ struct error *error = refusal(target, 10000);
        cr_assert_eq(error->kind, ERROR_AUTH, "%s", error->message);
}

Test(ssh_connection, refuses_a_key_that_the_server_does_not_accept)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        struct ssh_target target = sshd_target(&sshd);
        target.key = sshd.other_key;
        _cleanup_error_ struct error *error = refusal(target, 10000);
        cr_assert_eq(error->kind, ERROR_AUTH);
        assert_says(error, sshd.other_key);
        assert_says(error, "authorized_keys");
}

Test(ssh_connection, names_a_key_file_that_cannot_be_used)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        struct ssh_target target = sshd_target(&sshd);
        target.key = "/nonexistent/id_ed25519";
        _cleanup_error_ struct error *missing = refusal(target, 10000);
        cr_assert_eq(missing->kind, ERROR_CONFIG);
        assert_says(missing, "/nonexistent/id_ed25519");
        target.key = sshd.known_hosts;
        _cleanup_error_ struct error *no_key = refusal(target, 10000);
        cr_assert_eq(no_key->kind, ERROR_CONFIG);
}

Test(ssh_connection, is_unreachable_where_nobody_listens)
{
        unsigned port;
        close(silent_server(&port));
        struct ssh_target target = { .address = "127.0.0.1",
                                     .port = port,
                                     .user = "root",
                                     .key = "/k",
                                     .known_hosts = "/h" };
        int64_t since = clock_monotonic_ms();
        _cleanup_error_ struct error *error = refusal(target, 10000);
        cr_assert_eq(error->kind, ERROR_UNREACHABLE);
        cr_assert_lt(clock_monotonic_ms() - since, 5000);
        assert_says(error, "127.0.0.1");
}

Test(ssh_connection, does_not_wait_for_a_silent_server_beyond_the_deadline)
{
        unsigned port;
        int fd = silent_server(&port);
        struct ssh_target target = { .address = "127.0.0.1",
                                     .port = port,
                                     .user = "root",
                                     .key = "/k",
                                     .known_hosts = "/h" };
        int64_t since = clock_monotonic_ms();
        _cleanup_error_ struct error *error = refusal(target, 500);
        cr_assert_eq(error->kind, ERROR_TIMEOUT, "%s", error->message);
        cr_assert_geq(clock_monotonic_ms() - since, 450);
        cr_assert_lt(clock_monotonic_ms() - since, 15000);
        close(fd);
}

Test(ssh_connection, says_when_a_name_cannot_be_resolved)
{
        struct ssh_target target = { .address = "no-such-host.invalid",
                                     .port = 22,
                                     .user = "root",
                                     .key = "/k",
                                     .known_hosts = "/h" };
        _cleanup_error_ struct error *error = refusal(target, 15000);
        cr_assert(error->kind == ERROR_UNREACHABLE || error->kind == ERROR_TIMEOUT);
        assert_says(error, "no-such-host.invalid");
}
