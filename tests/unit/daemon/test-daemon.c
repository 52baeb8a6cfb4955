/* The daemon as a whole: start, backups with scripted workers, stop. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "rig.h"

Test(daemon, starts_backs_up_by_priority_and_stops)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "zz-1", "ok-2", "aa-3", NULL });
        json_t *status = rig_get(&rig, "/v1/status");
        cr_assert_eq(number_of(status, "pid"), rig.pid);
        json_decref(status);

        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        json_decref(call_until(&call, "started", "zz-1", 10000));
        json_decref(call_until(&call, "result", "aa-3", 20000));
        cr_assert_eq(call_finish(&call, 10000), 0);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history, "start backup zz-1,end backup zz-1,start backup ok-2,end backup "
                                  "ok-2,start backup aa-3,end backup aa-3");

        json_t *points = rig_get(&rig, "/v1/points");
        cr_assert_eq(json_array_size(points), 3);
        cr_assert_str_eq(text_of(json_array_get(points, 0), "status"), "ok");
        json_decref(points);
        cr_assert_eq(rig_stop(&rig, SIGTERM), 0);
        _cleanup_free_ char *socket = xasprintf("%s/socket", rig.folder);
        cr_assert_lt(access(socket, F_OK), 0, "the socket is still there");
        rig_done(&rig);
}

static bool metrics_answer(int port, const char *path, const char *wanted)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons((uint16_t)port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        char text[32768] = "";
        size_t length = 0;
        dprintf(fd, "GET %s HTTP/1.0\r\n\r\n", path);
        for (ssize_t n; (n = read(fd, text + length, sizeof text - 1 - length)) > 0;)
                length += (size_t)n;
        return strstr(text, wanted) != NULL;
}

Test(daemon, gives_its_metrics_and_nothing_else_by_network)
{
        struct rig rig;
        int port = 20000 + getpid() % 12000; /* below those that the kernel gives out */
        _cleanup_free_ char *settings = xasprintf("metrics: { listen: \"127.0.0.1:%d\" }\n", port);
        rig_begin(&rig, settings, (const char *const[]){ "ok-1", NULL });
        json_decref(rig_get(&rig, "/v1/status"));
        cr_assert(metrics_answer(port, "/metrics", "\norch_up 1\n"));
        cr_assert(metrics_answer(port, "/v1/status", "404"));
        rig_end(&rig);
}

/* READY=1 when it can be asked, WATCHDOG=1 while it lives, STOPPING=1 at its end. */
Test(daemon, tells_the_service_manager)
{
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig_set_vms(&rig, (const char *const[]){ "ok-1", NULL });
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", rig.folder);
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        setenv("NOTIFY_SOCKET", address.sun_path, 1);
        setenv("WATCHDOG_USEC", "200000", 1);
        rig_launch(&rig);
        static const char *const wanted[] = { "READY=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1" };
        for (size_t i = 0; i < ARRAY_LENGTH(wanted);) {
                char text[600] = "";
                struct pollfd readable = { .fd = fd, .events = POLLIN };
                cr_assert_eq(poll(&readable, 1, 10000), 1, "no %s", wanted[i]);
                cr_assert_gt(recv(fd, text, sizeof text - 1, 0), 0);
                if (streq(text, wanted[i]) && ++i == 3)
                        kill(rig.pid, SIGTERM);
        }
        cr_assert_eq(rig_wait(&rig), 0);
        rig_done(&rig);
}
