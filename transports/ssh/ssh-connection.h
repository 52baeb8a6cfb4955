/* One SSH connection to a hypervisor or an appliance: connected, its host key verified, the user
 * authenticated, each within a deadline. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "schema/config/secrets.h"

/* Who to connect to, and as whom. Strings are borrowed. */
struct ssh_target {
        const char *address;
        unsigned port;
        const char *user;
        const char *key;         /* absolute path of the private key; NULL: none */
        const char *known_hosts; /* absolute path; the only file that is believed */
        /* where the key is not accepted, or not enough; NULL: none */
        const struct secret *password;
        /* legacy ones that are allowed beside libssh's own; NULL: none */
        char *const *algorithms;
        bool is_appliance; /* no hypervisor: for messages */
};

struct ssh_connection;

/* ERROR_AUTH: the host key is not the one in known_hosts, or the user's key is not accepted;
 * ERROR_UNREACHABLE; ERROR_TIMEOUT: it took the connection and then fell silent. Messages name the
 * address, not the hypervisor. */
struct ssh_connection *ssh_connection_open(const struct ssh_target *target, int64_t timeout_ms,
                                           struct error **err) _must_check_;

/* The connection broke, or a command on it did not end in time: nothing more can be run on it. */
bool ssh_connection_is_lost(const struct ssh_connection *connection);
/* A command runs on it now (this is asked from within its callbacks): it must not be freed. */
bool ssh_connection_is_running(const struct ssh_connection *connection);

/* Never blocks. Returns NULL. */
struct ssh_connection *ssh_connection_free(struct ssh_connection *connection);
DEFINE_FREEP(struct ssh_connection, ssh_connection_free)
