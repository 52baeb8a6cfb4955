/* Opens a TCP connection with a deadline, which includes resolving the name. */
#pragma once

#include "base/clock.h"
#include "base/error.h"

/* Resolves `address` (a name, or an IPv4 or IPv6 address) and connects to the first of its
 * addresses that answers. Returns a non-blocking, close-on-exec socket that notices a dead peer
 * within about 20 s, or -1: ERROR_UNREACHABLE (also if nothing answers in time), ERROR_TIMEOUT if
 * the resolver does not answer. */
int network_connect(const char *address, unsigned port, struct deadline deadline,
                    struct error **err) _must_check_;
