/* Reads from libvirt: the domains, their states, their XML. */
#include <libvirt/virterror.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "transports/libvirt/libvirt-ssh-internal.h"

enum { MAX_XML_BYTES = 4 * 1024 * 1024, MAX_LISTED = 10000, LONG_MONITOR_COMMAND_MS = 2000 };

static int read_versions(virConnectPtr connection, virDomainPtr domain _unused_,
                         struct libvirt_request *request)
{
        if (virConnectGetLibVersion(connection, &request->versions.libvirt) < 0)
                return -1;
        return virConnectGetVersion(connection, &request->versions.qemu);
}

int libvirt_ssh_versions(struct hypervisor *hypervisor, struct hypervisor_versions *ret,
                         struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(read_versions, "reading the versions", NULL);
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        *ret = request->versions;
        return 0;
}

static enum domain_state state_from_libvirt(int state)
{
        switch (state) {
        case VIR_DOMAIN_RUNNING:
        case VIR_DOMAIN_BLOCKED:
                return DOMAIN_STATE_RUNNING;
        case VIR_DOMAIN_PAUSED:
                return DOMAIN_STATE_PAUSED;
        case VIR_DOMAIN_SHUTOFF:
                return DOMAIN_STATE_SHUT_OFF;
        case VIR_DOMAIN_CRASHED:
                return DOMAIN_STATE_CRASHED;
        default:
                return DOMAIN_STATE_OTHER;
        }
}

static const char *job_word(int operation)
{
        static const char *const words[] = {
                [VIR_DOMAIN_JOB_OPERATION_START] = "start",
                [VIR_DOMAIN_JOB_OPERATION_SAVE] = "save",
                [VIR_DOMAIN_JOB_OPERATION_RESTORE] = "restore",
                [VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN] = "migration",
                [VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT] = "migration",
                [VIR_DOMAIN_JOB_OPERATION_SNAPSHOT] = "snapshot",
                [VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT] = "snapshot revert",
                [VIR_DOMAIN_JOB_OPERATION_DUMP] = "dump",
                [VIR_DOMAIN_JOB_OPERATION_BACKUP] = "backup",
                [VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_DELETE] = "snapshot delete",
        };
        bool known = operation >= 0 && (size_t)operation < ARRAY_LENGTH(words) && words[operation];
        return known ? words[operation] : "unknown job";
}

/* Whether another command to QEMU has been without an answer for long: asking for the job would
 * wait behind it for half a minute. */
static bool is_stuck(virDomainPtr domain)
{
        virDomainControlInfo control;
        if (virDomainGetControlInfo(domain, &control, 0) < 0)
                return false;
        return control.state == VIR_DOMAIN_CONTROL_ERROR ||
               (control.state == VIR_DOMAIN_CONTROL_OCCUPIED &&
                control.stateTime > LONG_MONITOR_COMMAND_MS);
}

/* A domain that is shut off, or whose driver has no jobs, has none. */
static int read_domain_job(virDomainPtr domain, struct libvirt_request *request)
{
        if (is_stuck(domain)) {
                request->info.job = xstrdup("a command that QEMU does not answer");
                return 0;
        }
        int type = VIR_DOMAIN_JOB_NONE, n = 0, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
        virTypedParameterPtr parameters = NULL;
        if (virDomainGetJobStats(domain, &type, &parameters, &n, 0) < 0) {
                int code = virGetLastErrorCode();
                return code == VIR_ERR_OPERATION_INVALID || code == VIR_ERR_NO_SUPPORT ? 0 : -1;
        }
        virTypedParamsGetInt(parameters, n, VIR_DOMAIN_JOB_OPERATION, &operation);
        virTypedParamsFree(parameters, n);
        if (type != VIR_DOMAIN_JOB_NONE)
                request->info.job = xstrdup(job_word(operation));
        return 0;
}

