/* Implements transports/appliance/appliance-terminal.h. libssh's callback stores what arrives. Our
 * own loop examines it only when the output has paused for a moment, because an appliance gives no
 * other sign that it waits for input. */
#include "transports/appliance/appliance-terminal.h"

#include <string.h>

#include "base/memory.h"
#include "transports/appliance/appliance-text.h"
#include "transports/ssh/ssh-internal.h"

enum {
        MAX_SHOWN_BYTES = 64 * 1024 * 1024,
        LONGEST_LAST_LINE = 4096,
        TICK_MS = 50,
        QUIET_MS = 150,
        LOOK_AGAIN_MS = 2000,
        LEAVE_MS = 1000,
        /* while output keeps arriving, a step may take this many times silence_ms */
        TALKATIVE_FACTOR = 30,
        WIDTH = 511,
        HEIGHT = 100,
};

struct appliance_terminal {
        struct ssh_connection *connection;
        struct appliance_terminal_options options;
        ssh_channel channel;
        struct ssh_channel_callbacks_struct callbacks;
        struct strbuf shown;
        size_t total; /* bytes shown since the step began */
        bool closed;
        bool overflow;
        bool fresh; /* shown and not yet examined */
        int64_t shown_at_ms;
        int64_t looked_at_ms;
        const char *step;
};

static int on_terminal_data(ssh_session session _unused_, ssh_channel channel _unused_, void *data,
                            uint32_t length, int is_stderr _unused_, void *user)
{
        struct appliance_terminal *terminal = user;
        size_t room = MAX_SHOWN_BYTES - terminal->shown.length;
        terminal->overflow = terminal->overflow || length > room;
        strbuf_append(&terminal->shown, data, length < room ? length : room);
        terminal->total += length;
        terminal->fresh = true;
        terminal->shown_at_ms = clock_monotonic_ms();
        return (int)length;
}

static void on_terminal_end(ssh_session session _unused_, ssh_channel channel _unused_, void *user)
{
        struct appliance_terminal *terminal = user;
        terminal->closed = true;
}

static int hung_up(const struct appliance_terminal *terminal, struct error **err)
{
        return error_set(err, ERROR_UNREACHABLE,
                         "the appliance hung up in the middle of %s (%zu bytes had arrived)",
                         terminal->step, terminal->total);
}

/* Lets libssh work for a moment. Fails on a timeout, a cancel or too much output. */
static int terminal_go_on(struct appliance_terminal *terminal, int64_t since_ms, struct error **err)
{
        ssh_event_dopoll(terminal->connection->event, TICK_MS);
        int64_t now = clock_monotonic_ms();
        int64_t silence_ms = terminal->options.silence_ms;
        if (terminal->options.cancelled && terminal->options.cancelled(terminal->options.data))
                return error_set(err, ERROR_CANCELLED, "%s was cancelled", terminal->step);
        if (terminal->overflow)
                return error_set(err, ERROR_CORRUPT, "%s shows more than %d MiB", terminal->step,
                                 MAX_SHOWN_BYTES / 1024 / 1024);
        int64_t last_ms = terminal->shown_at_ms > since_ms ? terminal->shown_at_ms : since_ms;
        if (now - last_ms > silence_ms)
                return error_set(err, ERROR_TIMEOUT,
                                 "%s did not end: nothing arrived for %.0f s (%zu bytes before)",
                                 terminal->step, (double)silence_ms / 1000, terminal->total);
        if (now - since_ms > silence_ms * TALKATIVE_FACTOR)
                return error_set(err, ERROR_TIMEOUT,
                                 "%s did not end within %.0f s (%zu bytes arrived)", terminal->step,
                                 (double)silence_ms * TALKATIVE_FACTOR / 1000, terminal->total);
        return 0;
}

int appliance_terminal_wait(struct appliance_terminal *terminal, const char *step,
                            appliance_look *look, void *data, struct error **err)
{
        int64_t since_ms = clock_monotonic_ms();
        terminal->step = step;
        terminal->total = terminal->shown.length;
        terminal->looked_at_ms = since_ms;
        for (;;) {
                if (terminal_go_on(terminal, since_ms, err) < 0)
                        return -1;
                int64_t now = clock_monotonic_ms();
                bool gone = terminal->closed || ssh_connection_is_lost(terminal->connection);
                bool settled = terminal->fresh && now - terminal->shown_at_ms >= QUIET_MS;
                if (!settled && !gone && now - terminal->looked_at_ms < LOOK_AGAIN_MS)
                        continue;
                terminal->looked_at_ms = now;
                terminal->fresh = false;
                int r = gone ? hung_up(terminal, err) : look(terminal, data, err);
                if (r != 0)
                        return r < 0 ? -1 : 0;
        }
}

/* One of libssh's calls, which is repeated when the socket is ready. */
struct request {
        const char *what;
        int (*make)(ssh_channel channel);
};

