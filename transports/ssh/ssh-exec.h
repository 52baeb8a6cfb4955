/* Runs a command over an SSH connection, with stdin, both output streams, its exit status and a
 * deadline. */
#pragma once

#include "transports/hypervisor.h"
#include "transports/ssh/ssh-connection.h"

/* Runs `command` (one line for the remote user's shell, from shell_join()) as hypervisor.h
 * describes exec(); options->unit is ignored. `what` names the command in errors. *ret_sent (set
 * also on failure): the command may have started on the server. If it is false, another try on a
 * new connection is safe.
 *
 * on_output and cancelled may themselves run commands on this connection. ERROR_TIMEOUT and
 * ERROR_CANCELLED do not end the remote command, because SSH has no way to do that; after a timeout
 * the connection counts as lost. */
int ssh_exec(struct ssh_connection *connection, const char *what, const char *command,
             const struct exec_options *options, bool *ret_sent, struct exec_result *ret,
             struct error **err) _must_check_;
