/* The whole object over a real sshd; libvirt's own "test" driver stands for a hypervisor. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "sshd.h"
#include "transports/libvirt/libvirt-call.h"
#include "transports/libvirt/libvirt-ssh.h"

TestSuite(libvirt_ssh, .timeout = 60);

struct host {
        struct sshd sshd;
        struct hypervisor *hypervisor;
};

static struct libvirt_ssh_options options_for(const struct sshd *sshd)
{
        return (struct libvirt_ssh_options){
                .name = "hypervisor-01",
                .address = "127.0.0.1",
                .port = sshd->port,
                .user = sshd->user,
                .key = sshd->key,
                .known_hosts = sshd->known_hosts,
                .uri = "test:///default",
        };
}

static void host_start(struct host *host)
{
        sshd_start(&host->sshd);
        struct libvirt_ssh_options options = options_for(&host->sshd);
        _cleanup_error_ struct error *error = NULL;
        host->hypervisor = libvirt_ssh_connect(&options, &error);
        cr_assert(host->hypervisor, "%s", error_message(error));
}

static void host_stop(struct host *host)
{
        hypervisor_free(host->hypervisor);
        sshd_stop(&host->sshd);
}
#define _cleanup_host_ __attribute__((cleanup(host_stop)))

/* All hypervisors of an inventory may be asked at once, each over several descriptors; what a
 * service may have open at first are 1024. */
Test(libvirt_ssh, many_hypervisors_at_once_are_not_too_many_files)
{
        enum { MANY = 14, FILES_AT_FIRST = 32 };
        struct sshd sshd;
        sshd_start(&sshd);
        struct rlimit files;
        cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
        files.rlim_cur = FILES_AT_FIRST;
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
        struct libvirt_ssh_options options = options_for(&sshd);
        struct hypervisor *hypervisors[MANY];
        for (int i = 0; i < MANY; i++) {
                _cleanup_error_ struct error *error = NULL;
                hypervisors[i] = libvirt_ssh_connect(&options, &error);
                cr_expect(hypervisors[i], "the connection %d: %s", i + 1, error_message(error));
        }
        for (int i = 0; i < MANY; i++)
                hypervisor_free(hypervisors[i]);
        sshd_stop(&sshd);
}

Test(libvirt_ssh, reads_domains)
{
        _cleanup_host_ struct host host;
        host_start(&host);
        struct hypervisor *hypervisor = host.hypervisor;
        cr_assert_str_eq(hypervisor->name, "hypervisor-01");
        cr_assert_str_eq(hypervisor->address, "127.0.0.1");

        struct hypervisor_versions versions = { 0 };
        cr_assert_eq(hypervisor->ops->versions(hypervisor, &versions, NULL), 0);
        cr_assert_geq(versions.libvirt, 9000000);

        _cleanup_strv_ char **uuids = NULL;
        cr_assert_eq(hypervisor->ops->list_domains(hypervisor, &uuids, NULL), 0);
        cr_assert_eq(strv_length(uuids), 1);

        _cleanup_domain_info_ struct domain_info by_name = { 0 }, by_uuid = { 0 }, none = { 0 };
        cr_assert_eq(hypervisor->ops->find_domain(hypervisor, NULL, "test", &by_name, NULL), 1);
        cr_assert_str_eq(by_name.uuid, uuids[0]);
        cr_assert_eq(by_name.state, DOMAIN_STATE_RUNNING);
        cr_assert_null(by_name.job);
        cr_assert_eq(hypervisor->ops->find_domain(hypervisor, uuids[0], NULL, &by_uuid, NULL), 1);
        cr_assert_str_eq(by_uuid.name, "test");
        cr_assert_eq(hypervisor->ops->find_domain(hypervisor, NULL, "nobody", &none, NULL), 0);
        cr_assert_eq(hypervisor->ops->find_domain(
                             hypervisor, "6695eb01-f6a4-8304-79aa-97f2502e193e", NULL, &none, NULL),
                     0);

        _cleanup_free_ char *xml = NULL;
        cr_assert_eq(hypervisor->ops->get_xml(hypervisor, uuids[0], true, false, &xml, NULL), 0);
        cr_assert(strstr(xml, "<name>test</name>"));
        _cleanup_strv_ char **snapshots = NULL;
        cr_assert_eq(hypervisor->ops->list_snapshots(hypervisor, uuids[0], &snapshots, NULL), 0);
        cr_assert(snapshots && !snapshots[0]);
}

