/* Faults at the n-th call. Every call of a worker goes through here: those to a hypervisor
 * (decorator.c, which stands in for transports/libvirt/libvirt-ssh.h) and those that change the
 * share (share-calls.c, which stands in for libc's). Calls are counted over all connections of one
 * worker, connecting and reconnecting included. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Begins a worker's count and what is to happen to it. In the worker's process. */
void decorator_begin(void);
/* Is this the worker, and not a probe that it forked? */
bool decorator_counts(void);

/* Before a call: counts it, traces it, kills or cancels the worker where that is planned. True when
 * the planned fault falls on it. */
bool decorator_enter(const char *call, const char *detail);
/* After a call that changed something: remembers that, because only such a call has an effect to
 * lose. */
void decorator_changed(void);
