/* A command on the hypervisor whose stdin and stdout are a unix socket here: libvirt's remote
 * protocol goes through one, over an SSH connection that is ours.
 *
 * Why not libvirt's own "libssh" transport: it reads ~/.ssh/config, which can switch host key
 * verification off; it sleeps on answers that libssh has already read from the socket, until the
 * next keepalive (seen with libvirt 9.0: five seconds for a domain's XML); and a call that is stuck
 * in it cannot be ended, while a tunnel can be cut. */
#pragma once

#include <stdint.h>

#include "transports/ssh/ssh-connection.h"

struct ssh_tunnel;

/* Starts `command` (a line for the remote shell) over `connection`, which the tunnel takes over,
 * also on failure. The socket takes one connection, from this process only. */
struct ssh_tunnel *ssh_tunnel_open(struct ssh_connection *connection, const char *command,
                                   int64_t timeout_ms, struct error **err) _must_check_;

/* The socket's absolute path. The tunnel keeps ownership. */
const char *ssh_tunnel_path(const struct ssh_tunnel *tunnel);

/* Removes the path, once it has been connected to. */
void ssh_tunnel_unlink(struct ssh_tunnel *tunnel);

/* Closes both ends now: whoever waits for an answer at the socket gets end-of-file. Returns what is
 * known of why it may have ended before (what the command said on stderr, how the SSH connection
 * broke) in one line, "" for nothing; the caller frees. Never blocks. */
char *ssh_tunnel_cut(struct ssh_tunnel *tunnel);

/* Returns NULL. */
struct ssh_tunnel *ssh_tunnel_free(struct ssh_tunnel *tunnel);
DEFINE_FREEP(struct ssh_tunnel, ssh_tunnel_free)
