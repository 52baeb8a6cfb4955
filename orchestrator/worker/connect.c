/* Implements worker/connect.h. */
#include "worker/connect.h"

#include "transports/libvirt-ssh.h"

struct hypervisor *worker_connect(const struct settings *settings, const struct inventory_hypervisor *entry, int64_t timeout_ms,
                                  struct error **err)
{
        if (libvirt_ssh_init(err) < 0)
                return NULL;
        struct libvirt_ssh_options options = {
                .name = entry->name,
                .address = entry->address,
                .port = entry->port ? entry->port : settings->ssh.port,
                .user = settings->ssh.user,
                .key = settings->ssh.key,
                .known_hosts = settings->ssh.known_hosts,
                .uri = entry->uri,
                .connect_timeout_ms = timeout_ms,
        };
        return libvirt_ssh_connect(&options, err);
}

const char *worker_host_repository(const struct settings *settings, const struct inventory_hypervisor *entry)
{
        return entry->repository ? entry->repository : settings->repository_path;
}
