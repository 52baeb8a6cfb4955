/* The URI by which libvirt reaches a hypervisor. */
#pragma once

#include <stdbool.h>

#include "transports/ssh-connection.h"

/* qemu+libssh://user@address:port/system?…, host key verified against target->known_hosts, login by target->key alone. The "ssh"
 * transport would do neither: it ignores these parameters. `helper`: virt-ssh-helper is installed there (it finds the right daemon's
 * socket, also with modular daemons); else libvirt looks for what there is. The caller frees. */
char *libvirt_uri(const struct ssh_target *target, bool helper);