static enum domain_state state_of(struct hypervisor *hypervisor, const char *uuid)
{
        _cleanup_domain_info_ struct domain_info info = { 0 };
        cr_assert_eq(hypervisor->ops->find_domain(hypervisor, uuid, NULL, &info, NULL), 1);
        return info.state;
}

Test(libvirt_ssh, changes_states_and_definitions)
{
        _cleanup_host_ struct host host;
        host_start(&host);
        struct hypervisor *hypervisor = host.hypervisor;
        const struct hypervisor_operations *ops = hypervisor->ops;
        _cleanup_free_ char *uuid = NULL;
        _cleanup_error_ struct error *error = NULL;
        int r = ops->define(hypervisor,
                            "<domain "
                            "type='test'><name>new</name><memory>1024</memory><os><type>hvm</"
                            "type></os></domain>",
                            &uuid, &error);
        cr_assert_eq(r, 0, "%s", error_message(error));
        cr_assert_eq(state_of(hypervisor, uuid), DOMAIN_STATE_SHUT_OFF);
        cr_assert_eq(ops->start(hypervisor, uuid, false, NULL), 0);
        cr_assert_eq(state_of(hypervisor, uuid), DOMAIN_STATE_RUNNING);
        cr_assert_eq(ops->suspend(hypervisor, uuid, NULL), 0);
        cr_assert_eq(state_of(hypervisor, uuid), DOMAIN_STATE_PAUSED);
        cr_assert_eq(ops->resume(hypervisor, uuid, NULL), 0);
        cr_assert_eq(ops->shutdown(hypervisor, uuid, NULL), 0);
        cr_assert_eq(state_of(hypervisor, uuid), DOMAIN_STATE_SHUT_OFF);
        cr_assert_eq(ops->start(hypervisor, uuid, false, NULL), 0);
        cr_assert_eq(state_of(hypervisor, uuid), DOMAIN_STATE_RUNNING);
        cr_assert_eq(ops->destroy(hypervisor, uuid, NULL), 0);
        cr_assert_eq(state_of(hypervisor, uuid), DOMAIN_STATE_SHUT_OFF);
}

Test(libvirt_ssh, errors_name_host_call_and_vm)
{
        _cleanup_host_ struct host host;
        host_start(&host);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(host.hypervisor->ops->suspend(host.hypervisor,
                                                   "6695eb01-f6a4-8304-79aa-97f2502e193e", &error),
                     -1);
        cr_assert(strstr(error->message,
                         "hypervisor-01: pausing of VM 6695eb01-f6a4-8304-79aa-97f2502e193e: "),
                  "%s", error->message);
        _cleanup_error_ struct error *no_base = NULL;
        cr_assert_eq(host.hypervisor->ops->block_commit(host.hypervisor,
                                                        "6695eb01-f6a4-8304-79aa-97f2502e193e",
                                                        "vda", NULL, "/top", 0, &no_base),
                     -1);
        cr_assert(strstr(no_base->message, "explicit base"));
}

/* Without an address of its own a hypervisor is reached under its name: the SSH layer has said it
 * already. */
