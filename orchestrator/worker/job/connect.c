/* Implements worker/job/connect.h. */
#include "worker/job/connect.h"

#include <stdint.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "transports/libvirt/libvirt-ssh.h"

enum {
        RECONNECT_PATIENCE_MS = 120 * 1000,
        RECONNECT_PAUSE_US = 1000 * 1000,
        TRUE_TIMEOUT_MS = 15 * 1000,
};

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

const struct inventory_hypervisor *worker_host_entry(const struct inventory *inventory,
                                                     const char *name,
                                                     struct inventory_hypervisor *fallback)
{
        const struct inventory_hypervisor *entry = inventory_find_hypervisor(inventory, name);
        if (entry)
                return entry;
        *fallback = (struct inventory_hypervisor){
                .name = (char *)(uintptr_t)name,
                .address = (char *)(uintptr_t)name,
                .scratch = (char *)(uintptr_t) "/var/lib/libvirt/images"
        };
        return fallback;
}

/* Queries the domain and runs a command, because libvirt and SSH are two connections. */
static int try_connection(struct hypervisor *host, const char *uuid, struct error **err)
{
        static const char *const true_argv[] = { "true", NULL };
        _cleanup_domain_info_ struct domain_info info = { 0 };
        if (host->ops->find_domain(host, uuid, NULL, &info, err) < 0)
                return -1;
        return hypervisor_run(host, true_argv, TRUE_TIMEOUT_MS, NULL, err);
}

int worker_ensure_connection(struct hypervisor *host, const char *uuid, struct deadline *by,
                             struct error **err)
{
        struct deadline own = { 0 };
        struct deadline *until = by ? by : &own;
        for (;;) {
                _cleanup_error_ struct error *error = NULL;
                if (try_connection(host, uuid, &error) == 0)
                        return 0;
                if (until->at_ms == 0)
                        *until = deadline_in_ms(RECONNECT_PATIENCE_MS);
                if (deadline_passed(*until)) {
                        error_propagate(err, TAKE_PTR(error));
                        return error_prefix(err, "%s could not be reached again within %d s",
                                            host->name, RECONNECT_PATIENCE_MS / 1000);
                }
                if (host->ops->reconnect(host, NULL) < 0)
                        /* the deadline above bounds the loop, and there is no event to wait for */
                        usleep(RECONNECT_PAUSE_US);
        }
}
