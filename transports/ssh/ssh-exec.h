/* A command over an SSH connection: stdin, both output streams, its exit, within a deadline. */
#pragma once

#include "transports/hypervisor.h"
#include "transports/ssh/ssh-connection.h"

/* Runs `command` (one line for the remote user's shell, from shell_join()) as hypervisor.h says of
 * exec(); options->unit is not looked at. `what` names it in errors. *ret_sent (set also on
 * failure): the command may have started over there; when it is false another try on a new
 * connection is harmless.
 *
 * on_output and cancelled may themselves run commands on this connection. The remote command is not
 * ended by ERROR_TIMEOUT or ERROR_CANCELLED (SSH has no way to); after a timeout the connection
 * counts as lost. */
int ssh_exec(struct ssh_connection *connection, const char *what, const char *command,
             const struct exec_options *options, bool *ret_sent, struct exec_result *ret,
             struct error **err) _must_check_;
