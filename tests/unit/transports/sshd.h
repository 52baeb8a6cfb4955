/* A real sshd on loopback for one test: its own port, its own throw-away keys, gone with
 * sshd_stop(). */
#pragma once

#include <sys/types.h>

#include "transports/ssh/ssh-connection.h"

struct sshd {
        pid_t pid;
        unsigned port;
        char *directory;
        char *key;           /* accepted */
        char *other_key;     /* not accepted */
        char *known_hosts;   /* right */
        char *unknown_hosts; /* without this server */
        char *changed_hosts; /* with another key for this server */
        char *user;
};

void sshd_start(struct sshd *sshd);
void sshd_stop(struct sshd *sshd);
#define _cleanup_sshd_ __attribute__((cleanup(sshd_stop)))

/* Who to connect to; strings stay the fixture's. */
struct ssh_target sshd_target(const struct sshd *sshd);

/* A TCP socket that listens on loopback and never answers, and its port. */
int silent_server(unsigned *ret_port);
