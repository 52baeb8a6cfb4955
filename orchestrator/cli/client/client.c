/* Implements cli/client/client.h with libcurl's multi interface: there is one transfer at a time,
 * and while it waits a signalfd can be watched too.
 *
 * The body of a stream call with status 200 is passed to the caller line by line. Any other body is
 * collected and parsed at the end. */
#include "cli/client/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/terminal/values.h"
#include "cli/terminal/verb.h"

enum {
        CONNECT_TIMEOUT_MS = 5000,
        MAX_LINE_BYTES = 1024 * 1024,
        MAX_ANSWER_BYTES = 256 * 1024 * 1024,
};

struct client {
        char *socket;
        long silence_ms;
};

/* A call in progress. */
struct transfer {
        const struct client *client;
        const struct client_stream *stream; /* NULL: a plain call */
        CURLM *multi;
        CURL *easy;
        struct curl_slist *headers;
        char *body;
        struct strbuf buffer; /* the answer so far, or the line so far */
        bool skipping;        /* inside a line that is too long */
        bool too_large;
        bool stopped;   /* on_line returned CLIENT_STOP */
        int end_status; /* exit status of the end event; -1: not seen yet */
        struct deadline silence;
        struct deadline tick;
};

struct client *client_new(const char *socket)
{
        struct client *client = xcalloc(1, sizeof *client);
        client->socket = xstrdup(socket);
        client->silence_ms = 60 * 1000;
        curl_global_init(CURL_GLOBAL_DEFAULT);
        return client;
}

struct client *client_free(struct client *client)
{
        if (!client)
                return NULL;
        curl_global_cleanup();
        free(client->socket);
        free(client);
        return NULL;
}

void client_set_silence_ms(struct client *client, long milliseconds)
{
        client->silence_ms = milliseconds;
}

char *client_escape(const char *text)
{
        char *escaped = curl_easy_escape(NULL, text, 0);
        char *copy = xstrdup(escaped ? escaped : "");
        curl_free(escaped);
        return copy;
}

static void transfer_done(struct transfer *transfer)
{
        if (transfer->multi && transfer->easy)
                curl_multi_remove_handle(transfer->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
        curl_multi_cleanup(transfer->multi);
        curl_slist_free_all(transfer->headers);
        free(transfer->body);
        strbuf_done(&transfer->buffer);
}

/* An exit status from the daemon, limited to those that a failure can have. */
static int sane_status(int64_t status)
{
        return status >= STATUS_JOB_FAILED && status <= STATUS_CANCELLED ? (int)status
                                                                         : STATUS_JOB_FAILED;
}

static void take_stream_line(struct transfer *transfer, const char *text, size_t length)
{
        if (length == 0)
                return;
        json_t *line = json_loadb(text, length, 0, NULL);
        if (!json_is_object(line)) {
                json_decref(line);
                log_warning("the daemon sent a line that is not a JSON object; it is skipped");
                return;
        }
        const char *event = value_text(line, "event");
        if (streq(event, "end")) {
                int64_t status = value_integer(line, "exit_status", STATUS_JOB_FAILED);
                transfer->end_status = status == STATUS_OK ? STATUS_OK : sane_status(status);
        }
        if (!streq(event, "keepalive") &&
            transfer->stream->on_line(line, transfer->stream->data) == CLIENT_STOP)
                transfer->stopped = true;
        json_decref(line);
}

/* Splits the received bytes into lines; an incomplete last line stays in the buffer. */
static void take_stream(struct transfer *transfer, const char *data, size_t length)
{
        while (length && transfer->end_status < 0 && !transfer->stopped) {
                const char *newline = memchr(data, '\n', length);
                size_t piece = newline ? (size_t)(newline - data) : length;
                if (!transfer->skipping && transfer->buffer.length + piece > MAX_LINE_BYTES) {
                        log_warning("the daemon sent a line of more than %d bytes; it is skipped",
                                    (int)MAX_LINE_BYTES);
                        transfer->skipping = true;
                        strbuf_reset(&transfer->buffer);
                }
                if (!transfer->skipping)
                        strbuf_append(&transfer->buffer, data, piece);
                if (!newline)
                        return;
                if (!transfer->skipping)
                        take_stream_line(transfer, transfer->buffer.data, transfer->buffer.length);
                transfer->skipping = false;
                strbuf_reset(&transfer->buffer);
                data += piece + 1;
                length -= piece + 1;
        }
}

static size_t on_body_part(char *data, size_t size, size_t count, void *pointer)
{
        struct transfer *transfer = pointer;
        size_t length = size * count;
        long code = 0;
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &code);
        transfer->silence = deadline_in_ms(transfer->client->silence_ms);
        if (transfer->stream && code == 200) {
                take_stream(transfer, data, length);
                return length;
        }
        if (transfer->buffer.length + length > MAX_ANSWER_BYTES) {
                transfer->too_large = true;
                return 0;
        }
        strbuf_append(&transfer->buffer, data, length);
        return length;
}

