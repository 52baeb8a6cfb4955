/* What the files of the SSH transport share. */
#pragma once

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include "base/clock.h"
#include "transports/ssh/ssh-connection.h"

struct ssh_connection {
        ssh_session session; /* always non-blocking */
        ssh_event event;
        /* our own descriptor of the session's socket: libssh closes its copy, and only that, by
         * rules of its own */
        int fd;
        bool lost;
        /* commands under way: more than one when a callback of one runs another */
        unsigned n_running;
};

/* Connected, and nothing more: nobody has looked at the host key, nobody has logged in, and nothing
 * secret may be said. To see the key. */
struct ssh_connection *ssh_connection_to_stranger(const struct ssh_target *target,
                                                  int64_t timeout_ms,
                                                  struct error **err) _must_check_;

/* Believes the server's key only when target->known_hosts has it; else ERROR_AUTH with what to do
 * about it. */
int ssh_hostkey_verify(ssh_session session, const struct ssh_target *target,
                       struct error **err) _must_check_;

/* Logs in as target->user. ERROR_AUTH when that is refused. */
int ssh_authenticate(struct ssh_connection *connection, const struct ssh_target *target,
                     struct deadline deadline, struct error **err) _must_check_;

/* Offers these beside libssh's own; before the connection is made. ERROR_CONFIG for a name that
 * libssh does not know. */
int ssh_algorithms_allow(ssh_session session, char *const *names, struct error **err) _must_check_;

/* The type and fingerprint of the key that the server showed; the caller frees both. */
int ssh_hostkey_read(ssh_session session, char **ret_type, char **ret_fingerprint,
                     struct error **err) _must_check_;

/* Waits until libssh's socket can go on, at most until the deadline. False: the deadline has
 * passed. */
bool ssh_session_wait(ssh_session session, int fd, struct deadline deadline) _must_check_;

/* Opens `channel` (NULL: libssh could not make one) and has `command` run on it; what comes back
 * goes to `callbacks`, which must outlive the channel or be removed from it. Between tries `wait`
 * lets a moment pass, or fails. *ret_sent: the command may have started. */
int ssh_start_command(struct ssh_connection *connection, ssh_channel channel,
                      ssh_channel_callbacks callbacks, const char *command,
                      int (*wait)(void *data, struct error **err), void *data, bool *ret_sent,
                      struct error **err) _must_check_;

/* For a `wait` that looks at a deadline alone. */
struct ssh_wait {
        struct ssh_connection *connection;
        struct deadline deadline;
};

/* libssh's own words for what went wrong, on one line. The caller frees. */
char *ssh_session_reason(ssh_session session);