Test(libvirt_ssh, a_host_is_named_once)
{
        static const struct {
                const char *name;
                const char *begins;
        } cases[] = { { "127.0.0.1", "127.0.0.1: cannot connect" },
                      { "hypervisor-01", "hypervisor-01: 127.0.0.1: cannot connect" } };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_host_ struct host host;
                sshd_start(&host.sshd);
                struct libvirt_ssh_options options = options_for(&host.sshd);
                options.name = cases[i].name;
                _cleanup_error_ struct error *error = NULL;
                host.hypervisor = libvirt_ssh_connect(&options, &error);
                cr_assert(host.hypervisor, "%s", error_message(error));
                kill(host.sshd.pid, SIGTERM);
                waitpid(host.sshd.pid, NULL, 0);
                host.sshd.pid = 0;
                cr_assert_eq(host.hypervisor->ops->reconnect(host.hypervisor, &error), -1);
                cr_expect(str_starts_with(error->message, cases[i].begins), "%s", error->message);
                _cleanup_error_ struct error *later = NULL;
                const char *const argv[] = { "true", NULL };
                cr_assert_eq(hypervisor_run(host.hypervisor, argv, 5000, NULL, &later), -1);
                cr_expect(str_starts_with(later->message, cases[i].begins), "%s", later->message);
        }
}

Test(libvirt_ssh, runs_commands_with_every_byte_quoted)
{
        _cleanup_host_ struct host host;
        host_start(&host);
        const char *const argv[] = { "printf", "%s|", "a b", "$(id)", "`id`",
                                     "'",      "\"",  "x;y", "",      NULL };
        _cleanup_free_ char *output = NULL;
        cr_assert_eq(hypervisor_run(host.hypervisor, argv, 10000, &output, NULL), 0);
        cr_assert_str_eq(output, "a b|$(id)|`id`|'|\"|x;y||");
}

Test(libvirt_ssh, a_command_that_is_late_is_stopped_with_its_unit)
{
        _cleanup_host_ struct host host;
        host_start(&host);
        struct hypervisor *hypervisor = host.hypervisor;
        _cleanup_free_ char *unit = xasprintf("test-late-%d", (int)getpid());
        _cleanup_free_ char *mark = xasprintf("orch-test-mark-%d", (int)getpid());
        /* does not match itself */
        _cleanup_free_ char *pattern = xasprintf("[o]rch-test-mark-%d", (int)getpid());
        const char *const argv[] = { "sh", "-c", "sleep 30; true", mark, NULL };
        struct exec_options options = { .timeout_ms = 2500, .unit = unit };
        struct exec_result result = { 0 };
        _cleanup_error_ struct error *error = NULL;
        int64_t since = clock_monotonic_ms();
        cr_assert_eq(hypervisor->ops->exec(hypervisor, argv, &options, &result, &error), -1);
        cr_assert_eq(error->kind, ERROR_TIMEOUT);
        cr_assert_null(strstr(error->message, "could not be stopped"), "%s", error->message);
        cr_assert_lt(clock_monotonic_ms() - since, 15000);

        const char *const look[] = { "sh", "-c", "grep -al -- \"$0\" /proc/[0-9]*/cmdline | wc -l",
                                     pattern, NULL };
        _cleanup_free_ char *left = NULL;
        _cleanup_error_ struct error *look_error = NULL;
        cr_assert_eq(hypervisor_run(hypervisor, look, 10000, &left, &look_error), 0, "%s",
                     error_message(look_error)); /* reconnects */
        cr_assert_str_eq(left, "0");
}

Test(libvirt_ssh, stop_unit_of_nothing_is_fine)
{
        _cleanup_host_ struct host host;
        host_start(&host);
        cr_assert_eq(host.hypervisor->ops->stop_unit(host.hypervisor, "test-never-was", NULL), 0);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(host.hypervisor->ops->stop_unit(host.hypervisor, "../x", &error), -1);
}

Test(libvirt_ssh, reconnects_by_itself_for_a_command_and_on_demand_for_both)
{
        _cleanup_host_ struct host host;
        host_start(&host);
        struct hypervisor *hypervisor = host.hypervisor;
        const char *const suicide[] = { "sh", "-c", "kill -KILL $PPID; sleep 1", NULL };
        const char *const fine[] = { "true", NULL };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(hypervisor_run(hypervisor, suicide, 10000, NULL, &error), -1);
        cr_assert_eq(error->kind, ERROR_UNREACHABLE);
        cr_assert_eq(hypervisor_run(hypervisor, fine, 10000, NULL, NULL), 0);
        cr_assert_eq(hypervisor->ops->reconnect(hypervisor, NULL), 0);
        cr_assert_eq(hypervisor_run(hypervisor, fine, 10000, NULL, NULL), 0);
        struct hypervisor_versions versions;
        cr_assert_eq(hypervisor->ops->versions(hypervisor, &versions, NULL), 0);
}

