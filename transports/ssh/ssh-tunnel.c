/* Implements transports/ssh/ssh-tunnel.h.
 *
 * A thread moves the bytes. While it runs, only the thread uses the SSH connection. It never
 * blocks, so it notices a cut at once. It ends when either side closes. */
#include "transports/ssh/ssh-tunnel.h"

#include <errno.h>
#include <libssh/callbacks.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/memory.h"
#include "base/strings.h"
#include "transports/ssh/ssh-internal.h"

enum {
        PIECE = 32 * 1024,
        MAX_ERRORS = 1000,
        MAX_WAITING = 64 * 1024 * 1024, /* libvirt's messages are smaller */
};

struct ssh_tunnel {
        struct ssh_connection *connection;
        ssh_channel channel;
        struct ssh_channel_callbacks_struct callbacks;
        char *directory;
        char *path;
        int listener;
        int local;
        int cut; /* eventfd */
        bool remote_closed;
        struct strbuf to_local;
        struct strbuf to_remote;
        struct strbuf errors;
        pthread_t thread;
        bool has_thread;
};

static int on_tunnel_data(ssh_session session _unused_, ssh_channel channel _unused_, void *data,
                          uint32_t length, int is_stderr, void *user)
{
        struct ssh_tunnel *tunnel = user;
        size_t room = MAX_ERRORS - tunnel->errors.length;
        if (is_stderr)
                strbuf_append(&tunnel->errors, data, length < room ? length : room);
        else
                strbuf_append(&tunnel->to_local, data, length);
        return (int)length;
}

static void on_tunnel_end(ssh_session session _unused_, ssh_channel channel _unused_, void *user)
{
        struct ssh_tunnel *tunnel = user;
        tunnel->remote_closed = true;
}

static int wait_for_start(void *data, struct error **err)
{
        struct ssh_wait *wait = data;
        ssh_event_dopoll(wait->connection->event, deadline_left_ms(wait->deadline));
        if (deadline_passed(wait->deadline))
                return error_set(err, ERROR_TIMEOUT,
                                 "its SSH server did not start a command in time");
        return 0;
}

static int start_command(struct ssh_tunnel *tunnel, const char *command, int64_t timeout_ms,
                         struct error **err)
{
        struct ssh_wait wait = { .connection = tunnel->connection,
                                 .deadline = deadline_in_ms(timeout_ms) };
        bool sent;
        tunnel->callbacks = (struct ssh_channel_callbacks_struct){
                .userdata = tunnel,
                .channel_data_function = on_tunnel_data,
                .channel_eof_function = on_tunnel_end,
                .channel_close_function = on_tunnel_end,
        };
        tunnel->channel = ssh_channel_new(tunnel->connection->session);
        return ssh_start_command(tunnel->connection, tunnel->channel, &tunnel->callbacks, command,
                                 wait_for_start, &wait, &sent, err);
}

static int listen_locally(struct ssh_tunnel *tunnel, struct error **err)
{
        const char *parent = getenv("TMPDIR");
        _cleanup_free_ char *directory =
                xasprintf("%s/orch-XXXXXX", str_empty(parent) ? "/tmp" : parent);
        if (!mkdtemp(directory))
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot create the folder %s",
                                       directory);
        tunnel->directory = TAKE_PTR(directory);
        tunnel->path = xasprintf("%s/libvirt", tunnel->directory);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", tunnel->path) >=
            sizeof address.sun_path)
                return error_set(err, ERROR_CONFIG,
                                 "%s is too long for a socket's path: set TMPDIR to a shorter one",
                                 tunnel->path);
        tunnel->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        tunnel->cut = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (tunnel->listener < 0 || tunnel->cut < 0 ||
            bind(tunnel->listener, (struct sockaddr *)&address, sizeof address) < 0 ||
            listen(tunnel->listener, 1) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot listen on the socket %s",
                                       tunnel->path);
        return 0;
}

/* The folder's mode keeps other users out; this check keeps out other processes of the same user,
 * also of root. */
static bool is_this_process(int fd)
{
        struct ucred peer;
        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){ sizeof peer }) == 0 &&
               peer.pid == getpid();
}

static void take_connection(struct ssh_tunnel *tunnel)
{
        _cleanup_close_ int fd =
                accept4(tunnel->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 || !is_this_process(fd))
                return;
        tunnel->local = TAKE_FD(fd);
        closep(&tunnel->listener);
}

