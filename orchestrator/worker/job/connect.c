/* Implements worker/job/connect.h. */
#include "worker/job/connect.h"

#include "base/strings.h"
#include "transports/libvirt/libvirt-ssh.h"

struct hypervisor *worker_connect(const struct settings *settings,
                                  const struct inventory_hypervisor *entry, int64_t timeout_ms,
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

const char *worker_host_repository(const struct settings *settings,
                                   const struct inventory_hypervisor *entry)
{
        return entry->repository ? entry->repository : settings->repository_path;
}

int worker_check_repository(const struct repository *repository, const struct settings *settings,
                            const struct job_request *request, struct error **err)
{
        if (streq(repository_uuid(repository), request->repository_uuid))
                return 0;
        return error_set(
                err, ERROR_REFUSED,
                "the share at %s is now another one (%s) than the one that this orch opened (%s)",
                settings->repository_path, repository_uuid(repository), request->repository_uuid);
}

struct repository *worker_open_repository(const struct settings *settings,
                                          const struct job_request *request, struct error **err)
{
        _cleanup_(repository_freep) struct repository *repository =
                repository_open(settings->repository_path, settings->repository_fstype, err);
        if (!repository || worker_check_repository(repository, settings, request, err) < 0)
                return NULL;
        return TAKE_PTR(repository);
}