static void transfer_prepare(struct transfer *transfer, const char *path, const json_t *body)
{
        transfer->multi = curl_multi_init();
        transfer->easy = curl_easy_init();
        _cleanup_free_ char *url = xasprintf("http://orch%s", path);
        curl_easy_setopt(transfer->easy, CURLOPT_UNIX_SOCKET_PATH, transfer->client->socket);
        curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
        curl_easy_setopt(transfer->easy, CURLOPT_PROXY, "");
        curl_easy_setopt(transfer->easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
        curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, on_body_part);
        curl_easy_setopt(transfer->easy, CURLOPT_WRITEDATA, transfer);
        if (body) {
                transfer->body = json_dumps(body, JSON_COMPACT);
                transfer->headers =
                        curl_slist_append(transfer->headers, "Content-Type: application/json");
                transfer->headers = curl_slist_append(transfer->headers, "Expect:");
                curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, transfer->body);
                curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
        }
        curl_multi_add_handle(transfer->multi, transfer->easy);
        transfer->silence = deadline_in_ms(transfer->client->silence_ms);
}

enum outcome { OUTCOME_DONE, OUTCOME_STOPPED, OUTCOME_INTERRUPTED, OUTCOME_MUTE, OUTCOME_BROKEN };

static enum outcome transfer_result(struct transfer *transfer, CURLcode *ret_code)
{
        int left;
        for (CURLMsg *message; (message = curl_multi_info_read(transfer->multi, &left));)
                if (message->msg == CURLMSG_DONE) {
                        *ret_code = message->data.result;
                        return message->data.result == CURLE_OK ? OUTCOME_DONE : OUTCOME_BROKEN;
                }
        *ret_code = CURLE_RECV_ERROR;
        return OUTCOME_BROKEN;
}

/* Calls on_tick when it is due. Returns how long the caller may wait for the next event, at most
 * `left_ms`. */
static int call_tick(struct transfer *transfer, int left_ms)
{
        const struct client_stream *stream = transfer->stream;
        if (!stream || !stream->on_tick)
                return left_ms;
        if (deadline_passed(transfer->tick)) {
                struct deadline begun = deadline_in_ms(0);
                stream->on_tick(stream->data);
                /* The client did not listen during on_tick, so that time does not count as the
                 * daemon's silence. */
                transfer->silence.at_ms += deadline_in_ms(0).at_ms - begun.at_ms;
                transfer->tick = deadline_in_ms(stream->tick_ms);
        }
        int until_tick = deadline_left_ms(transfer->tick);
        return until_tick < left_ms ? until_tick : left_ms;
}

/* Drives the transfer until it ends, a signal arrives on signal_fd (-1: none is watched), or the
 * daemon has been silent for too long. */
static enum outcome transfer_drive(struct transfer *transfer, int signal_fd, CURLcode *ret_code)
{
        for (;;) {
                int running = 0;
                if (curl_multi_perform(transfer->multi, &running) != CURLM_OK) {
                        *ret_code = CURLE_RECV_ERROR;
                        return OUTCOME_BROKEN;
                }
                if (transfer->stopped)
                        return OUTCOME_STOPPED;
                if (transfer->end_status >= 0)
                        return OUTCOME_DONE;
                if (!running)
                        return transfer_result(transfer, ret_code);
                int left_ms = deadline_left_ms(transfer->silence);
                if (left_ms == 0)
                        return OUTCOME_MUTE;
                left_ms = call_tick(transfer, left_ms);
                struct curl_waitfd extra = { .fd = signal_fd, .events = CURL_WAIT_POLLIN };
                curl_multi_poll(transfer->multi, &extra, signal_fd >= 0 ? 1 : 0, left_ms, NULL);
                if (extra.revents)
                        return OUTCOME_INTERRUPTED;
        }
}

static void set_gone(const struct transfer *transfer, struct error **err)
{
        error_set(err, ERROR_UNREACHABLE,
                  "the orch daemon at %s stopped before it had answered: the outcome is unknown. "
                  "When it is back, `orch status` shows the state, and `orch run` backs up what is "
                  "still due",
                  transfer->client->socket);
}

static void set_unreachable(const struct transfer *transfer, CURLcode code, struct error **err)
{
        long os_error = 0;
        curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_error);
        if (code == CURLE_COULDNT_CONNECT && os_error == EACCES)
                error_set(err, ERROR_UNREACHABLE,
                          "cannot reach the orch daemon at %s: permission denied (run this as root "
                          "or in the group that owns the "
                          "socket)",
                          transfer->client->socket);
        else if (code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT)
                error_set(err, ERROR_UNREACHABLE,
                          "cannot reach the orch daemon at %s: %s (is it running? `systemctl "
                          "status orch` shows it; `orch daemon` starts it)",
                          transfer->client->socket,
                          os_error ? strerror((int)os_error) : curl_easy_strerror(code));
        else
                set_gone(transfer, err);
}

