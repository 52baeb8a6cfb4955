/* Bytes through a real sshd and a socket of ours. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "sshd.h"
#include "transports/ssh/ssh-tunnel.h"

TestSuite(ssh_tunnel, .timeout = 60);

static struct ssh_tunnel *open_tunnel(const struct sshd *sshd, const char *command)
{
        struct ssh_target target = sshd_target(sshd);
        _cleanup_error_ struct error *error = NULL;
        struct ssh_connection *connection = ssh_connection_open(&target, 15000, &error);
        cr_assert(connection, "%s", error_message(error));
        struct ssh_tunnel *tunnel = ssh_tunnel_open(connection, command, 15000, &error);
        cr_assert(tunnel, "%s", error_message(error));
        return tunnel;
}

static int connect_to(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        return fd;
}

Test(ssh_tunnel, carries_bytes_both_ways)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        _cleanup_(ssh_tunnel_freep) struct ssh_tunnel *tunnel = open_tunnel(&sshd, "cat");
        _cleanup_close_ int fd = connect_to(ssh_tunnel_path(tunnel));
        for (unsigned i = 0; i < 300; i++) {
                char sent[20011], back[sizeof sent];
                memset(sent, (int)(i % 256), sizeof sent);
                cr_assert_eq(send(fd, sent, sizeof sent, 0), (ssize_t)sizeof sent);
                cr_assert_eq(recv(fd, back, sizeof back, MSG_WAITALL), (ssize_t)sizeof back);
                cr_assert_eq(memcmp(sent, back, sizeof back), 0);
        }
}

Test(ssh_tunnel, a_cut_is_an_end_of_file_at_once)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        _cleanup_(ssh_tunnel_freep) struct ssh_tunnel *tunnel = open_tunnel(&sshd, "sleep 20");
        _cleanup_close_ int fd = connect_to(ssh_tunnel_path(tunnel));
        int64_t since = clock_monotonic_ms();
        _cleanup_free_ char *said = ssh_tunnel_cut(tunnel);
        char c;
        cr_assert_leq(recv(fd, &c, 1, 0), 0);
        cr_assert_lt(clock_monotonic_ms() - since, 10000);
        cr_assert_str_eq(said, "");
}

Test(ssh_tunnel, ends_with_its_command_and_tells_what_that_said)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        _cleanup_(ssh_tunnel_freep) struct ssh_tunnel *tunnel =
                open_tunnel(&sshd, "echo last words; echo no daemon >&2; exit 1");
        _cleanup_close_ int fd = connect_to(ssh_tunnel_path(tunnel));
        char text[64] = { 0 };
        cr_assert_eq(recv(fd, text, 11, MSG_WAITALL), 11);
        cr_assert_str_eq(text, "last words\n");
        cr_assert_eq(recv(fd, text, 1, 0), 0);
        _cleanup_free_ char *said = ssh_tunnel_cut(tunnel);
        cr_assert_str_eq(said, "the remote end reported: no daemon ");
}

Test(ssh_tunnel, leaves_no_path_behind)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        struct ssh_tunnel *tunnel = open_tunnel(&sshd, "cat");
        _cleanup_free_ char *path = xstrdup(ssh_tunnel_path(tunnel));
        _cleanup_free_ char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
        struct stat st;
        cr_assert_eq(stat(folder, &st), 0);
        cr_assert_eq(st.st_mode & 0777, 0700);
        ssh_tunnel_unlink(tunnel);
        cr_assert_neq(access(folder, F_OK), 0);
        ssh_tunnel_free(tunnel);
}

Test(ssh_tunnel, takes_no_other_process)
{
        _cleanup_sshd_ struct sshd sshd;
        sshd_start(&sshd);
        _cleanup_(ssh_tunnel_freep) struct ssh_tunnel *tunnel = open_tunnel(&sshd, "cat");
        pid_t pid = fork();
        if (pid == 0) {
                int fd = connect_to(ssh_tunnel_path(tunnel));
                char c = 'x';
                (void)!send(fd, &c, 1, MSG_NOSIGNAL);
                _exit(recv(fd, &c, 1, 0) == 1 ? 1 : 0);
        }
        int status;
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        _cleanup_close_ int fd = connect_to(ssh_tunnel_path(tunnel)); /* the place is still free */
        char c = 'y';
        cr_assert_eq(send(fd, &c, 1, 0), 1);
        cr_assert_eq(recv(fd, &c, 1, 0), 1);
        cr_assert_eq(c, 'y');
}
