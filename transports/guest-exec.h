/* A command inside a guest, run by its agent (guest-exec, guest-exec-status of the QEMU guest
 * agent's protocol). */
#pragma once

#include "transports/hypervisor.h"

/* Runs argv in the guest and waits for its end. argv[0] is searched in the agent's PATH. `env`
 * ("NAME=value", NULL-terminated; NULL: the agent's own environment) is all that the command gets,
 * and a PATH where it names none: the agent replaces, it does not add.
 *
 * Of `options`, timeout_ms, max_output, cancelled and data count; a command has no stdin. Returns 0
 * whenever it ran to its end, whatever its status. ERROR_TIMEOUT and ERROR_CANCELLED: the command
 * and its children were killed, or the message says that they may still run. ERROR_REFUSED: the
 * agent may not run commands, and what to change in the guest. ERROR_INTERNAL also for a program
 * that the guest does not have. */
int guest_exec(struct hypervisor *hypervisor, const char *uuid, const char *const argv[],
               const char *const env[], const struct exec_options *options, struct exec_result *ret,
               struct error **err) _must_check_;
