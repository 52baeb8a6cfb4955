/* The control API at its edges: what is refused and how, who may use it, what it tells. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "rig.h"

static struct rig rig;

static void set_up(void)
{
        rig_begin(&rig, NULL, (const char *const[]){ "ok-1", "web-server-2", NULL });
}

static void tear_down(void)
{
        rig_end(&rig);
}

TestSuite(api, .init = set_up, .fini = tear_down);

static void assert_refused(const char *method, const char *path, const char *body, int wanted,
                           int exit_status, const char *said)
{
        int status = 0;
        json_t *json = rig_call(&rig, method, path, body, &status);
        const char *message = text_of(json_object_get(json, "error"), "message");
        cr_assert_eq(status, wanted, "%s %s: %d %s", method, path, status, message);
        cr_assert_eq(number_of(json, "exit_status"), exit_status, "%s %s", method, path);
        cr_assert(strstr(message, said), "%s %s: %s", method, path, message);
        json_decref(json);
}

Test(api, refuses_with_a_sentence)
{
        assert_refused("GET", "/v1/nothing", NULL, 404, 2, "does not know");
        assert_refused("GET", "/v1/run", NULL, 405, 2, "method");
        assert_refused("POST", "/v1/status", "{}", 405, 2, "method");
        assert_refused("POST", "/v1/run", "{\"al\":true}", 400, 2, "nearest: 'all'");
        assert_refused("POST", "/v1/run", "{\"all\":1}", 400, 2, "all");
        assert_refused("POST", "/v1/run", "{\"all\":true,\"all\":true}", 400, 2, "duplicate");
        assert_refused("POST", "/v1/run", "[]", 400, 2, "object");
        assert_refused("POST", "/v1/run", "{", 400, 2, "");
        assert_refused("POST", "/v1/backup", "{}", 400, 2, "vms");
        assert_refused("POST", "/v1/backup", "{\"vms\":[]}", 400, 2, "vms");
        assert_refused("POST", "/v1/backup", "{\"vms\":[\"web-sever-2\"]}", 400, 2,
                       "nearest: 'web-server-2'");
        assert_refused("POST", "/v1/backup", "{\"vms\":[\"../../etc\"]}", 400, 2,
                       "no VM '../../etc'");
        assert_refused("POST", "/v1/backup", "{\"vms\":[\"x; touch pwned\\n\"]}", 400, 2, "no VM");
        assert_refused("POST", "/v1/backup", "{\"vms\":[\"db-*\"]}", 400, 2, "matches 'db-*'");
        assert_refused("POST", "/v1/backup", "{\"vms\":[\"ok-1\"],\"method\":\"snapshto\"}", 400, 2,
                       "nearest: snapshot");
        assert_refused("POST", "/v1/backup", "{\"vms\":[\"ok-1\"],\"level\":\"complete\"}", 400, 2,
                       "expected full");
        assert_refused("POST", "/v1/hypervisors/check", "{\"names\":[\"host-l\"]}", 400, 2,
                       "nearest: 'host-1'");
        assert_refused("GET", "/v1/points?vm=../x", NULL, 400, 2, "letters");
        assert_refused("GET", "/v1/points?vn=x", NULL, 400, 2, "nearest: 'vm'");
        assert_refused("GET", "/v1/points/ok-1/latest", NULL, 400, 2, "no good point");
        assert_refused("GET", "/v1/points/ok-1/2020", NULL, 400, 2, "no point '2020'");
        assert_refused("GET", "/v1/points/..%2f..%2fetc/latest", NULL, 404, 2, "does not know");
        assert_refused("GET", "/v1/jobs/nobody/log", NULL, 404, 2, "no job 'nobody'");
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history, "", "something ran all the same");
}

Test(api, refuses_a_body_that_is_too_large)
{
        _cleanup_free_ char *body = xmalloc((2 << 20) + 1);
        memset(body, ' ', 2 << 20);
        body[2 << 20] = '\0';
        assert_refused("POST", "/v1/run", body, 413, 2, "1 MiB");
}

Test(api, shows_points_jobs_and_hypervisors)
{
        struct call call;
        call_open(&rig, &call, "POST", "/v1/backup", "{\"vms\":[\"ok-1\"]}");
        json_t *queued = call_until(&call, "queued", "ok-1", 10000);
        _cleanup_free_ char *job = xstrdup(text_of(queued, "job"));
        json_decref(queued);
        cr_assert_eq(call_finish(&call, 10000), 0);

        json_t *point = rig_get(&rig, "/v1/points/ok-1/latest");
        cr_assert_str_eq(text_of(point, "vm"), "ok-1");
        cr_assert_str_eq(text_of(json_object_get(point, "metadata"), "job"), job);
        _cleanup_free_ char *by_prefix =
                xasprintf("/v1/points/ok-1/%.12s", text_of(point, "point"));
        json_t *same = rig_get(&rig, by_prefix);
        cr_assert(json_equal(point, same));
        json_decref(same);
        json_decref(point);
        json_t *points = rig_get(&rig, "/v1/points?vm=web-server-2");
        cr_assert_eq(json_array_size(points), 0);
        json_decref(points);

        const char *const words[] = { job, "ok-1" };
        for (size_t i = 0; i < 2; i++) {
                _cleanup_free_ char *path = xasprintf("/v1/jobs/%s/log?follow=1", words[i]);
                call_open(&rig, &call, "GET", path, NULL);
                json_t *line = call_until(&call, "queued", "ok-1", 5000);
                cr_assert_str_eq(text_of(line, "job"), job);
                json_decref(line);
                json_decref(call_until(&call, "step", "ok-1", 5000));
                json_decref(call_until(&call, "result", "ok-1", 5000));
                cr_assert_eq(call_finish(&call, 5000), 0);
        }

        call_open(&rig, &call, "POST", "/v1/hypervisors/check", "{}");
        json_t *result = call_until(&call, "result", NULL, 10000);
        cr_assert_str_eq(text_of(result, "hypervisor"), "host-1");
        json_decref(result);
        cr_assert_eq(call_finish(&call, 10000), 0);
        json_t *hypervisors = rig_get(&rig, "/v1/hypervisors");
        json_t *first = json_array_get(hypervisors, 0);
        cr_assert_eq(number_of(first, "vms"), 2);
        cr_assert(json_is_true(json_object_get(json_object_get(first, "last"), "ok")));
        json_decref(hypervisors);
}

Test(api, tells_metrics)
{
        struct call call;
        call_open(&rig, &call, "POST", "/v1/backup", "{\"vms\":[\"ok-1\"]}");
        cr_assert_eq(call_finish(&call, 10000), 0);
        call_open(&rig, &call, "GET", "/metrics", NULL);
        char text[16384] = "";
        size_t length = 0;
        for (ssize_t n; (n = read(call.fd, text + length, sizeof text - 1 - length)) > 0;)
                length += (size_t)n;
        call_close(&call);
        static const char *const wanted[] = { "orch_up 1\n",
                                              "orch_vm_freeze_seconds{vm=\"ok-1\"} 0.041\n",
                                              "orch_vm_stored_bytes{vm=\"ok-1\"} 4096\n",
                                              "orch_failures_total{kind=\"timeout\"} 0\n",
                                              "orch_repository_available 1\n",
                                              "orch_queue_length 0\n" };
        for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++)
                cr_assert(strstr(text, wanted[i]), "no %s in %s", wanted[i], text);
}

Test(api, is_for_root_the_daemon_and_the_group_of_the_socket)
{
        _cleanup_free_ char *socket_path = xasprintf("%s/socket", rig.folder);
        struct stat st;
        cr_assert_eq(stat(socket_path, &st), 0);
        cr_assert_eq(st.st_mode & 07777, 0660);
        /* Somebody opens it up to everyone: strangers still stay out. */
        cr_assert_eq(chmod(rig.folder, 0755), 0);
        cr_assert_eq(chmod(socket_path, 0666), 0);
        pid_t stranger = fork();
        if (stranger == 0) {
                if (setgid(65533) < 0 || setuid(65533) < 0)
                        _exit(1);
                int status = 0;
                json_decref(rig_call(&rig, "GET", "/v1/status", NULL, &status));
                _exit(status == 403 ? 0 : 2);
        }
        int status = 0;
        waitpid(stranger, &status, 0);
        cr_assert_eq(status, 0);
}

Test(api, keeps_alive_and_many_clients_do_not_hurt)
{
        struct call calls[100];
        for (size_t i = 0; i < ARRAY_LENGTH(calls); i++)
                call_open(&rig, &calls[i], "GET", "/v1/status", NULL);
        size_t answered = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
                char byte;
                answered += read(calls[i].fd, &byte, 1) == 1;
                call_close(&calls[i]);
        }
        cr_assert_geq(answered, 60);
        json_decref(rig_get(&rig, "/v1/status"));
}

/* Half a request, garbage, and a peer that hangs up in the middle. */
Test(api, survives_clients_that_do_not_speak_http)
{
        static const char *const texts[] = {
                "",
                "\r\n\r\n",
                "GET",
                "POST /v1/run HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
                "\x16\x03\x01\x02",
                "GET /v1/status HTTP/9.9\r\n\r\n"
        };
        for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
                struct sockaddr_un address = { .sun_family = AF_UNIX };
                snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", rig.folder);
                _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
                cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
                (void)!write(fd, texts[i], strlen(texts[i]));
        }
        json_decref(rig_get(&rig, "/v1/status"));
}
