/* Implements rig.h: a daemon in a process of its own, with a worker that does as it is told. */
#include "rig.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../repository/share-fixture.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"

void rig_write(struct rig *rig, const char *name, const char *text)
{
        _cleanup_free_ char *path = path_join(rig->folder, name);
        cr_assert_eq(fs_write_file(path, 0640, text, strlen(text), NULL), 0);
}

char *rig_read(struct rig *rig, const char *name)
{
        _cleanup_free_ char *path = path_join(rig->folder, name);
        char *text = fs_read_file(path, 64 << 20, NULL, NULL);
        return text ? text : xstrdup("");
}

void rig_prepare(struct rig *rig, const char *more_settings)
{
        repository_free(share_repository(64));
        *rig = (struct rig){ .folder = "/tmp/orch-daemon-test-XXXXXX" };
        cr_assert(mkdtemp(rig->folder));
        _cleanup_free_ char *settings =
                xasprintf("repository: { path: " SHARE ", fstype: any }\n"
                          "inventory: vm-list.yaml\n"
                          "socket: %s/socket\n"
                          "daemon: { state: %s/state, on_stop: cancel }\n%s",
                          rig->folder, rig->folder, more_settings ? more_settings : "");
        rig_write(rig, "orch.yaml", settings);
}

void rig_set_vms(struct rig *rig, const char *const names[])
{
        _cleanup_strbuf_ struct strbuf text = { 0 };
        strbuf_add(&text, "vms:\n");
        for (size_t i = 0; names[i]; i++)
                strbuf_addf(&text,
                            "  - { name: %s, hypervisor: host-1, method: quiesce, priority: %zu, "
                            "schedule: daily }\n",
                            names[i], (i + 1) * 10);
        rig_write(rig, "vm-list.yaml", text.data);
}

void rig_launch(struct rig *rig)
{
        _cleanup_free_ char *settings = path_join(rig->folder, "orch.yaml");
        _cleanup_free_ char *worker = xasprintf("worker=%s", getenv("FAKE_WORKER"));
        _cleanup_free_ char *log = path_join(rig->folder, "daemon.log");
        _cleanup_free_ char *worker_log = path_join(rig->folder, "worker.log");
        const char *argv[16] = { getenv("RUN_DAEMON"), settings, worker };
        for (size_t i = 0; rig->options && rig->options[i]; i++)
                argv[3 + i] = rig->options[i];
        setenv("FAKE_LOG", worker_log, 1);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log,
                                         O_WRONLY | O_CREAT | O_APPEND, 0600);
        int r = posix_spawn(&rig->pid, argv[0], &actions, NULL, (char *const *)argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        cr_assert_eq(r, 0, "%s: %s", argv[0], strerror(r));
}

static int connect_to(struct rig *rig)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", rig->folder);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
                return fd;
        close(fd);
        return -1;
}

void rig_start(struct rig *rig)
{
        rig_launch(rig);
        for (int i = 0; i < 3000; i++) {
                _cleanup_close_ int fd = connect_to(rig);
                if (fd >= 0) {
                        /* The socket is there a little before the daemon has read its files. */
                        json_decref(rig_get(rig, "/v1/status"));
                        return;
                }
                usleep(20000);
        }
        _cleanup_free_ char *log = rig_read(rig, "daemon.log");
        cr_assert_fail("the daemon does not answer: %s", log);
}

int rig_wait(struct rig *rig)
{
        int status = 0;
        for (int i = 0; i < 3000; i++) {
                pid_t ended = waitpid(rig->pid, &status, WNOHANG);
                if (ended == rig->pid) {
                        rig->pid = 0;
                        if (WIFSIGNALED(status))
                                return 128 + WTERMSIG(status);
                        if (WEXITSTATUS(status)) {
                                _cleanup_free_ char *log = rig_read(rig, "daemon.log");
                                fprintf(stderr, "%s", log);
                        }
                        return WEXITSTATUS(status);
                }
                usleep(20000);
        }
        return -1;
}

