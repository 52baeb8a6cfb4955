/* Adds a host's key to known_hosts: the key is read from the server, and added only after an
 * operator has confirmed it or it matches a given fingerprint. A key that contradicts known_hosts
 * is never added. */
#pragma once

#include "base/error.h"
#include "transports/ssh/ssh-connection.h"

struct ssh_host_key {
        char *type;        /* "ssh-ed25519" */
        char *fingerprint; /* "SHA256:…" */
        char *entry;       /* a line of known_hosts, without its end */
};
void ssh_host_key_done(struct ssh_host_key *key);
#define _cleanup_ssh_host_key_ _cleanup_(ssh_host_key_done)

enum enroll_state { ENROLL_KNOWN, ENROLL_UNKNOWN };

/* Reads the key of the server at target->address and ->port; user and key are not used. Returns an
 * enroll_state, or -1: ERROR_AUTH if known_hosts has another key for it, ERROR_UNREACHABLE,
 * ERROR_TIMEOUT. The caller frees *ret with ssh_host_key_done(). */
int ssh_enroll_look(const struct ssh_target *target, int64_t timeout_ms, struct ssh_host_key *ret,
                    struct error **err) _must_check_;
/* Appends the entry to the file and syncs it to the disk. A missing file is created with mode 0644.
 */
int ssh_enroll_enter(const char *known_hosts, const struct ssh_host_key *key,
                     struct error **err) _must_check_;
