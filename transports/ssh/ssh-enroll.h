/* Making a host's key known: looked at, shown to a person, and entered into known_hosts only when
 * that person (or a fingerprint that was given) says so. A key that contradicts what known_hosts
 * has is never entered. */
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

/* What the server shows, by target->address and ->port; user and key are not used. Returns an
 * enroll_state, or -1: ERROR_AUTH when known_hosts has another key of it, ERROR_UNREACHABLE,
 * ERROR_TIMEOUT. */
int ssh_enroll_look(const struct ssh_target *target, int64_t timeout_ms, struct ssh_host_key *ret,
                    struct error **err) _must_check_;
/* Appends the entry to the file, durably; one that is not there is made, 0644. */
int ssh_enroll_enter(const char *known_hosts, const struct ssh_host_key *key,
                     struct error **err) _must_check_;
