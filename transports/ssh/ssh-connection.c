/* Implements transports/ssh/ssh-connection.h.
 *
 * Some of libssh's blocking calls have no deadline, so the session is always non-blocking, and each
 * step is repeated (SSH_AGAIN) when the socket is ready, until our deadline. libssh's configuration
 * files are never read: they could disable the verification of host keys. */
#include "transports/ssh/ssh-connection.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/memory.h"
#include "transports/ssh/network-connect.h"
#include "transports/ssh/ssh-internal.h"

static int set_options(struct ssh_connection *connection, const struct ssh_target *target,
                       struct error **err)
{
        int fd = fcntl(connection->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno, "cannot duplicate a socket");
        ssh_session session = connection->session;
        ssh_set_blocking(session, 0);
        if (ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &(bool){ false }) < 0 ||
            ssh_options_set(session, SSH_OPTIONS_HOST, target->address) < 0 ||
            ssh_options_set(session, SSH_OPTIONS_PORT, &target->port) < 0 ||
            ssh_options_set(session, SSH_OPTIONS_USER, target->user) < 0 ||
            ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, target->known_hosts) < 0 ||
            ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, target->known_hosts) < 0 ||
            ssh_options_set(session, SSH_OPTIONS_FD, &fd) < 0) {
                close(fd);
                _cleanup_free_ char *reason = ssh_session_reason(session);
                return error_set(err, ERROR_INTERNAL, "libssh does not accept its options: %s",
                                 reason);
        }
        return 0;
}

static int shake_hands(struct ssh_connection *connection, struct deadline deadline,
                       struct error **err)
{
        int r;
        while ((r = ssh_connect(connection->session)) == SSH_AGAIN)
                if (!ssh_session_wait(connection->session, connection->fd, deadline))
                        return error_set(err, ERROR_TIMEOUT,
                                         "accepted the connection, but its SSH server did not "
                                         "answer in time");
        if (r != SSH_OK) {
                _cleanup_free_ char *reason = ssh_session_reason(connection->session);
                return error_set(err, ERROR_UNREACHABLE, "no SSH connection: %s", reason);
        }
        /* libssh makes a connected socket blocking. A send to a peer that reads nothing would then
         * never return. */
        int flags = fcntl(connection->fd, F_GETFL);
        if (flags < 0 || fcntl(connection->fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return error_set_errno(err, ERROR_INTERNAL, errno,
                                       "cannot make the socket non-blocking");
        return 0;
}

static int start_event_loop(struct ssh_connection *connection, struct error **err)
{
        connection->event = ssh_event_new();
        if (!connection->event ||
            ssh_event_add_session(connection->event, connection->session) != SSH_OK)
                return error_set(err, ERROR_INTERNAL, "libssh cannot watch its session");
        return 0;
}

static int reach_server(struct ssh_connection *connection, const struct ssh_target *target,
                        struct deadline deadline, struct error **err)
{
        connection->fd = network_connect(target->address, target->port, deadline, err);
        if (connection->fd < 0)
                return -1;
        connection->session = ssh_new();
        if (!connection->session)
                return error_set(err, ERROR_INTERNAL, "libssh cannot create a session");
        if (set_options(connection, target, err) < 0 ||
            ssh_algorithms_allow(connection->session, target->algorithms, err) < 0)
                return -1;
        return shake_hands(connection, deadline, err);
}

static int open_steps(struct ssh_connection *connection, const struct ssh_target *target,
                      struct deadline deadline, struct error **err)
{
        if (reach_server(connection, target, deadline, err) < 0 ||
            ssh_hostkey_verify(connection->session, target, err) < 0 ||
            ssh_authenticate(connection, target, deadline, err) < 0)
                return -1;
        return start_event_loop(connection, err);
}

struct ssh_connection *ssh_connection_to_stranger(const struct ssh_target *target,
                                                  int64_t timeout_ms, struct error **err)
{
        _cleanup_(ssh_connection_freep) struct ssh_connection *connection =
                xcalloc(1, sizeof *connection);
        connection->fd = -1;
        if (reach_server(connection, target, deadline_in_ms(timeout_ms), err) < 0) {
                error_prefix(err, "%s", target->address);
                return NULL;
        }
        return TAKE_PTR(connection);
}

struct ssh_connection *ssh_connection_open(const struct ssh_target *target, int64_t timeout_ms,
                                           struct error **err)
{
        _cleanup_(ssh_connection_freep) struct ssh_connection *connection =
                xcalloc(1, sizeof *connection);
        connection->fd = -1;
        if (open_steps(connection, target, deadline_in_ms(timeout_ms), err) < 0) {
                error_prefix(err, "%s", target->address);
                return NULL;
        }
        return TAKE_PTR(connection);
}

static int command_failed(struct ssh_connection *connection, struct error **err)
{
        _cleanup_free_ char *reason = ssh_session_reason(connection->session);
        if (ssh_connection_is_lost(connection))
                return error_set(err, ERROR_UNREACHABLE, "the SSH connection broke: %s", reason);
        return error_set(err, ERROR_INTERNAL, "the SSH server does not run a command: %s", reason);
}

int ssh_start_command(struct ssh_connection *connection, ssh_channel channel,
                      ssh_channel_callbacks callbacks, const char *command,
                      int (*wait)(void *data, struct error **err), void *data, bool *ret_sent,
                      struct error **err)
{
        int r;
        *ret_sent = false;
        if (!channel)
                return command_failed(connection, err);
        while ((r = ssh_channel_open_session(channel)) == SSH_AGAIN)
                if (wait(data, err) < 0)
                        return -1;
        ssh_callbacks_init(callbacks);
        if (r != SSH_OK || ssh_set_channel_callbacks(channel, callbacks) != SSH_OK)
                return command_failed(connection, err);
        *ret_sent = true;
        while ((r = ssh_channel_request_exec(channel, command)) == SSH_AGAIN)
                if (wait(data, err) < 0)
                        return -1;
        return r == SSH_OK ? 0 : command_failed(connection, err);
}

bool ssh_connection_is_lost(const struct ssh_connection *connection)
{
        return connection->lost || !ssh_is_connected(connection->session);
}

bool ssh_connection_is_running(const struct ssh_connection *connection)
{
        return connection->n_running > 0;
}

/* ssh_disconnect() is not called: it closes the descriptor only in some cases. ssh_free() always
 * closes it. */
struct ssh_connection *ssh_connection_free(struct ssh_connection *connection)
{
        if (!connection)
                return NULL;
        if (connection->event) {
                if (connection->session)
                        ssh_event_remove_session(connection->event, connection->session);
                ssh_event_free(connection->event);
        }
        ssh_free(connection->session);
        closep(&connection->fd);
        free(connection);
        return NULL;
}
