/* This machine as a place where commands are run, for code that runs them on hypervisors: exec, and
 * nothing of libvirt. */
#pragma once

#include "transports/hypervisor.h"

/* Its name is this machine's. Only free, reconnect, exec and stop_unit may be called; a unit ends
 * with the call, and with this process's group. The caller frees with hypervisor_free(). */
struct hypervisor *local_host_new(void);
