/* Named commands on a hypervisor: they can be stopped from any connection, and they end at their
 * deadline even if orch and the network are gone. They are transient systemd units. Without systemd
 * (a test host) a command runs in a session of its own under timeout(1), with a pidfile in
 * /run/orch that is removed at its end. This file only makes the command lines; the caller runs
 * them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* What a hypervisor offers; determined once per connection. */
struct remote_abilities {
        bool systemd;         /* systemd runs there */
        bool virt_ssh_helper; /* libvirt's helper for the remote end of a tunnel is installed */
};

/* The shell command that determines the abilities, and the parser of its stdout. The caller frees.
 */
char *remote_abilities_command(void);
struct remote_abilities remote_abilities_parse(const char *output);

/* The command line that runs argv as `unit`, for at most timeout_ms and a grace of two seconds (so
 * that a caller that waits for timeout_ms sees its own timeout and not an exit status). Exit status
 * and output are those of argv, once remote_unit_result() has processed them. NULL if the name is
 * not safe (ERROR_INTERNAL). The caller frees. */
char *remote_unit_command(struct remote_abilities abilities, const char *unit,
                          const char *const argv[], int64_t timeout_ms,
                          struct error **err) _must_check_;

/* Checks the result of a unit's command line, and removes from `errors` (its stderr) the line by
 * which the unit reported that it began. ERROR_BUSY: it did not begin (a unit of that name is
 * running, or systemd could not start it), and `status` is not that of argv. */
int remote_unit_result(const char *unit, int status, char *errors, struct error **err) _must_check_;

/* The command line that ends the unit and all its processes, with SIGTERM and then SIGKILL. It
 * succeeds if the unit is not running. The caller frees. */
char *remote_unit_stop_command(struct remote_abilities abilities, const char *unit,
                               struct error **err) _must_check_;

/* Converts the exit status of that command to 0, or to -1 with the reason. */
int remote_unit_stop_result(const char *unit, int status, const char *errors,
                            struct error **err) _must_check_;
