/* Commands on a hypervisor that have a name, so that they can be stopped from any connection, and
 * that do not outlive their time whatever becomes of us: transient systemd units, or where systemd
 * does not run (a test host) a session of their own under timeout(1), with a pidfile in /run/orch
 * that is gone when they are. Here only the command lines are made; the caller runs them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* What a hypervisor has; asked once per connection. */
struct remote_abilities {
        bool systemd;         /* systemd runs there */
        bool virt_ssh_helper; /* libvirt's own far end of a tunnel is installed */
};

/* The question, for the remote shell, and the reading of its answer (the command's stdout). The
 * caller frees. */
char *remote_abilities_command(void);
struct remote_abilities remote_abilities_parse(const char *output);

/* Runs argv as `unit` for at most timeout_ms and a grace of two seconds (so that whoever waits for
 * timeout_ms sees its own timeout and not an exit status). Its exit status and output are argv's
 * own, once remote_unit_result() has seen them. NULL: the name is no safe name (ERROR_INTERNAL).
 * The caller frees. */
char *remote_unit_command(struct remote_abilities abilities, const char *unit,
                          const char *const argv[], int64_t timeout_ms,
                          struct error **err) _must_check_;

/* Looks at what a unit's command line came back with, and takes the line out of `errors` (its
 * stderr) by which the command told that it began. ERROR_BUSY: it did not begin (a unit of that
 * name runs already, or systemd could not start it), and `status` is none of argv's. */
int remote_unit_result(const char *unit, int status, char *errors, struct error **err) _must_check_;

/* Ends the unit and all it started, first gently, then not. One that does not run is fine. The
 * caller frees. */
char *remote_unit_stop_command(struct remote_abilities abilities, const char *unit,
                               struct error **err) _must_check_;

/* Reads the exit status of that command: 0, or -1 with the reason. */
int remote_unit_stop_result(const char *unit, int status, const char *errors,
                            struct error **err) _must_check_;
