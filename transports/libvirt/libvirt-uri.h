/* The URI by which libvirt reaches a hypervisor. */
#pragma once

#include "transports/ssh/ssh-connection.h"

/* The URI for a tunnel that ends in the unix socket `path` (transports/ssh/ssh-tunnel.h). The
 * caller frees. */
char *libvirt_uri_of_tunnel(const char *path);

/* The URI for libvirt's own "libssh" transport, for hosts without virt-ssh-helper; there libvirt
 * uses nc. The host key is verified against target->known_hosts, and the login uses only
 * target->key. (libvirt's "ssh" transport ignores both parameters.) The caller frees. */
char *libvirt_uri_of_libssh(const struct ssh_target *target);
