/* The calls of transports/hypervisor.h over the world: each does what libvirt and a guest agent do,
 * as far as orch relies on it (the measured behaviour), and notes what orch must never ask for. */
#pragma once

#include "transports/hypervisor.h"

/* As ops of any hypervisor object: the object itself is not looked at. `free` and `reconnect` are
 * missing. */
extern const struct hypervisor_operations model_operations;