static int read_info(virConnectPtr connection _unused_, virDomainPtr domain,
                     struct libvirt_request *request)
{
        struct domain_info *info = &request->info;
        char uuid[VIR_UUID_STRING_BUFLEN];
        int state, reason;
        if (virDomainGetUUIDString(domain, uuid) < 0 ||
            virDomainGetState(domain, &state, &reason, 0) < 0)
                return -1;
        int persistent = virDomainIsPersistent(domain);
        int managed_save = persistent == 1 ? virDomainHasManagedSaveImage(domain, 0) : 0;
        if (persistent < 0 || managed_save < 0)
                return -1;
        info->uuid = xstrdup(uuid);
        info->name = xstrdup(virDomainGetName(domain));
        info->state = state_from_libvirt(state);
        info->paused_by_io_error =
                state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR;
        info->persistent = persistent;
        info->has_managed_save = managed_save;
        return state == VIR_DOMAIN_SHUTOFF ? 0 : read_domain_job(domain, request);
}

int libvirt_ssh_find_domain(struct hypervisor *hypervisor, const char *uuid, const char *name,
                            struct domain_info *ret, struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(read_info, "reading the state", uuid);
        request->name = xstrdup(name);
        request->may_be_missing = true;
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        if (request->missing)
                return 0;
        *ret = request->info;
        request->info = (struct domain_info){ 0 };
        return 1;
}

static int read_domain_list(virConnectPtr connection, virDomainPtr domain _unused_,
                            struct libvirt_request *request)
{
        virDomainPtr *domains = NULL;
        int n = virConnectListAllDomains(connection, &domains, 0);
        if (n < 0)
                return -1;
        for (int i = 0; i < n; i++) {
                char uuid[VIR_UUID_STRING_BUFLEN];
                if (i < MAX_LISTED && virDomainGetUUIDString(domains[i], uuid) == 0)
                        strv_add(&request->strings, uuid);
                virDomainFree(domains[i]);
        }
        free(domains);
        return 0;
}

int libvirt_ssh_list_domains(struct hypervisor *hypervisor, char ***ret_uuids, struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(read_domain_list, "listing the VMs", NULL);
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        *ret_uuids = libvirt_request_take_strings(request);
        return 0;
}

static int read_domain_xml(virConnectPtr connection _unused_, virDomainPtr domain,
                           struct libvirt_request *request)
{
        request->text = virDomainGetXMLDesc(domain, request->flags);
        if (request->text && strnlen(request->text, MAX_XML_BYTES + 1) > MAX_XML_BYTES)
                return error_set(&request->error, ERROR_CORRUPT, "the XML is larger than %d bytes",
                                 MAX_XML_BYTES);
        return request->text ? 0 : -1;
}

int libvirt_ssh_get_xml(struct hypervisor *hypervisor, const char *uuid, bool inactive, bool secure,
                        char **ret_xml, struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(read_domain_xml, "reading the XML", uuid);
        request->flags =
                (inactive ? VIR_DOMAIN_XML_INACTIVE : 0u) | (secure ? VIR_DOMAIN_XML_SECURE : 0u);
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        *ret_xml = TAKE_PTR(request->text);
        return 0;
}

static int read_snapshots(virConnectPtr connection _unused_, virDomainPtr domain,
                          struct libvirt_request *request)
{
        virDomainSnapshotPtr *snapshots = NULL;
        int n = virDomainListAllSnapshots(domain, &snapshots, 0);
        if (n < 0)
                return -1;
        for (int i = 0; i < n; i++) {
                if (i < MAX_LISTED)
                        strv_add(&request->strings, virDomainSnapshotGetName(snapshots[i]));
                virDomainSnapshotFree(snapshots[i]);
        }
        free(snapshots);
        return 0;
}

int libvirt_ssh_list_snapshots(struct hypervisor *hypervisor, const char *uuid, char ***ret_names,
                               struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(read_snapshots, "listing the snapshots", uuid);
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        *ret_names = libvirt_request_take_strings(request);
        return 0;
}

static int read_block_size(virConnectPtr connection _unused_, virDomainPtr domain,
                           struct libvirt_request *request)
{
        return virDomainGetBlockInfo(domain, request->target, &request->block, 0);
}

int libvirt_ssh_block_size(struct hypervisor *hypervisor, const char *uuid, const char *target,
                           uint64_t *ret_capacity, uint64_t *ret_allocation, struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(read_block_size, "reading the size", uuid);
        request->target = xstrdup(target);
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        *ret_capacity = request->block.capacity;
        *ret_allocation = request->block.allocation;
        return 0;
}