/* False: the local side has closed. */
static bool read_local(struct ssh_tunnel *tunnel)
{
        char piece[PIECE];
        ssize_t n = read(tunnel->local, piece, sizeof piece);
        if (n > 0)
                strbuf_append(&tunnel->to_remote, piece, (size_t)n);
        return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool write_local(struct ssh_tunnel *tunnel)
{
        ssize_t n =
                send(tunnel->local, tunnel->to_local.data, tunnel->to_local.length, MSG_NOSIGNAL);
        if (n > 0)
                strbuf_consume(&tunnel->to_local, (size_t)n);
        return n > 0 || errno == EAGAIN || errno == EINTR;
}

static void write_remote(struct ssh_tunnel *tunnel)
{
        while (tunnel->to_remote.length && ssh_channel_window_size(tunnel->channel) > 0) {
                size_t piece = tunnel->to_remote.length < PIECE ? tunnel->to_remote.length : PIECE;
                int n = ssh_channel_write(tunnel->channel, tunnel->to_remote.data, (uint32_t)piece);
                if (n <= 0)
                        break;
                strbuf_consume(&tunnel->to_remote, (size_t)n);
        }
}

/* Waits until bytes can be moved, and moves them. False: the tunnel has ended. */
static bool move_bytes(struct ssh_tunnel *tunnel)
{
        struct ssh_connection *connection = tunnel->connection;
        bool ssh_writes = ssh_get_poll_flags(connection->session) & SSH_WRITE_PENDING;
        struct pollfd ready[] = {
                { .fd = tunnel->cut, .events = POLLIN },
                { .fd = connection->fd, .events = (short)(POLLIN | (ssh_writes ? POLLOUT : 0)) },
                { .fd = tunnel->listener, .events = POLLIN },
                { .fd = tunnel->local,
                  .events = (short)((tunnel->to_remote.length ? 0 : POLLIN) |
                                    (tunnel->to_local.length ? POLLOUT : 0)) },
        };
        if (poll(ready, ARRAY_LENGTH(ready), -1) < 0)
                return errno == EINTR;
        if (ready[0].revents)
                return false;
        if (ready[1].revents)
                ssh_event_dopoll(connection->event, 0);
        if (ready[2].revents)
                take_connection(tunnel);
        if ((ready[3].revents & (POLLIN | POLLHUP | POLLERR)) && !tunnel->to_remote.length &&
            !read_local(tunnel))
                return false;
        if (tunnel->local >= 0 && tunnel->to_local.length && !write_local(tunnel))
                return false;
        write_remote(tunnel);
        bool remote_gone = tunnel->remote_closed || ssh_connection_is_lost(connection);
        return !(remote_gone && !tunnel->to_local.length) && tunnel->to_local.length <= MAX_WAITING;
}

static void *tunnel_main(void *argument)
{
        struct ssh_tunnel *tunnel = argument;
        while (move_bytes(tunnel))
                ;
        closep(&tunnel->listener);
        closep(&tunnel->local);
        return NULL;
}

static int start_thread(struct ssh_tunnel *tunnel, struct error **err)
{
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(&tunnel->thread, NULL, tunnel_main, tunnel);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        tunnel->has_thread = r == 0;
        return r == 0 ? 0 : error_set_errno(err, ERROR_INTERNAL, r, "cannot start a thread");
}

struct ssh_tunnel *ssh_tunnel_open(struct ssh_connection *connection, const char *command,
                                   int64_t timeout_ms, struct error **err)
{
        _cleanup_(ssh_tunnel_freep) struct ssh_tunnel *tunnel = xcalloc(1, sizeof *tunnel);
        tunnel->connection = connection;
        tunnel->listener = tunnel->local = tunnel->cut = -1;
        if (start_command(tunnel, command, timeout_ms, err) < 0 ||
            listen_locally(tunnel, err) < 0 || start_thread(tunnel, err) < 0)
                return NULL;
        return TAKE_PTR(tunnel);
}

const char *ssh_tunnel_path(const struct ssh_tunnel *tunnel)
{
        return tunnel->path;
}

void ssh_tunnel_unlink(struct ssh_tunnel *tunnel)
{
        if (tunnel->path)
                unlink(tunnel->path);
        if (tunnel->directory)
                rmdir(tunnel->directory);
        free(TAKE_PTR(tunnel->path));
        free(TAKE_PTR(tunnel->directory));
}

static void end_thread(struct ssh_tunnel *tunnel)
{
        if (!tunnel->has_thread)
                return;
        eventfd_write(tunnel->cut, 1);
        pthread_join(tunnel->thread, NULL);
        tunnel->has_thread = false;
}

char *ssh_tunnel_cut(struct ssh_tunnel *tunnel)
{
        end_thread(tunnel);
        if (tunnel->errors.length) {
                _cleanup_free_ char *said = str_one_line(tunnel->errors.data, MAX_ERRORS);
                return xasprintf("the remote end reported: %s", said);
        }
        if (!ssh_connection_is_lost(tunnel->connection))
                return xstrdup("");
        _cleanup_free_ char *reason = ssh_session_reason(tunnel->connection->session);
        return xasprintf("the SSH connection broke: %s", reason);
}

struct ssh_tunnel *ssh_tunnel_free(struct ssh_tunnel *tunnel)
{
        if (!tunnel)
                return NULL;
        end_thread(tunnel);
        ssh_tunnel_unlink(tunnel);
        closep(&tunnel->listener);
        closep(&tunnel->cut);
        if (tunnel->channel) {
                ssh_remove_channel_callbacks(tunnel->channel, &tunnel->callbacks);
                ssh_channel_free(tunnel->channel);
        }
        ssh_connection_free(tunnel->connection);
        strbuf_done(&tunnel->to_local);
        strbuf_done(&tunnel->to_remote);
        strbuf_done(&tunnel->errors);
        free(tunnel);
        return NULL;
}
