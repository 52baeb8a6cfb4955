/* One call to a hypervisor: what each operation of libvirt-ssh.c's table, a file per subject, makes
 * its calls with. */
#include <string.h>

#include "base/strings.h"
#include "transports/libvirt/libvirt-ssh-internal.h"

/* libvirt first synchronises with an agent (5 s at most), then gives the command its own timeout.
 */
enum { AGENT_SLACK_MS = 10 * 1000 };

int libvirt_ssh_named(const struct hypervisor *hypervisor, struct error **err)
{
        size_t length = strlen(hypervisor->name);
        if (err && *err && str_starts_with((*err)->message, hypervisor->name) &&
            str_starts_with((*err)->message + length, ": "))
                return -1;
        return error_prefix(err, "%s", hypervisor->name);
}

int libvirt_ssh_call(struct hypervisor *hypervisor, struct libvirt_request *request,
                     struct error **err)
{
        struct libvirt_ssh *self = (struct libvirt_ssh *)hypervisor;
        int r = self->libvirt ? libvirt_connection_call(self->libvirt, request, err)
                              : error_set(err, ERROR_UNREACHABLE, "no connection to libvirt");
        return r < 0 ? libvirt_ssh_named(hypervisor, err) : 0;
}

int libvirt_ssh_agent_call(struct hypervisor *hypervisor, struct libvirt_request *request,
                           struct error **err)
{
        struct libvirt_ssh *self = (struct libvirt_ssh *)hypervisor;
        if (!request->agent_seconds)
                request->agent_seconds = (int)((self->agent_timeout_ms + 999) / 1000);
        int64_t timeout_ms = (int64_t)request->agent_seconds * 1000 + AGENT_SLACK_MS;
        request->timeout_ms =
                timeout_ms > self->call_timeout_ms ? timeout_ms : self->call_timeout_ms;
        return libvirt_ssh_call(hypervisor, request, err);
}
