/* The URI by which libvirt reaches a hypervisor. */
#pragma once

#include "transports/ssh/ssh-connection.h"

/* Through a tunnel that ends in the unix socket `path` (transports/ssh/ssh-tunnel.h). The caller
 * frees. */
char *libvirt_uri_of_tunnel(const char *path);

/* By libvirt's own transport, for hosts without virt-ssh-helper, where libvirt looks for what there
 * is (nc): the host key verified against target->known_hosts, login by target->key alone. (The
 * "ssh" transport would do neither: it ignores these parameters.) The caller frees. */
char *libvirt_uri_of_libssh(const struct ssh_target *target);
