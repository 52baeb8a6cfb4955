/* Implements transports/guest-files/guest-files.h: the process that supervises.
 *
 * The process with libguestfs, the appliance's QEMU and libguestfs' helpers are one process group.
 * SIGTERM ends it first: the programs that libguestfs started die, the call that waits for them
 * fails, and libguestfs removes its temporary folders. The signal is repeated, for programs that
 * were started meanwhile, and SIGKILL follows. The kernel sends the process the same SIGTERM when
 * our process ends. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/json/json-fields.h"
#include "transports/guest-files/guest-files-internal.h"

enum { POLL_SLICE_MS = 200, END_GRACE_MS = 8000, END_AGAIN_S = 2, MOST_TOLD_BYTES = 1024 * 1024 };

struct guest_files {
        pid_t pid;
        int data_fd;
        /* lines of JSON: {"folder": …, "warnings": […]}, then {"done": true} or {"error": …,
         * "kind": …} */
        int told_fd;
        struct strbuf told;
        bool is_folder;
        char **warnings;
        int64_t stall_timeout_ms;
        bool (*cancelled)(void *data);
        void *data;
};

/* From here to serve_in_child() the code runs in the process with libguestfs. */
static volatile sig_atomic_t ending; /* how many times the group was signalled */

/* Signals the whole group: the programs that libguestfs started die, and the call that waits for
 * them fails. libguestfs may start more, so the next SIGTERM signals the group again. */
static void on_process_end(int number)
{
        if (number == SIGTERM && ending)
                return;
        if (ending++ * END_AGAIN_S * 1000 >= END_GRACE_MS)
                _exit(1);
        alarm(END_AGAIN_S);
        kill(0, SIGTERM);
}

static void write_report(int fd, json_t *owned_line)
{
        _cleanup_json_ json_t *line = owned_line;
        _cleanup_free_ char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
        if (text)
                dprintf(fd, "%s\n", text);
}

static void tell_opened(bool is_folder, char *const *warnings, void *data)
{
        json_t *list = json_array();
        for (size_t i = 0; warnings && warnings[i]; i++)
                json_array_append_new(list, json_string(warnings[i]));
        write_report(*(int *)data,
                     json_pack("{s:b, s:o}", "folder", (int)is_folder, "warnings", list));
}

static _Noreturn void serve_in_child(const struct guest_files_request *request, int data_fd,
                                     int told_fd)
{
        setpgid(0, 0);
        struct sigaction end = { .sa_handler = on_process_end };
        sigaction(SIGTERM, &end, NULL);
        sigaction(SIGALRM, &end, NULL);
        signal(SIGINT, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null_fd, STDIN_FILENO);
        dup2(null_fd, STDOUT_FILENO); /* only the archive may be written to it */
        struct guest_files_serving serving = {
                .request = request, .out_fd = data_fd, .opened = tell_opened, .data = &told_fd
        };
        _cleanup_error_ struct error *error = NULL;
        if (guest_files_serve(&serving, &error) == 0)
                write_report(told_fd, json_pack("{s:b}", "done", 1));
        else {
                _cleanup_free_ char *message = str_one_line(error->message, 4000);
                write_report(told_fd, json_pack("{s:s, s:s}", "kind", error_kind_name(error->kind),
                                                "error", message));
        }
        _exit(0);
}

/* Whether the process ends within the time; it is reaped then. */
static bool ended_within(pid_t pid, int64_t timeout_ms)
{
        for (struct deadline deadline = deadline_in_ms(timeout_ms); !deadline_passed(deadline);) {
                if (waitpid(pid, NULL, WNOHANG) != 0)
                        return true;
                poll(NULL, 0, 20);
        }
        return false;
}

struct guest_files *guest_files_free(struct guest_files *files)
{
        if (!files)
                return NULL;
        closep(&files->data_fd);
        closep(&files->told_fd);
        if (files->pid > 0) {
                if (!ended_within(files->pid, 50)) {
                        kill(files->pid, SIGTERM);
                        (void)ended_within(files->pid, END_GRACE_MS);
                }
                /* An empty group is not an error. A process in uninterruptible sleep is left to the
                 * kernel. */
                kill(-files->pid, SIGKILL);
                (void)ended_within(files->pid, 1000);
        }
        strbuf_done(&files->told);
        strv_free(files->warnings);
        free(files);
        return NULL;
}

/* The next line that it has reported, parsed; NULL if there is none yet. */
static json_t *next_told(struct guest_files *files)
{
        char *end = files->told.data ? memchr(files->told.data, '\n', files->told.length) : NULL;
        if (!end)
                return NULL;
        size_t length = (size_t)(end - files->told.data);
        json_t *line = json_loadb(files->told.data, length, 0, NULL);
        strbuf_consume(&files->told, length + 1);
        return line;
}

static int process_is_gone(struct error **err)
{
        return error_set(err, ERROR_INTERNAL,
                         "the process that reads the disk images ended unexpectedly");
}