static int request_pty(ssh_channel channel)
{
        return ssh_channel_request_pty_size(channel, "vt100", WIDTH, HEIGHT);
}

static int request_terminal(struct appliance_terminal *terminal, const struct request *request,
                            struct error **err)
{
        int64_t since_ms = clock_monotonic_ms();
        int r;
        terminal->step = request->what;
        while ((r = request->make(terminal->channel)) == SSH_AGAIN)
                if (terminal_go_on(terminal, since_ms, err) < 0)
                        return -1;
        if (r == SSH_OK)
                return 0;
        _cleanup_free_ char *reason = ssh_session_reason(terminal->connection->session);
        return error_set(err, ERROR_UNREACHABLE, "%s failed: %s", request->what, reason);
}

static int open_shell(struct appliance_terminal *terminal, struct error **err)
{
        static const struct request open = { "opening a session", ssh_channel_open_session };
        static const struct request pty = { "requesting a terminal", request_pty };
        static const struct request shell = { "starting the appliance's shell",
                                              ssh_channel_request_shell };
        terminal->channel = ssh_channel_new(terminal->connection->session);
        if (!terminal->channel)
                return error_set(err, ERROR_INTERNAL, "libssh cannot create a channel");
        if (request_terminal(terminal, &open, err) < 0)
                return -1;
        terminal->callbacks = (struct ssh_channel_callbacks_struct){
                .userdata = terminal,
                .channel_data_function = on_terminal_data,
                .channel_eof_function = on_terminal_end,
                .channel_close_function = on_terminal_end,
        };
        ssh_callbacks_init(&terminal->callbacks);
        if (ssh_set_channel_callbacks(terminal->channel, &terminal->callbacks) != SSH_OK)
                return error_set(err, ERROR_INTERNAL, "libssh does not accept its callbacks");
        return request_terminal(terminal, &pty, err) < 0 ||
                               request_terminal(terminal, &shell, err) < 0
                       ? -1
                       : 0;
}

struct appliance_terminal *appliance_terminal_open(struct ssh_connection *connection,
                                                   const struct appliance_terminal_options *options,
                                                   struct error **err)
{
        _cleanup_(appliance_terminal_freep) struct appliance_terminal *terminal =
                xcalloc(1, sizeof *terminal);
        terminal->connection = connection;
        terminal->options = *options;
        return open_shell(terminal, err) < 0 ? NULL : TAKE_PTR(terminal);
}

/* Our callbacks are removed first, because data may still arrive. */
struct appliance_terminal *appliance_terminal_free(struct appliance_terminal *terminal)
{
        if (!terminal)
                return NULL;
        if (terminal->channel) {
                ssh_remove_channel_callbacks(terminal->channel, &terminal->callbacks);
                ssh_channel_free(terminal->channel);
        }
        ssh_connection_free(terminal->connection);
        strbuf_done(&terminal->shown);
        free(terminal);
        return NULL;
}

int appliance_terminal_type(struct appliance_terminal *terminal, const char *line, bool forget,
                            struct error **err)
{
        if (forget) {
                strbuf_reset(&terminal->shown);
                terminal->fresh = false;
        }
        _cleanup_strbuf_ struct strbuf keys = { 0 };
        strbuf_add(&keys, line);
        strbuf_add(&keys, terminal->options.line_ending);
        int written = ssh_channel_write(terminal->channel, keys.data, (uint32_t)keys.length);
        bool complete = written >= 0 && (size_t)written == keys.length;
        explicit_bzero(keys.data, keys.length); /* it may be a password */
        return complete ? 0
                        : error_set(err, ERROR_UNREACHABLE, "the appliance accepts no more input");
}

void appliance_terminal_leave(struct appliance_terminal *terminal, const char *line)
{
        struct deadline deadline = deadline_in_ms(LEAVE_MS);
        if (terminal->closed || appliance_terminal_type(terminal, line, true, NULL) < 0)
                return;
        while (!terminal->closed && !ssh_connection_is_lost(terminal->connection) &&
               !deadline_passed(deadline))
                ssh_event_dopoll(terminal->connection->event, TICK_MS);
}

const char *appliance_terminal_shown(const struct appliance_terminal *terminal, size_t *ret_length)
{
        *ret_length = terminal->shown.length;
        return terminal->shown.data ? terminal->shown.data : "";
}

char *appliance_terminal_last_line(const struct appliance_terminal *terminal)
{
        size_t length;
        const char *shown = appliance_terminal_shown(terminal, &length);
        const char *newline = memrchr(shown, '\n', length);
        size_t start = newline ? (size_t)(newline - shown) + 1 : 0;
        if (length - start > LONGEST_LAST_LINE)
                start = length - LONGEST_LAST_LINE;
        _cleanup_strbuf_ struct strbuf line = { 0 };
        appliance_text_clean(shown + start, length - start, &line);
        while (line.length && line.data[line.length - 1] == ' ')
                line.data[--line.length] = '\0';
        return strbuf_take(&line);
}
