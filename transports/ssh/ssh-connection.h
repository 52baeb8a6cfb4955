/* One SSH connection to a hypervisor or an appliance: connected, its host key verified, the user
 * authenticated, each within a deadline. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "schema/config/secrets.h"

/* The server and the login. Strings are borrowed. */
struct ssh_target {
        const char *address;
        unsigned port;
        const char *user;
        const char *key;         /* absolute path of the private key; NULL: none */
        const char *known_hosts; /* absolute path; the only file of trusted host keys */
        /* used if the key is not accepted or not sufficient; NULL: none */
        const struct secret *password;
        /* legacy algorithms that are allowed beside libssh's own; NULL: none */
        char *const *algorithms;
        bool is_appliance; /* an appliance, not a hypervisor; used in messages */
};

struct ssh_connection;

/* Connects, verifies the host key and logs in, all within timeout_ms. ERROR_AUTH: the host key is
 * not the one in known_hosts, or the login was refused; ERROR_UNREACHABLE; ERROR_TIMEOUT: the
 * server accepted the connection and then did not answer. Messages name the address, not the
 * hypervisor. The caller frees. */
struct ssh_connection *ssh_connection_open(const struct ssh_target *target, int64_t timeout_ms,
                                           struct error **err) _must_check_;

/* Whether the connection broke, or a command on it did not end in time: nothing more can be run on
 * it. */
bool ssh_connection_is_lost(const struct ssh_connection *connection);
/* Whether a command is running on it (true inside that command's callbacks): it must not be freed
 * then. */
bool ssh_connection_is_running(const struct ssh_connection *connection);

/* Never blocks. Returns NULL. */
struct ssh_connection *ssh_connection_free(struct ssh_connection *connection);
DEFINE_FREEP(struct ssh_connection, ssh_connection_free)
