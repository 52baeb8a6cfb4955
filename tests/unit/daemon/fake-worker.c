/* A worker that plays a part instead of backing anything up: the daemon's supervision is what is
 * tested with it. The part is the VM's name up to its last dash ("dies-1" plays "dies"). Each start
 * and each end is a line in $FAKE_LOG, so that a test sees order and overlap. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/config/settings.h"
#include "schema/records/messages.h"

static struct job_request *request;
static volatile sig_atomic_t terminated;

static void on_term(int signal)
{
        (void)signal;
        terminated = 1;
}

static void note(const char *what)
{
        const char *path = getenv("FAKE_LOG");
        int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
        if (fd < 0)
                return;
        dprintf(fd, "%s %s %s %s\n", what, job_action_name(request->action),
                request->vm ? request->vm : request->hypervisor,
                request->pinned_uuid ? request->pinned_uuid : "-");
        close(fd);
}

static void say(struct event *event)
{
        char *text = event_format(event);
        char *line = xasprintf("%s\n", text);
        if (fs_write_all(STDOUT_FILENO, line, strlen(line), NULL) < 0)
                terminated = 1;
        free(text);
        free(line);
        event_free(event);
}

static void step(const char *name)
{
        struct event *event = event_new(EVENT_STEP);
        event->step = xstrdup(name);
        event->state = STEP_BEGIN;
        say(event);
}

static void progress(uint64_t done)
{
        struct event *event = event_new(EVENT_PROGRESS);
        event->disk = xstrdup("vda");
        event->done_bytes = done;
        event->total_bytes = 1 << 20;
        say(event);
}

static void result(const char *status, enum error_kind kind, const char *error)
{
        struct event *event = event_new(EVENT_RESULT);
        event->status = xstrdup(status);
        event->error_kind = kind;
        event->error = xstrdup(error);
        say(event);
}

/* Every VM has a UUID of its own; "renewed" ones get another each time. */
static char *uuid_of(const char *vm)
{
        unsigned hash = 5381;
        for (const char *c = vm; *c; c++)
                hash = hash * 33 + (unsigned char)*c;
        if (str_starts_with(vm, "renewed"))
                hash ^= (unsigned)getpid();
        return xasprintf("%08x-1111-4222-8333-444455556666", hash);
}

enum { DISK_BYTES = 4096 };

