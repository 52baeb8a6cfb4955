/* A command inside a guest, run by its agent (guest-exec, guest-exec-status of the QEMU guest
 * agent's protocol). */
#pragma once

#include "transports/hypervisor.h"

/* Runs argv in the guest and waits until it ends. argv[0] is looked up in the agent's PATH. `env`
 * ("NAME=value", NULL-terminated; NULL: the agent's own environment) is the command's whole
 * environment, because the agent replaces the environment; a PATH is added if it has none.
 *
 * Of `options`, timeout_ms, max_output, cancelled and data are used; the command has no stdin.
 * Returns 0 if the command ended, whatever its status. ERROR_TIMEOUT and ERROR_CANCELLED: the
 * command and its children were killed, or the message says that they may still run. ERROR_REFUSED:
 * the agent does not allow commands; the message says what to change in the guest. ERROR_INTERNAL
 * also for a program that the guest does not have. */
int guest_exec(struct hypervisor *hypervisor, const char *uuid, const char *const argv[],
               const char *const env[], const struct exec_options *options, struct exec_result *ret,
               struct error **err) _must_check_;