Test(libvirt_ssh, a_command_that_may_have_run_is_not_run_again)
{
        _cleanup_host_ struct host host;
        host_start(&host);
        _cleanup_free_ char *file = xasprintf("%s/runs", host.sshd.directory);
        const char *const once[] = { "sh", "-c", "echo run >> \"$0\"; kill -KILL $PPID; sleep 1",
                                     file, NULL };
        const char *const count[] = { "grep", "-c", "run", file, NULL };
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(hypervisor_run(host.hypervisor, once, 10000, NULL, &error), -1);
        cr_assert_eq(error->kind, ERROR_UNREACHABLE);
        _cleanup_free_ char *runs = NULL;
        cr_assert_eq(hypervisor_run(host.hypervisor, count, 10000, &runs, NULL), 0);
        cr_assert_str_eq(runs, "1");
}

Test(libvirt_ssh, connect_errors_name_the_hypervisor)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        struct libvirt_ssh_options options = options_for(&sshd);
        options.known_hosts = sshd.changed_hosts;
        _cleanup_error_ struct error *error = NULL;
        cr_assert_null(libvirt_ssh_connect(&options, &error));
        cr_assert_eq(error->kind, ERROR_AUTH);
        cr_assert(str_starts_with(error->message,
                                  "hypervisor-01: 127.0.0.1: its host key has CHANGED"),
                  "%s", error->message);
}

/* A daemon's socket on which nobody ever answers. */
static int mute_daemon(char *ret_uri, size_t size)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "/tmp/orch-test-mute-%d",
                 (int)getpid());
        unlink(address.sun_path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0);
        snprintf(ret_uri, size, "qemu+unix:///system?socket=%s", address.sun_path);
        return fd;
}

Test(libvirt_ssh, a_mute_libvirt_does_not_hold_us_beyond_the_deadline)
{
        cr_assert_eq(libvirt_ssh_init(NULL), 0);
        char uri[256];
        int fd = mute_daemon(uri, sizeof uri);
        int64_t since = clock_monotonic_ms();
        _cleanup_error_ struct error *error = NULL;
        cr_assert_null(libvirt_connection_open(uri, NULL, 400, 400, &error));
        cr_assert_eq(error->kind, ERROR_TIMEOUT, "%s", error->message);
        cr_assert_lt(clock_monotonic_ms() - since, 15000);
        close(fd); /* ends the call that was left behind */
        unlink(strchr(uri, '=') + 1);
        usleep(300 * 1000);
}

Test(libvirt_ssh, a_tunnel_to_a_mute_libvirt_is_cut_at_the_deadline)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        cr_assert_eq(libvirt_ssh_init(NULL), 0);
        struct ssh_target target = sshd_target(&sshd);
        struct ssh_connection *connection = ssh_connection_open(&target, 15000, NULL);
        cr_assert(connection);
        struct ssh_tunnel *tunnel =
                ssh_tunnel_open(connection, "echo nobody home >&2; sleep 30", 15000, NULL);
        cr_assert(tunnel);
        _cleanup_free_ char *uri =
                xasprintf("qemu+unix:///system?socket=%s", ssh_tunnel_path(tunnel));
        int64_t since = clock_monotonic_ms();
        _cleanup_error_ struct error *error = NULL;
        cr_assert_null(libvirt_connection_open(uri, tunnel, 2500, 2500, &error));
        cr_assert_eq(error->kind, ERROR_TIMEOUT, "%s", error->message);
        cr_assert(strstr(error->message, "nobody home"), "%s", error->message);
        cr_assert_lt(clock_monotonic_ms() - since, 20000);
}
