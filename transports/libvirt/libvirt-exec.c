/* Commands on the hypervisor. If the SSH connection was lost, it is opened again for one more try,
 * but only if the command cannot have started: it must never run twice. */
#include "base/memory.h"
#include "base/strings.h"
#include "transports/libvirt/libvirt-ssh-internal.h"
#include "transports/ssh/ssh-exec.h"

enum { SHORT_COMMAND_MS = 30 * 1000 };

static int ask_abilities(struct libvirt_ssh *self, struct ssh_connection *connection,
                         struct error **err)
{
        _cleanup_free_ char *command = remote_abilities_command();
        _cleanup_exec_result_ struct exec_result result = { 0 };
        struct exec_options options = { .timeout_ms = self->connect_timeout_ms };
        bool sent;
        if (ssh_exec(connection, "sh", command, &options, &sent, &result, err) < 0)
                return -1;
        if (result.status != 0) {
                _cleanup_free_ char *reason = str_one_line(result.errors, 200);
                return error_set(err, ERROR_INTERNAL,
                                 "a shell command over SSH failed with status %d: %s",
                                 result.status, reason);
        }
        self->abilities = remote_abilities_parse(result.output);
        return 0;
}

int libvirt_ssh_open_ssh(struct libvirt_ssh *self, struct error **err)
{
        self->ssh = ssh_connection_free(self->ssh);
        _cleanup_(ssh_connection_freep) struct ssh_connection *connection =
                ssh_connection_open(&self->target, self->connect_timeout_ms, err);
        if (!connection || ask_abilities(self, connection, err) < 0)
                return -1;
        self->ssh = TAKE_PTR(connection);
        return 0;
}

/* A connection with a running command is not replaced (this function may be called from that
 * command's callbacks). */
static int ensure_ssh(struct libvirt_ssh *self, struct error **err)
{
        if (self->ssh && !ssh_connection_is_lost(self->ssh))
                return 0;
        if (self->ssh && ssh_connection_is_running(self->ssh))
                return error_set(err, ERROR_UNREACHABLE, "the SSH connection was lost");
        return libvirt_ssh_open_ssh(self, err);
}

static int exec_line(struct libvirt_ssh *self, const char *what, const char *command,
                     const struct exec_options *options, struct exec_result *ret,
                     struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        bool sent = false;
        if (ensure_ssh(self, err) < 0)
                return -1;
        if (ssh_exec(self->ssh, what, command, options, &sent, ret, &error) == 0)
                return 0;
        if (error->kind != ERROR_UNREACHABLE || sent)
                return error_propagate(err, TAKE_PTR(error));
        if (ensure_ssh(self, err) < 0)
                return -1;
        return ssh_exec(self->ssh, what, command, options, &sent, ret, err);
}

static int stop_over(struct libvirt_ssh *self, struct ssh_connection *connection, const char *unit,
                     struct error **err)
{
        _cleanup_free_ char *command = remote_unit_stop_command(self->abilities, unit, err);
        if (!command)
                return -1;
        _cleanup_exec_result_ struct exec_result result = { 0 };
        struct exec_options options = { .timeout_ms = SHORT_COMMAND_MS };
        bool sent;
        if (connection ? ssh_exec(connection, "systemctl stop", command, &options, &sent, &result,
                                  err) < 0
                       : exec_line(self, "systemctl stop", command, &options, &result, err) < 0)
                return -1;
        return remote_unit_stop_result(unit, result.status, result.errors, err);
}

int libvirt_ssh_stop_unit(struct hypervisor *hypervisor, const char *unit, struct error **err)
{
        struct libvirt_ssh *self = (struct libvirt_ssh *)hypervisor;
        if (ensure_ssh(self, err) < 0 || stop_over(self, NULL, unit, err) < 0)
                return libvirt_ssh_named(hypervisor, err);
        return 0;
}

/* Stops the unit of a command that timed out or was cancelled. The command's connection may hang,
 * so this opens a new one. */
static void stop_given_up(struct libvirt_ssh *self, const char *unit, struct error *reason)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_(ssh_connection_freep) struct ssh_connection *connection =
                ssh_connection_open(&self->target, self->connect_timeout_ms, &error);
        if (connection && stop_over(self, connection, unit, &error) == 0)
                return;
        _cleanup_free_ char *message = TAKE_PTR(reason->message);
        reason->message = xasprintf("%s; and its unit %s could not be stopped: %s", message, unit,
                                    error_message(error));
}

int libvirt_ssh_exec(struct hypervisor *hypervisor, const char *const argv[],
                     const struct exec_options *options, struct exec_result *ret,
                     struct error **err)
{
        struct libvirt_ssh *self = (struct libvirt_ssh *)hypervisor;
        _cleanup_error_ struct error *error = NULL;
        _cleanup_free_ char *command = NULL;
        if (ensure_ssh(self, &error) == 0)
                command = options->unit ? remote_unit_command(self->abilities, options->unit, argv,
                                                              options->timeout_ms, &error)
                                        : shell_join(argv);
        struct exec_result result = { 0 };
        if (command && exec_line(self, argv[0], command, options, &result, &error) == 0) {
                if (!options->unit ||
                    remote_unit_result(options->unit, result.status, result.errors, &error) == 0) {
                        *ret = result;
                        return 0;
                }
                exec_result_done(&result);
        }
        if (options->unit && command &&
            (error->kind == ERROR_TIMEOUT || error->kind == ERROR_CANCELLED))
                stop_given_up(self, options->unit, error);
        error_propagate(err, TAKE_PTR(error));
        return libvirt_ssh_named(hypervisor, err);
}
