/* What the model's hypervisor does with a command: exec() and stop_unit() of
 * transports/hypervisor.h. */
#pragma once

#include "transports/hypervisor.h"

int command_run(const char *const argv[], const struct exec_options *options,
                struct exec_result *ret, struct error **err) _must_check_;
void command_stop(const char *unit);
