/* Implements transports/ssh/ssh-exec.h.
 *
 * libssh's callbacks receive the data, so that end-of-file is an event and not a length of 0. They
 * only store it. The user's callbacks are called from our own loop, outside libssh, and may
 * therefore use the connection themselves. */
#include "transports/ssh/ssh-exec.h"

#include <assert.h>
#include <libssh/callbacks.h>
#include <signal.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "transports/ssh/ssh-internal.h"

enum { DEFAULT_MAX_OUTPUT = 1024 * 1024, TICK_MS = 100, INPUT_PIECE = 32 * 1024 };

struct running {
        struct ssh_connection *connection;
        const struct exec_options *options;
        const char *what;
        struct deadline deadline;
        ssh_channel channel;
        struct ssh_channel_callbacks_struct callbacks;
        size_t max_output;
        size_t input_left;
        const char *input;
        bool input_ended;
        bool closed;
        int status;
        struct strbuf output;
        struct strbuf errors;
        struct strbuf fresh; /* not yet passed to on_output */
};

static void keep_output(struct strbuf *buf, size_t max, const void *data, size_t length)
{
        size_t room = max - buf->length;
        strbuf_append(buf, data, length < room ? length : room);
}

static int on_command_data(ssh_session session _unused_, ssh_channel channel _unused_, void *data,
                           uint32_t length, int is_stderr, void *user)
{
        struct running *running = user;
        keep_output(is_stderr ? &running->errors : &running->output, running->max_output, data,
                    length);
        if (running->options->on_output)
                strbuf_append(&running->fresh, data, length);
        return (int)length;
}

static void on_close(ssh_session session _unused_, ssh_channel channel _unused_, void *user)
{
        struct running *running = user;
        running->closed = true;
}

static void on_exit_status(ssh_session session _unused_, ssh_channel channel _unused_, int status,
                           void *user)
{
        struct running *running = user;
        running->status = status;
}

/* RFC 4254, 6.10, names signals without "SIG". */
static int signal_number(const char *name)
{
        static const struct {
                const char *name;
                int number;
        } signals[] = {
                { "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "FPE", SIGFPE },   { "HUP", SIGHUP },
                { "ILL", SIGILL },   { "INT", SIGINT },   { "KILL", SIGKILL }, { "PIPE", SIGPIPE },
                { "QUIT", SIGQUIT }, { "SEGV", SIGSEGV }, { "TERM", SIGTERM }, { "USR1", SIGUSR1 },
                { "USR2", SIGUSR2 },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(signals); i++)
                if (streq(name, signals[i].name))
                        return signals[i].number;
        return 127;
}

static void on_exit_signal(ssh_session session _unused_, ssh_channel channel _unused_,
                           const char *name, int core _unused_, const char *message _unused_,
                           const char *language _unused_, void *user)
{
        struct running *running = user;
        running->status = 128 + signal_number(name);
}

/* Lets libssh work for a moment. Fails if the connection breaks, the deadline passes or the user
 * cancels. */
static int command_go_on(void *data, struct error **err)
{
        struct running *running = data;
        struct ssh_connection *connection = running->connection;
        int left = deadline_left_ms(running->deadline);
        ssh_event_dopoll(connection->event, left < TICK_MS ? left : TICK_MS);
        if (running->fresh.length) {
                _cleanup_strbuf_ struct strbuf fresh = running->fresh;
                running->fresh = (struct strbuf){ 0 };
                running->options->on_output(fresh.data, fresh.length, running->options->data);
        }
        if (running->closed)
                return 0;
        if (ssh_connection_is_lost(connection)) {
                _cleanup_free_ char *reason = ssh_session_reason(connection->session);
                return error_set(err, ERROR_UNREACHABLE,
                                 "the SSH connection broke while '%s' ran: %s", running->what,
                                 reason);
        }
        if (running->options->cancelled && running->options->cancelled(running->options->data))
                return error_set(err, ERROR_CANCELLED, "'%s' was cancelled", running->what);
        if (deadline_passed(running->deadline)) {
                _cleanup_free_ char *limit = format_duration_ms(running->options->timeout_ms);
                return error_set(err, ERROR_TIMEOUT, "'%s' did not end within %s", running->what,
                                 limit);
        }
        return 0;
}

/* Sends as much of stdin as the server's window accepts now, and its end. If a command does not
 * read its stdin, that is not an error. */
static void feed_stdin(struct running *running)
{
        while (running->input_left && ssh_channel_window_size(running->channel) > 0) {
                size_t piece =
                        running->input_left < INPUT_PIECE ? running->input_left : INPUT_PIECE;
                int written = ssh_channel_write(running->channel, running->input, (uint32_t)piece);
                if (written <= 0)
                        break;
                running->input += written;
                running->input_left -= (size_t)written;
        }
        if (!running->input_left && !running->input_ended) {
                running->input_ended = true;
                ssh_channel_send_eof(running->channel);
        }
}

/* The server may still have the channel of an abandoned command open, so our callbacks are removed
 * before its data can arrive. */
static void stop_command(struct running *running)
{
        if (running->channel) {
                ssh_remove_channel_callbacks(running->channel, &running->callbacks);
                ssh_channel_free(running->channel);
        }
        strbuf_done(&running->output);
        strbuf_done(&running->errors);
        strbuf_done(&running->fresh);
        running->connection->n_running--;
}

static int run_on_channel(struct running *running, const char *command, bool *ret_sent,
                          struct error **err)
{
        running->channel = ssh_channel_new(running->connection->session);
        if (ssh_start_command(running->connection, running->channel, &running->callbacks, command,
                              command_go_on, running, ret_sent, err) < 0)
                return -1;
        do {
                if (!running->closed)
                        feed_stdin(running);
                if (command_go_on(running, err) < 0)
                        return -1;
        } while (!running->closed);
        return 0;
}

int ssh_exec(struct ssh_connection *connection, const char *what, const char *command,
             const struct exec_options *options, bool *ret_sent, struct exec_result *ret,
             struct error **err)
{
        assert(options->timeout_ms > 0);
        *ret_sent = false;
        _cleanup_(stop_command) struct running running = {
                .connection = connection,
                .options = options,
                .what = what,
                .deadline = deadline_in_ms(options->timeout_ms),
                .max_output = options->max_output ? options->max_output : DEFAULT_MAX_OUTPUT,
                .input = options->input,
                .input_left = options->input ? strlen(options->input) : 0,
                .status = -1,
        };
        connection->n_running++;
        running.callbacks = (struct ssh_channel_callbacks_struct){
                .userdata = &running,
                .channel_data_function = on_command_data,
                .channel_close_function = on_close,
                .channel_exit_status_function = on_exit_status,
                .channel_exit_signal_function = on_exit_signal,
        };
        _cleanup_error_ struct error *error = NULL;
        if (run_on_channel(&running, command, ret_sent, &error) < 0) {
                /* The hanging command keeps one of the few channels that the server allows, so this
                 * connection is not used any more. */
                if (error->kind == ERROR_TIMEOUT && connection->n_running == 1)
                        connection->lost = true;
                return error_propagate(err, TAKE_PTR(error));
        }
        *ret = (struct exec_result){
                .status = running.status,
                .output = strbuf_take(&running.output),
                .errors = strbuf_take(&running.errors),
        };
        return 0;
}