static struct metadata *make_metadata(const char *hypervisor, const char *point)
{
        struct metadata *metadata = metadata_new();
        metadata->orch_version = xstrdup(ORCH_VERSION);
        metadata->repository_uuid = xstrdup(request->repository_uuid);
        metadata->vm = xstrdup(request->vm);
        metadata->domain = xstrdup(request->vm);
        metadata->uuid = uuid_of(request->vm);
        metadata->hypervisor = xstrdup(hypervisor);
        metadata->ran_on = xstrdup(hypervisor);
        metadata->point = xstrdup(point);
        metadata->job = xstrdup(request->job);
        metadata->trigger = xstrdup(request->trigger);
        metadata->method = xstrdup("quiesce");
        metadata->method_used = xstrdup("quiesce");
        metadata->level = xstrdup("full");
        metadata->consistency = xstrdup("filesystem");
        metadata->started = request->started;
        metadata->finished = clock_realtime_s();
        metadata->snapshot_at = request->started;
        metadata->freeze_milliseconds = 41;
        metadata->compression = xstrdup("none");
        metadata->machine = xstrdup("pc-q35-7.2");
        metadata->arch = xstrdup("x86_64");
        metadata->libvirt_version = xstrdup("9.0.0");
        metadata->qemu_version = xstrdup("7.2.22");
        metadata->status = xstrdup("ok");
        struct metadata_disk *disk = metadata_add_disk(metadata);
        disk->target = xstrdup("vda");
        disk->file = xasprintf("%s-vda.qcow2", request->vm);
        disk->source_path = xstrdup("/var/lib/libvirt/images/a.qcow2");
        disk->source_format = xstrdup("qcow2");
        disk->source_type = xstrdup("file");
        disk->bus = xstrdup("virtio");
        disk->sha256 = xstrdup("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        disk->virtual_bytes = 1 << 20;
        disk->stored_bytes = DISK_BYTES;
        return metadata;
}

static const char *value_after(const char *text, const char *key)
{
        static char value[256];
        const char *at = strstr(text, key);
        if (!at || sscanf(at + strlen(key), " %255[^\n, }]", value) != 1)
                return "";
        return value;
}

/* Retention as it follows a backup: all other points of the VM go. */
static void remove_others(const char *root, const char *point)
{
        _cleanup_free_ char *vm_folder = xasprintf("%s/host-1/%s", root, request->vm);
        _cleanup_free_ char *command = xasprintf("ls %s | grep -v %s", vm_folder, point);
        char name[64] = "";
        FILE *names = popen(command, "r");
        while (names && fscanf(names, "%63s", name) == 1) {
                _cleanup_free_ char *folder = path_join(vm_folder, name);
                struct event *removed = event_new(EVENT_REMOVED);
                struct event *changed = event_new(EVENT_STATE);
                (void)!fs_remove_tree_at(AT_FDCWD, folder, NULL);
                removed->text = xstrdup(name);
                changed->path = xasprintf("host-1/%s/%s", request->vm, name);
                say(removed);
                say(changed);
        }
        if (names)
                pclose(names);
}

/* A published point, as far as a reader of the share looks, and a result that tells of it. */
static void succeed(void)
{
        if (request->action != JOB_BACKUP) {
                result("ok", ERROR_INTERNAL, NULL);
                return;
        }
        _cleanup_free_ char *root = xstrdup(value_after(request->settings_text, "path:"));
        _cleanup_free_ char *point = clock_format_folder(request->started);
        _cleanup_free_ char *path = xasprintf("host-1/%s/%s", request->vm, point);
        _cleanup_free_ char *folder = path_join(root, path);
        _cleanup_(metadata_freep) struct metadata *metadata = make_metadata("host-1", point);
        _cleanup_free_ char *text = metadata_format(metadata);
        _cleanup_free_ char *file = path_join(folder, "backup-metadata.json");
        _cleanup_free_ char *disk = path_join(folder, metadata->disks[0].file);
        static const char zeros[DISK_BYTES] = "";
        if (fs_make_dirs(folder, NULL) < 0 ||
            fs_write_file(file, 0640, text, strlen(text), NULL) < 0 ||
            fs_write_file(disk, 0600, zeros, sizeof zeros, NULL) < 0) {
                result("failed", ERROR_NOSPACE, "the share can't be written");
                return;
        }
        if (str_starts_with(request->vm, "pruning-"))
                remove_others(root, point);
        struct event *event = event_new(EVENT_RESULT);
        event->status = xstrdup("ok");
        event->path = xstrdup(path);
        event->metadata = json_loads(text, 0, NULL);
        say(event);
}

/* Gives the newest point of a VM this state on the share, and tells of it, so many times. */
static void change_state(const char *vm, const struct point_state *state, int times)
{
        _cleanup_free_ char *root = xstrdup(value_after(request->settings_text, "path:"));
        _cleanup_free_ char *command = xasprintf("ls %s/host-1/%s | tail -n 1", root, vm);
        char point[64] = "";
        FILE *names = popen(command, "r");
        if (!names || fscanf(names, "%63s", point) != 1)
                return;
        pclose(names);
        _cleanup_free_ char *text = point_state_format(state);
        _cleanup_free_ char *file = xasprintf("%s/host-1/%s/%s/state.json", root, vm, point);
        (void)!fs_write_file(file, 0640, text, strlen(text), NULL);
        for (int i = 0; i < times; i++) {
                struct event *event = event_new(EVENT_STATE);
                event->path = xasprintf("host-1/%s/%s", vm, point);
                event->point_state = point_state_to_json(state);
                say(event);
        }
}

static void tell_damage(const char *vm)
{
        const struct point_state state = { .damaged = true, .damage = (char *)"a bit has flipped" };
        change_state(vm, &state, 1);
}

/* Works for a while; true when it was cancelled meanwhile. */
static bool work(int tenths)
{
        for (int i = 0; i < tenths; i++) {
                struct pollfd life_line = { .fd = STDIN_FILENO, .events = POLLIN };
                char byte;
                if (poll(&life_line, 1, 100) == 1 && read(STDIN_FILENO, &byte, 1) == 0) {
                        note("orphaned");
                        return true;
                }
                if (terminated)
                        return true;
                progress((uint64_t)i);
        }
        return false;
}

/* A verification: of "rotten-1" finds damage, that of "liar-1" tells of a VM that is none of its
 * business, that of "plodding-1" goes on until it is cancelled, that of "busy-1" tells more than
 * can be recorded at once. */
static int play_verification(void)
{
        const struct point_state unchanged = { 0 };
        if (str_starts_with(request->vm, "busy-"))
                change_state(request->vm, &unchanged, 1000);
        if (str_starts_with(request->vm, "rotten-"))
                tell_damage(request->vm);
        if (str_starts_with(request->vm, "liar-"))
                tell_damage("ok-2");
        if (str_starts_with(request->vm, "plodding-") && work(100000))
                result("cancelled", ERROR_CANCELLED, "cancelled");
        else if (str_starts_with(request->vm, "rotten-"))
                result("failed", ERROR_CORRUPT, "1 damaged");
        else
                succeed();
        return 0;
}

/* A test-restore: "dead-1" does not boot. */
static int play_test_restore(void)
{
        bool dead = str_starts_with(request->vm, "dead-");
        const struct point_state state = {
                .proof_at = clock_realtime_s(),
                .proven = dead ? 0 : clock_realtime_s(),
                .proof = (char *)(dead ? "not-bootable" : "booted"),
        };
        change_state(request->vm, &state, 1);
        result(dead ? "failed" : "ok", ERROR_CORRUPT, dead ? "is NOT BOOTABLE" : NULL);
        return 0;
}

static void sleep_for_ever(void)
{
        for (;;)
                pause();
}

static int play_garbage(void)
{
        static const char garbage[] = "not "
                                      "json\n{\"type\":\"step\"}\n\n\0\0\n[]\n{\"type\":\"result\","
                                      "\"time_ms\":1,\"status\":\"splendid\"}\n";
        (void)!write(STDOUT_FILENO, garbage, sizeof garbage - 1);
        _cleanup_free_ char *line = xmalloc(2 << 20);
        memset(line, 'x', 2 << 20);
        (void)!fs_write_all(STDOUT_FILENO, line, 2 << 20, NULL);
        (void)!write(STDOUT_FILENO, "\n", 1);
        (void)!fs_write_all(STDERR_FILENO, line, 100000, NULL);
        dprintf(STDERR_FILENO, "\n<4>a warning from the worker\n");
        succeed();
        return 0;
}

static int play_flood(void)
{
        for (int i = 0; i < 20000 && !terminated; i++)
                progress((uint64_t)i);
        succeed();
        return 0;
}

static int play_chatty(void)
{
        _cleanup_free_ char *text = xmalloc(1001);
        memset(text, 'c', 1000);
        text[1000] = '\0';
        for (int i = 0; i < 3000 && !terminated; i++) {
                struct event *event = event_new(EVENT_LOG);
                event->text = xstrdup(text);
                say(event);
                usleep(400); /* a client that does read keeps up, also on a busy machine */
        }
        succeed();
        return 0;
}

/* A backup whose VM could not be put back; its recovery succeeds the second time. "leaves-thaw" is
 * one whose undoing of `thaw` failed. */
static int play_leaves(const char *part)
{
        _cleanup_free_ char *marker = xasprintf("%s.%s", getenv("FAKE_LOG"), request->vm);
        bool first = access(marker, F_OK) < 0;
        if (request->action == JOB_RECOVER && first)
                close(open(marker, O_CREAT | O_CLOEXEC, 0600));
        if (request->action == JOB_RECOVER && !first) {
                succeed();
                return 0;
        }
        struct event *event = event_new(EVENT_STEP);
        event->step =
                xstrdup(str_starts_with(part, "leaves-") ? part + strlen("leaves-") : "commit");
        event->state = STEP_FAILED;
        say(event);
        result("failed", request->action == JOB_RECOVER ? ERROR_UNREACHABLE : ERROR_INTERNAL,
               "host-1 went away");
        return 0;
}

/* A backup that dies, and its recovery, which goes on until it is cancelled; the next one is
 * quick. */
static int play_convalescent(void)
{
        _cleanup_free_ char *marker = xasprintf("%s.%s", getenv("FAKE_LOG"), request->vm);
        if (request->action != JOB_RECOVER)
                return 3;
        if (access(marker, F_OK) < 0 && close(open(marker, O_CREAT | O_CLOEXEC, 0600)) == 0 &&
            work(100000))
                result("cancelled", ERROR_CANCELLED, "cancelled");
        else
                succeed();
        return 0;
}

/* An instant restore: after a while its VM runs, and it only watches until it is cancelled. */
static int play_pull(void)
{
        bool cancelled = work(15);
        note("pull");
        step("pull");
        if (cancelled || work(100000))
                result("cancelled", ERROR_CANCELLED, "cancelled");
        return 0;
}

static int play(const char *part)
{
        if (request->action == JOB_VERIFY)
                return play_verification();
        if (request->action == JOB_TEST_RESTORE)
                return play_test_restore();
        if (request->action == JOB_RESTORE && str_starts_with(request->vm, "pulls-"))
                return play_pull();
        if (streq(part, "convalescent"))
                return play_convalescent();
        if (streq(part, "dies"))
                return 3;
        if (streq(part, "killed"))
                raise(SIGKILL);
        if (streq(part, "hangs") || streq(part, "deaf"))
                sleep_for_ever();
        if (streq(part, "leaves") || str_starts_with(part, "leaves-"))
                return play_leaves(part);
        if (streq(part, "garbage"))
                return play_garbage();
        if (streq(part, "flood"))
                return play_flood();
        if (streq(part, "chatty"))
                return play_chatty();
        if (streq(part, "lingers")) {
                succeed();
                sleep_for_ever();
        }
        bool cancelled = streq(part, "slow")                                  ? work(15)
                         : streq(part, "endless") || streq(part, "reluctant") ? work(100000)
                                                                              : work(1);
        _cleanup_free_ char *marker = xasprintf("%s.%s", getenv("FAKE_LOG"), request->vm);
        if (cancelled && streq(part, "reluctant"))
                sleep(2);
        if (cancelled)
                result("cancelled", ERROR_CANCELLED, "cancelled");
        else if (streq(part, "unreachable"))
                result("failed", ERROR_UNREACHABLE, "no route to host-1");
        else if (streq(part, "once") && access(marker, F_OK) < 0 &&
                 close(open(marker, O_CREAT | O_CLOEXEC, 0600)) == 0)
                result("failed", ERROR_TIMEOUT, "too slow this time");
        else if (streq(part, "wrong"))
                result("failed", ERROR_REFUSED, "this VM has a foreign snapshot");
        else if (streq(part, "off"))
                result("skipped", ERROR_INTERNAL, "the VM is off");
        else
                succeed();
        return 0;
}

int main(void)
{
        static char line[8 << 20];
        if (!fgets(line, sizeof line, stdin))
                return 2;
        _cleanup_error_ struct error *error = NULL;
        request = job_request_parse(line, strlen(line), &error);
        if (!request) {
                fprintf(stderr, "%s\n", error->message);
                return 2;
        }
        const char *name = request->vm ? request->vm : request->hypervisor;
        const char *dash = strrchr(name, '-');
        _cleanup_free_ char *part = request->action == JOB_BACKUP ||
                                                    str_starts_with(name, "leaves-") ||
                                                    str_starts_with(name, "convalescent-")
                                            ? xstrndup(name, (size_t)(dash - name))
                                            : xstrdup("ok");
        struct sigaction action = { .sa_handler = streq(part, "deaf") ? SIG_IGN : on_term };
        if (!streq(part, "hangs"))
                sigaction(SIGTERM, &action, NULL);
        signal(SIGPIPE, SIG_IGN);
        note("start");
        step("locate");
        int status = play(part);
        note("end");
        job_request_free(request);
        return status;
}
