/* What the files of the SSH transport share. */
#pragma once

#include <libssh/libssh.h>

#include "base/clock.h"
#include "transports/ssh-connection.h"

struct ssh_connection {
        ssh_session session; /* always non-blocking */
        ssh_event event;
        int fd; /* our own descriptor of the session's socket: libssh closes its copy, and only that, by rules of its own */
        bool lost;
        unsigned n_running; /* commands under way: more than one when a callback of one runs another */
};

/* Believes the server's key only when target->known_hosts has it; else ERROR_AUTH with what to do about it. */
int ssh_hostkey_verify(ssh_session session, const struct ssh_target *target, struct error **err) _must_check_;

/* Waits until libssh's socket can go on, at most until the deadline. False: the deadline has passed. */
bool ssh_wait(ssh_session session, int fd, struct deadline deadline) _must_check_;

/* libssh's own words for what went wrong, on one line. The caller frees. */
char *ssh_reason(ssh_session session);
