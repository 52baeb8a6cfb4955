/* Runs commands on this machine through the interface of a hypervisor, for code that normally runs
 * them there. Only exec works; there is no libvirt. */
#pragma once

#include "transports/hypervisor.h"

/* Its name is that of this machine. Only free, reconnect, exec and stop_unit may be called. A unit
 * ends with the exec call, and with this process's group. The caller frees with hypervisor_free().
 */
struct hypervisor *local_host_new(void);
