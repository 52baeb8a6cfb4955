/* Words to systemd, received by a socket of the test's. */
#include "daemon/loop/sd-notify.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/memory.h"

static int listen_at(const char *name)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        memcpy(address.sun_path, name, strlen(name));
        if (name[0] == '@')
                address.sun_path[0] = '\0';
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
        cr_assert_eq(bind(fd, (struct sockaddr *)&address, length), 0);
        setenv("NOTIFY_SOCKET", name, 1);
        return fd;
}

Test(sd_notify, reaches_a_path_and_an_abstract_name)
{
        _cleanup_free_ char *path = xasprintf("/tmp/orch-notify-test-%d", (int)getpid());
        _cleanup_free_ char *abstract = xasprintf("@orch-notify-test-%d", (int)getpid());
        const char *const names[] = { path, abstract };
        for (size_t i = 0; i < 2; i++) {
                _cleanup_close_ int fd = listen_at(names[i]);
                char text[600] = "";
                sd_notify_send("READY=1");
                cr_assert_eq(recv(fd, text, sizeof text, 0), 7);
                cr_assert_str_eq(text, "READY=1");
                sd_notify_status("two\nlines %d", 5);
                cr_assert_gt(recv(fd, text, sizeof text, 0), 0);
                cr_assert_str_eq(text, "STATUS=two lines 5");
        }
        unlink(path);
}

Test(sd_notify, the_watchdog_is_ours_only_with_our_pid)
{
        cr_assert_eq(sd_notify_watchdog_ms(), 0);
        setenv("WATCHDOG_USEC", "20000000", 1);
        cr_assert_eq(sd_notify_watchdog_ms(), 10000);
        setenv("WATCHDOG_PID", "1", 1);
        cr_assert_eq(sd_notify_watchdog_ms(), 0);
        _cleanup_free_ char *pid = xasprintf("%d", (int)getpid());
        setenv("WATCHDOG_PID", pid, 1);
        cr_assert_eq(sd_notify_watchdog_ms(), 10000);
}