int rig_stop(struct rig *rig, int signal)
{
        kill(rig->pid, signal);
        return rig_wait(rig);
}

void rig_done(struct rig *rig)
{
        if (rig->pid > 0) {
                kill(rig->pid, SIGKILL);
                waitpid(rig->pid, NULL, 0);
        }
        cr_assert_eq(fs_remove_tree_at(AT_FDCWD, rig->folder, NULL), 0);
        share_unmount();
}

void rig_begin(struct rig *rig, const char *more_settings, const char *const names[])
{
        rig_prepare(rig, more_settings);
        rig_set_vms(rig, names);
        rig_start(rig);
}

void rig_begin_with(struct rig *rig, const char **options, const char *const names[])
{
        rig_prepare(rig, NULL);
        rig->options = options;
        rig_set_vms(rig, names);
        rig_start(rig);
}

void rig_end(struct rig *rig)
{
        cr_assert_eq(rig_stop(rig, SIGTERM), 0);
        rig_done(rig);
}

void call_open(struct rig *rig, struct call *call, const char *method, const char *path,
               const char *body)
{
        *call = (struct call){ .fd = connect_to(rig) };
        cr_assert_geq(call->fd, 0, "connect: %s", strerror(errno));
        _cleanup_free_ char *text =
                xasprintf("%s %s HTTP/1.0\r\nHost: orch\r\nContent-Length: %zu\r\n\r\n%s", method,
                          path, body ? strlen(body) : 0, body ? body : "");
        cr_assert_eq(fs_write_all(call->fd, text, strlen(text), NULL), 0);
}

static bool read_more(struct call *call, int64_t timeout_ms)
{
        struct pollfd readable = { .fd = call->fd, .events = POLLIN };
        if (timeout_ms <= 0 || poll(&readable, 1, (int)timeout_ms) != 1)
                return false;
        char chunk[65536];
        ssize_t n = read(call->fd, chunk, sizeof chunk);
        if (n <= 0) {
                call->ended = true;
                return false;
        }
        strbuf_append(&call->in, chunk, (size_t)n);
        return true;
}

/* Takes the head of the answer off, once it is there. */
static bool read_head(struct call *call, struct deadline deadline)
{
        while (!call->status) {
                char *end = call->in.data ? strstr(call->in.data, "\r\n\r\n") : NULL;
                if (!end) {
                        if (!read_more(call, deadline_left_ms(deadline)))
                                return false;
                        continue;
                }
                cr_assert_eq(sscanf(call->in.data, "HTTP/1.%*d %d", &call->status), 1, "%s",
                             call->in.data);
                strbuf_consume(&call->in, (size_t)(end - call->in.data) + 4);
        }
        return true;
}

json_t *call_line(struct call *call, int64_t timeout_ms)
{
        struct deadline deadline = deadline_in_ms(timeout_ms);
        while (read_head(call, deadline)) {
                char *newline =
                        call->in.length ? memchr(call->in.data, '\n', call->in.length) : NULL;
                if (newline) {
                        size_t length = (size_t)(newline - call->in.data);
                        json_t *json = json_loadb(call->in.data, length, 0, NULL);
                        cr_assert(json, "not JSON: %.*s", (int)length, call->in.data);
                        strbuf_consume(&call->in, length + 1);
                        return json;
                }
                if (!read_more(call, deadline_left_ms(deadline)))
                        return NULL;
        }
        return NULL;
}

const char *text_of(const json_t *json, const char *name)
{
        const char *text = json_string_value(json_object_get(json, name));
        return text ? text : "";
}

int64_t number_of(const json_t *json, const char *name)
{
        const json_t *value = json_object_get(json, name);
        return json_is_integer(value) ? json_integer_value(value) : -1;
}

/* What has to come is waited for longer on a machine that is busy with other things. */
enum { PATIENCE = 4 };

