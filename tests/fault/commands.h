/* What the model's hypervisor does with a command: exec() and stop_unit() of
 * transports/hypervisor.h. */
#pragma once

#include "transports/hypervisor.h"

int command_run(const char *const argv[], const struct exec_options *options,
                struct exec_result *ret, struct error **err) _must_check_;
void command_stop(const char *unit);
/* What stands for a command in a trace: the name its script was given, else the command. */
const char *command_name(const char *const argv[]);
/* By that name: whether it is a copy, which takes its time. */
bool command_is_copy(const char *name);