/* Waits for bytes on `fd` and reads them; 0 at end-of-file, -1 with an error. */
static ssize_t read_within(struct guest_files *files, int fd, void *buffer, size_t size,
                           struct deadline deadline, const char *what, struct error **err)
{
        for (;;) {
                if (files->cancelled && files->cancelled(files->data))
                        return error_set(err, ERROR_CANCELLED, "stopped");
                int left = deadline_left_ms(deadline);
                if (left == 0)
                        return error_set(err, ERROR_TIMEOUT, "%s; it was ended", what);
                struct pollfd ready = { .fd = fd, .events = POLLIN };
                if (poll(&ready, 1, left < POLL_SLICE_MS ? left : POLL_SLICE_MS) <= 0)
                        continue;
                ssize_t n = read(fd, buffer, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errno(
                                err, ERROR_INTERNAL, errno,
                                "cannot read the answer of the process that reads the disk images");
                return n;
        }
}

/* Waits for the next line that it reports; NULL with an error if the deadline passes. */
static json_t *wait_told(struct guest_files *files, struct deadline deadline, const char *what,
                         struct error **err)
{
        char chunk[4096];
        for (;;) {
                json_t *line = next_told(files);
                if (line)
                        return line;
                ssize_t n = read_within(files, files->told_fd, chunk, sizeof chunk, deadline, what,
                                        err);
                if (n < 0)
                        return NULL;
                if (n == 0 || files->told.length > MOST_TOLD_BYTES) {
                        process_is_gone(err);
                        return NULL;
                }
                strbuf_append(&files->told, chunk, (size_t)n);
        }
}

static int told_error(const json_t *line, struct error **err)
{
        const char *message = json_string_value(json_object_get(line, "error"));
        const char *kind = json_string_value(json_object_get(line, "kind"));
        if (!message)
                return process_is_gone(err);
        return error_set(err, error_kind_from_name(kind ? kind : ""), "%s", message);
}

static int wait_opened(struct guest_files *files, int64_t timeout_ms, struct error **err)
{
        _cleanup_free_ char *took = format_duration_ms(timeout_ms);
        _cleanup_free_ char *what = xasprintf(
                "libguestfs did not boot with the disk images and mount them within %s", took);
        _cleanup_json_ json_t *line = wait_told(files, deadline_in_ms(timeout_ms), what, err);
        if (!line)
                return -1;
        const json_t *folder = json_object_get(line, "folder");
        if (!json_is_boolean(folder))
                return told_error(line, err);
        files->is_folder = json_is_true(folder);
        const json_t *warnings = json_object_get(line, "warnings");
        for (size_t i = 0; i < json_array_size(warnings); i++)
                strv_add(&files->warnings, json_string_value(json_array_get(warnings, i)));
        return 0;
}

struct guest_files *guest_files_open(const struct guest_files_request *request, struct error **err)
{
        int data[2] = { -1, -1 };
        int told[2] = { -1, -1 };
        _cleanup_(guest_files_freep) struct guest_files *files = xcalloc(1, sizeof *files);
        *files = (struct guest_files){ .data_fd = -1,
                                       .told_fd = -1,
                                       .stall_timeout_ms = request->stall_timeout_ms };
        files->cancelled = request->cancelled;
        files->data = request->data;
        if (pipe2(data, O_CLOEXEC) < 0 || pipe2(told, O_CLOEXEC) < 0 || (files->pid = fork()) < 0) {
                error_set_errno(err, ERROR_INTERNAL, errno,
                                "cannot start a process to read the disk images");
                closep(&data[0]);
                closep(&data[1]);
                closep(&told[0]);
                closep(&told[1]);
                return NULL;
        }
        if (files->pid == 0) {
                close(data[0]);
                close(told[0]);
                serve_in_child(request, data[1], told[1]);
        }
        setpgid(files->pid, files->pid);
        close(data[1]);
        close(told[1]);
        files->data_fd = data[0];
        files->told_fd = told[0];
        return wait_opened(files, request->open_timeout_ms, err) < 0 ? NULL : TAKE_PTR(files);
}

bool guest_files_is_folder(const struct guest_files *files)
{
        return files->is_folder;
}

char *const *guest_files_warnings(const struct guest_files *files)
{
        return files->warnings;
}

ssize_t guest_files_read(struct guest_files *files, void *buffer, size_t size, struct error **err)
{
        _cleanup_free_ char *took = format_duration_ms(files->stall_timeout_ms);
        _cleanup_free_ char *what = xasprintf("no data was read from the disk images for %s", took);
        struct deadline deadline = deadline_in_ms(files->stall_timeout_ms);
        if (files->data_fd >= 0) {
                ssize_t n = read_within(files, files->data_fd, buffer, size, deadline, what, err);
                if (n != 0)
                        return n;
                closep(&files->data_fd);
        }
        /* The pipe also ends if the process failed half-way, so the final report decides. */
        _cleanup_json_ json_t *line = wait_told(files, deadline, what, err);
        if (!line)
                return -1;
        return json_is_true(json_object_get(line, "done")) ? 0 : told_error(line, err);
}
