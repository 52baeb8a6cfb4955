/* External snapshots, the commit that undoes them, and the pull that frees a disk from its backing
 * chain. libvirt's defaults are never used here: without an explicit base a commit swallows the
 * templates that back a disk, and snapshot metadata makes libvirt refuse a migration. */
#include <string.h>

#include "base/memory.h"
#include "schema/libvirt/domain-live.h"
#include "transports/libvirt/libvirt-ssh-internal.h"

static int do_snapshot(virConnectPtr connection _unused_, virDomainPtr domain,
                       struct libvirt_request *request)
{
        virDomainSnapshotPtr snapshot = virDomainSnapshotCreateXML(
                domain, request->xml,
                VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC |
                        VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA);
        if (!snapshot)
                return -1;
        virDomainSnapshotFree(snapshot);
        return 0;
}

int libvirt_ssh_snapshot(struct hypervisor *hypervisor, const char *uuid, const char *snapshot_xml,
                         struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_snapshot, "taking a snapshot", uuid);
        request->xml = xstrdup(snapshot_xml);
        return libvirt_ssh_call(hypervisor, request, err);
}

static int call_on_disk(struct hypervisor *hypervisor, struct libvirt_request *request,
                        const char *target, struct error **err)
{
        request->target = xstrdup(target);
        return libvirt_ssh_call(hypervisor, request, err);
}

static int do_commit(virConnectPtr connection _unused_, virDomainPtr domain,
                     struct libvirt_request *request)
{
        return virDomainBlockCommit(domain, request->target, request->base, request->top,
                                    request->bandwidth_bytes, request->flags);
}

int libvirt_ssh_block_commit(struct hypervisor *hypervisor, const char *uuid, const char *target,
                             const char *base, const char *top, uint64_t bandwidth_mib_s,
                             struct error **err)
{
        if (!base || !top || bandwidth_mib_s > UINT32_MAX)
                return error_set(
                        err, ERROR_INTERNAL,
                        "disk %s: a commit needs an explicit base and top, and a valid bandwidth",
                        target);
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_commit, "starting the commit", uuid);
        request->base = xstrdup(base);
        request->top = xstrdup(top);
        request->bandwidth_bytes = bandwidth_mib_s * 1024 * 1024;
        request->flags = VIR_DOMAIN_BLOCK_COMMIT_ACTIVE |
                         (bandwidth_mib_s ? VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES : 0u);
        return call_on_disk(hypervisor, request, target, err);
}

static int do_pull(virConnectPtr connection _unused_, virDomainPtr domain,
                   struct libvirt_request *request)
{
        return virDomainBlockPull(domain, request->target, request->bandwidth_bytes,
                                  request->flags);
}

int libvirt_ssh_block_pull(struct hypervisor *hypervisor, const char *uuid, const char *target,
                           uint64_t bandwidth_mib_s, struct error **err)
{
        if (bandwidth_mib_s > UINT32_MAX)
                return error_set(err, ERROR_INTERNAL, "disk %s: a pull needs a valid bandwidth",
                                 target);
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_pull, "starting the pull", uuid);
        request->bandwidth_bytes = bandwidth_mib_s * 1024 * 1024;
        request->flags = bandwidth_mib_s ? VIR_DOMAIN_BLOCK_PULL_BANDWIDTH_BYTES : 0u;
        return call_on_disk(hypervisor, request, target, err);
}

/* The XML decides whether a job is ready: equal byte counts can also mean that it has only just
 * begun. */
static int read_block_job(virConnectPtr connection _unused_, virDomainPtr domain,
                          struct libvirt_request *request)
{
        struct block_job *job = &request->block_job;
        virDomainBlockJobInfo info;
        int found = virDomainGetBlockJobInfo(domain, request->target, &info,
                                             VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES);
        if (found <= 0)
                return found;
        bool commit = info.type == VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT ||
                      info.type == VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT;
        bool pull = info.type == VIR_DOMAIN_BLOCK_JOB_TYPE_PULL;
        job->type = commit ? BLOCK_JOB_COMMIT : pull ? BLOCK_JOB_PULL : BLOCK_JOB_OTHER;
        job->done_bytes = info.cur;
        job->total_bytes = info.end;
        _cleanup_free_ char *xml = virDomainGetXMLDesc(domain, 0);
        return xml ? domain_live_mirror_ready(xml, strlen(xml), request->target, &job->ready,
                                              &request->error)
                   : -1;
}

int libvirt_ssh_block_job(struct hypervisor *hypervisor, const char *uuid, const char *target,
                          struct block_job *ret, struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(read_block_job, "reading the block job", uuid);
        if (call_on_disk(hypervisor, request, target, err) < 0)
                return -1;
        *ret = request->block_job;
        return 0;
}

static int do_unlimit(virConnectPtr connection _unused_, virDomainPtr domain,
                      struct libvirt_request *request)
{
        return virDomainBlockJobSetSpeed(domain, request->target, 0, 0);
}

int libvirt_ssh_block_unlimit(struct hypervisor *hypervisor, const char *uuid, const char *target,
                              struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_unlimit, "removing the limit of the block job", uuid);
        return call_on_disk(hypervisor, request, target, err);
}

static int do_block_abort(virConnectPtr connection _unused_, virDomainPtr domain,
                          struct libvirt_request *request)
{
        return virDomainBlockJobAbort(domain, request->target, request->flags);
}

int libvirt_ssh_block_pivot(struct hypervisor *hypervisor, const char *uuid, const char *target,
                            struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_block_abort, "pivoting", uuid);
        request->flags = VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT;
        return call_on_disk(hypervisor, request, target, err);
}

int libvirt_ssh_block_abort(struct hypervisor *hypervisor, const char *uuid, const char *target,
                            struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_block_abort, "aborting the block job", uuid);
        return call_on_disk(hypervisor, request, target, err);
}
