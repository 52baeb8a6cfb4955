/* Internal to the SSH transport: the connection object and the steps of opening it. */
#pragma once

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include "base/clock.h"
#include "transports/ssh/ssh-connection.h"

struct ssh_connection {
        ssh_session session; /* always non-blocking */
        ssh_event event;
        /* our own descriptor of the session's socket: when libssh closes its copy is not
         * predictable */
        int fd;
        bool lost;
        /* running commands: more than one if a callback of one runs another */
        unsigned n_running;
};

/* Connects without verifying the host key and without a login, only to read the key. Nothing secret
 * may be sent on this connection. */
struct ssh_connection *ssh_connection_to_stranger(const struct ssh_target *target,
                                                  int64_t timeout_ms,
                                                  struct error **err) _must_check_;

/* Verifies the server's key against target->known_hosts; ERROR_AUTH, with what to do, if it does
 * not match. */
int ssh_hostkey_verify(ssh_session session, const struct ssh_target *target,
                       struct error **err) _must_check_;

/* Logs in as target->user. ERROR_AUTH if the login is refused. */
int ssh_authenticate(struct ssh_connection *connection, const struct ssh_target *target,
                     struct deadline deadline, struct error **err) _must_check_;

/* Offers these algorithms beside libssh's own. Call it before connecting. ERROR_CONFIG for a name
 * that libssh does not know. */
int ssh_algorithms_allow(ssh_session session, char *const *names, struct error **err) _must_check_;

/* The type and fingerprint of the key that the server showed; the caller frees both. */
int ssh_hostkey_read(ssh_session session, char **ret_type, char **ret_fingerprint,
                     struct error **err) _must_check_;

/* Waits until libssh's socket is ready, at most until the deadline. False: the deadline has passed.
 */
bool ssh_session_wait(ssh_session session, int fd, struct deadline deadline) _must_check_;

/* Opens `channel` (NULL: libssh could not create one) and starts `command` on it. Its output goes
 * to `callbacks`, which have to outlive the channel or be removed from it. Between tries it calls
 * `wait`, which lets a moment pass, or fails. *ret_sent: the command may have started. */
int ssh_start_command(struct ssh_connection *connection, ssh_channel channel,
                      ssh_channel_callbacks callbacks, const char *command,
                      int (*wait)(void *data, struct error **err), void *data, bool *ret_sent,
                      struct error **err) _must_check_;

/* The data of a `wait` that only checks a deadline. */
struct ssh_wait {
        struct ssh_connection *connection;
        struct deadline deadline;
};

/* libssh's own error text, on one line. The caller frees. */
char *ssh_session_reason(ssh_session session);