json_t *call_until(struct call *call, const char *event, const char *vm, int64_t timeout_ms)
{
        struct deadline deadline = deadline_in_ms(PATIENCE * timeout_ms);
        for (json_t *line; (line = call_line(call, deadline_left_ms(deadline)));) {
                if (streq(text_of(line, "event"), event) && (!vm || streq(text_of(line, "vm"), vm)))
                        return line;
                json_decref(line);
        }
        cr_assert_fail("no event \"%s\" of %s came", event, vm ? vm : "anything");
        return NULL;
}

int call_finish(struct call *call, int64_t timeout_ms)
{
        json_t *line = call_until(call, "end", NULL, timeout_ms);
        int exit_status = (int)number_of(line, "exit_status");
        json_decref(line);
        json_t *more = call_line(call, 2000);
        cr_assert_null(more, "a line after the end");
        cr_assert(call->ended, "the stream does not end after its end line");
        call_close(call);
        return exit_status;
}

void call_close(struct call *call)
{
        closep(&call->fd);
        strbuf_done(&call->in);
}

json_t *rig_call(struct rig *rig, const char *method, const char *path, const char *body,
                 int *ret_status)
{
        struct call call;
        call_open(rig, &call, method, path, body);
        struct deadline deadline = deadline_in_ms(30000);
        cr_assert(read_head(&call, deadline), "no answer to %s %s", method, path);
        while (read_more(&call, deadline_left_ms(deadline)))
                ;
        *ret_status = call.status;
        json_t *json = call.in.length ? json_loadb(call.in.data, call.in.length, 0, NULL) : NULL;
        call_close(&call);
        return json;
}

static json_t *call_wanting(struct rig *rig, const char *method, const char *path, const char *body,
                            int wanted)
{
        int status = 0;
        json_t *json = rig_call(rig, method, path, body, &status);
        char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
        cr_assert_eq(status, wanted, "%s %s: %d %s", path, body ? body : "", status,
                     text ? text : "");
        free(text);
        return json;
}

json_t *rig_get(struct rig *rig, const char *path)
{
        return call_wanting(rig, "GET", path, NULL, 200);
}

json_t *rig_post(struct rig *rig, const char *path, const char *body, int wanted)
{
        return call_wanting(rig, "POST", path, body, wanted);
}

int rig_run(struct rig *rig, const char *path, const char *body)
{
        struct call call;
        call_open(rig, &call, "POST", path, body);
        return call_finish(&call, 60000);
}

char *rig_history(struct rig *rig)
{
        _cleanup_free_ char *log = rig_read(rig, "worker.log");
        struct strbuf out = { 0 };
        char *rest = log;
        for (char *line; (line = strsep(&rest, "\n"));) {
                char *last = strrchr(line, ' ');
                if (!last)
                        continue;
                *last = '\0';
                strbuf_addf(&out, "%s%s", out.length ? "," : "", line);
        }
        return strbuf_take(&out);
}

size_t count_of(const char *text, const char *words)
{
        size_t count = 0;
        for (const char *at = text; (at = strstr(at, words)); at += strlen(words))
                count++;
        return count;
}

void rig_wait_for_history(struct rig *rig, const char *words, size_t times)
{
        for (int i = 0; i < 1500; i++) {
                _cleanup_free_ char *history = rig_history(rig);
                if (count_of(history, words) >= times)
                        return;
                usleep(20000);
        }
        _cleanup_free_ char *history = rig_history(rig);
        cr_assert_fail("no \"%s\" in %s", words, history);
}

pid_t rig_worker_pid(struct rig *rig, const char *vm)
{
        _cleanup_free_ char *log = rig_read(rig, "daemon.log");
        _cleanup_free_ char *words = xasprintf("backup of %s started (worker ", vm);
        pid_t pid = 0;
        for (const char *at = log; (at = strstr(at, words)); at += strlen(words))
                pid = (pid_t)atoi(at + strlen(words));
        cr_assert_gt(pid, 0, "no worker of %s in %s", vm, log);
        return pid;
}
