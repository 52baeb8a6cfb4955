/* Implements sshd.h. What goes wrong here is a fault of the test's surroundings: it fails the
 * test. */
#include "sshd.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

static void make_key(const char *path)
{
        const char *const argv[] = {
                "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path, NULL
        };
        _cleanup_child_result_ struct child_result result = { 0 };
        cr_assert_eq(child_run(argv, &(struct child_options){ .timeout_ms = 20000 }, &result, NULL),
                     0);
        cr_assert_eq(result.status, 0, "%s", result.errors);
}

static void write_file(const char *path, const char *text)
{
        cr_assert_eq(fs_write_file(path, 0600, text, strlen(text), NULL), 0, "%s", path);
}

/* A known_hosts line for the server with the key in `public_key`. */
static void write_known_hosts(const struct sshd *sshd, const char *path, const char *public_key)
{
        _cleanup_free_ char *key = fs_read_file(public_key, 4096, NULL, NULL);
        cr_assert(key);
        _cleanup_free_ char *line = xasprintf("[127.0.0.1]:%u %s", sshd->port, key);
        write_file(path, line);
}

static int listen_somewhere(unsigned *ret_port)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t length = sizeof address;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                  listen(fd, 5) == 0 && getsockname(fd, (struct sockaddr *)&address, &length) == 0);
        *ret_port = ntohs(address.sin_port);
        return fd;
}

int silent_server(unsigned *ret_port)
{
        return listen_somewhere(ret_port);
}

static bool answers(unsigned port)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                       .sin_port = htons((uint16_t)port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool up = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
        return up;
}

static void run_sshd(const char *config, const char *log)
{
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* also when the test is aborted */
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-e", "-f", config, (char *)NULL);
        _exit(127);
}

void sshd_start(struct sshd *sshd)
{
        *sshd = (struct sshd){ 0 };
        char directory[] = "/tmp/orch-test-XXXXXX";
        cr_assert(mkdtemp(directory));
        sshd->directory = xstrdup(directory);
        sshd->user = xstrdup(getpwuid(getuid())->pw_name);
        sshd->key = path_join(directory, "client");
        sshd->other_key = path_join(directory, "other-client");
        sshd->known_hosts = path_join(directory, "known_hosts");
        sshd->unknown_hosts = path_join(directory, "unknown_hosts");
        sshd->changed_hosts = path_join(directory, "changed_hosts");
        _cleanup_free_ char *host_key = path_join(directory, "host");
        _cleanup_free_ char *config = path_join(directory, "sshd_config");
        _cleanup_free_ char *log = path_join(directory, "sshd.log");
        close(listen_somewhere(&sshd->port));

        make_key(sshd->key);
        make_key(sshd->other_key);
        make_key(host_key);
        _cleanup_free_ char *host_public = xasprintf("%s.pub", host_key);
        _cleanup_free_ char *other_public = xasprintf("%s.pub", sshd->other_key);
        write_known_hosts(sshd, sshd->known_hosts, host_public);
        write_known_hosts(sshd, sshd->changed_hosts, other_public);
        write_file(sshd->unknown_hosts, "");
        _cleanup_free_ char *text = xasprintf(
                "ListenAddress 127.0.0.1:%u\nHostKey %s\nAuthorizedKeysFile %s.pub\nStrictModes "
                "no\nUsePAM no\n"
                "PermitRootLogin prohibit-password\nPasswordAuthentication no\nPidFile none\n"
                "KbdInteractiveAuthentication no\nMaxStartups 100\n",
                sshd->port, host_key, sshd->key);
        write_file(config, text);
        /* sshd as root wants it; it is there already where sshd is a service */
        mkdir("/run/sshd", 0755);
        sshd->pid = fork();
        cr_assert(sshd->pid >= 0);
        if (sshd->pid == 0)
                run_sshd(config, log);
        struct deadline deadline = deadline_in_ms(20000);
        while (!answers(sshd->port) && !deadline_passed(deadline))
                usleep(20000);
        if (!answers(sshd->port)) {
                _cleanup_free_ char *said = fs_read_file(log, 65536, NULL, NULL);
                cr_assert_fail("sshd does not answer: %s", said ? said : "");
        }
}

void sshd_stop(struct sshd *sshd)
{
        if (sshd->pid > 0) {
                kill(sshd->pid, SIGTERM);
                waitpid(sshd->pid, NULL, 0);
        }
        if (sshd->directory)
                cr_expect_eq(fs_remove_tree_at(AT_FDCWD, sshd->directory, NULL), 0);
        free(sshd->directory);
        free(sshd->key);
        free(sshd->other_key);
        free(sshd->known_hosts);
        free(sshd->unknown_hosts);
        free(sshd->changed_hosts);
        free(sshd->user);
}

struct ssh_target sshd_target(const struct sshd *sshd)
{
        return (struct ssh_target){
                .address = "127.0.0.1",
                .port = sshd->port,
                .user = sshd->user,
                .key = sshd->key,
                .known_hosts = sshd->known_hosts,
        };
}
