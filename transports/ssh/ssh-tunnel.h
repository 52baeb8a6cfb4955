/* A tunnel connects a unix socket on this machine to stdin and stdout of a command on the
 * hypervisor. It carries libvirt's remote protocol over our own SSH connection.
 *
 * Why not libvirt's own "libssh" transport: it reads ~/.ssh/config, which can switch host key
 * verification off; it sleeps on answers that libssh has already read from the socket, until the
 * next keepalive (with libvirt 9.0 a domain's XML took five seconds); and a call that is stuck in
 * it cannot be ended, while a tunnel can be cut. */
#pragma once

#include <stdint.h>

#include "transports/ssh/ssh-connection.h"

struct ssh_tunnel;

/* Starts `command` (a line for the remote shell) over `connection`, which the tunnel takes over,
 * also on failure. The socket accepts one connection, from this process only. The caller frees. */
struct ssh_tunnel *ssh_tunnel_open(struct ssh_connection *connection, const char *command,
                                   int64_t timeout_ms, struct error **err) _must_check_;

/* The socket's absolute path. The tunnel keeps ownership. */
const char *ssh_tunnel_path(const struct ssh_tunnel *tunnel);

/* Removes the socket's path. Call it after connecting. */
void ssh_tunnel_unlink(struct ssh_tunnel *tunnel);

/* Closes both ends now; a reader of the socket gets end-of-file. Returns the reason why the tunnel
 * may have ended before (the command's stderr, or how the SSH connection broke) on one line, or ""
 * if none is known; the caller frees. Never blocks. */
char *ssh_tunnel_cut(struct ssh_tunnel *tunnel);

/* Cuts the tunnel and frees it and its SSH connection. Returns NULL. */
struct ssh_tunnel *ssh_tunnel_free(struct ssh_tunnel *tunnel);
DEFINE_FREEP(struct ssh_tunnel, ssh_tunnel_free)