/* Reads the answer to a failed call: {"error":{"kind","message"},"exit_status"}. */
static int take_refusal(const struct transfer *transfer, long code, struct error **err)
{
        json_t *answer = json_loadb(transfer->buffer.data ? transfer->buffer.data : "",
                                    transfer->buffer.length, 0, NULL);
        const json_t *error = value_object(answer, "error");
        const char *message = value_text(error, "message");
        int status = sane_status(value_integer(answer, "exit_status", STATUS_JOB_FAILED));
        if (*message)
                error_set(err, error_kind_from_name(value_text(error, "kind")), "%s", message);
        else
                error_set(err, ERROR_INTERNAL,
                          "the daemon answered with HTTP status %ld and no reason", code);
        json_decref(answer);
        return status;
}

/* Converts the end of the transfer to STATUS_OK (status 200, or an end event was seen) or a
 * failure. */
static int transfer_conclude(const struct transfer *transfer, enum outcome outcome, CURLcode code,
                             struct error **err)
{
        if (transfer->too_large) {
                error_set(err, ERROR_INTERNAL, "the daemon's answer is larger than %d MiB",
                          (int)(MAX_ANSWER_BYTES / 1024 / 1024));
                return STATUS_NO_DAEMON;
        }
        if (outcome == OUTCOME_MUTE) {
                error_set(
                        err, ERROR_TIMEOUT,
                        "the orch daemon at %s has sent nothing for %ld s: it hangs or is stopped. "
                        "Its jobs may continue; `orch status` shows them once it answers again",
                        transfer->client->socket, transfer->client->silence_ms / 1000);
                return STATUS_NO_DAEMON;
        }
        if (outcome == OUTCOME_BROKEN) {
                set_unreachable(transfer, code, err);
                return STATUS_NO_DAEMON;
        }
        long http_status = 0;
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &http_status);
        return http_status == 200 ? STATUS_OK : take_refusal(transfer, http_status, err);
}

int client_call(struct client *client, const char *path, const json_t *body, json_t **ret,
                struct error **err)
{
        _cleanup_(transfer_done) struct transfer transfer = { .client = client, .end_status = -1 };
        transfer_prepare(&transfer, path, body);
        CURLcode code = CURLE_OK;
        enum outcome outcome = transfer_drive(&transfer, -1, &code);
        int status = transfer_conclude(&transfer, outcome, code, err);
        if (status != STATUS_OK)
                return status;
        json_error_t where;
        json_t *answer = json_loadb(transfer.buffer.data ? transfer.buffer.data : "",
                                    transfer.buffer.length, JSON_DECODE_ANY, &where);
        if (!answer) {
                error_set(err, ERROR_INTERNAL, "the daemon's answer to %s is not valid JSON: %s",
                          path, where.text);
                return STATUS_NO_DAEMON;
        }
        *ret = answer;
        return STATUS_OK;
}

/* Blocks SIGINT and SIGTERM and returns a signalfd that receives them. */
static int watch_client_signals(sigset_t *ret_before)
{
        sigset_t watched;
        sigemptyset(&watched);
        sigaddset(&watched, SIGINT);
        sigaddset(&watched, SIGTERM);
        sigprocmask(SIG_BLOCK, &watched, ret_before);
        return signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Removes pending signals before it unblocks them: they have been handled already. */
static void unwatch_signals(int signal_fd, const sigset_t *before)
{
        struct signalfd_siginfo info;
        while (signal_fd >= 0 && read(signal_fd, &info, sizeof info) > 0)
                ;
        sigprocmask(SIG_SETMASK, before, NULL);
}

int client_stream(struct client *client, const char *path, const json_t *body,
                  const struct client_stream *stream, struct error **err)
{
        _cleanup_(transfer_done) struct transfer transfer = { .client = client,
                                                              .stream = stream,
                                                              .end_status = -1 };
        transfer_prepare(&transfer, path, body);
        transfer.tick = deadline_in_ms(stream->tick_ms);
        sigset_t before;
        _cleanup_close_ int signal_fd = watch_client_signals(&before);
        CURLcode code = CURLE_OK;
        enum outcome outcome = transfer_drive(&transfer, signal_fd, &code);
        unwatch_signals(signal_fd, &before);
        if (outcome == OUTCOME_STOPPED)
                return STATUS_INTERRUPTED;
        if (outcome == OUTCOME_INTERRUPTED) {
                if (stream->on_interrupt)
                        stream->on_interrupt(stream->data);
                return STATUS_INTERRUPTED;
        }
        int status = transfer_conclude(&transfer, outcome, code, err);
        if (status != STATUS_OK)
                return status;
        if (transfer.end_status < 0) {
                set_gone(&transfer, err);
                return STATUS_NO_DAEMON;
        }
        return transfer.end_status;
}
