/* Checkpoints and backup jobs: QEMU records what is written since a checkpoint, and a backup job
 * writes that to a file. */
#include <libvirt/virterror.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "transports/libvirt/libvirt-ssh-internal.h"

enum {
        MAX_LISTED = 1000,
        /* libvirt itself waits half a minute for another client's job to end. */
        BEGIN_TIMEOUT_MS = 60 * 1000,
};

static int read_checkpoints(virConnectPtr connection _unused_, virDomainPtr domain,
                            struct libvirt_request *request)
{
        virDomainCheckpointPtr *checkpoints = NULL;
        int n = virDomainListAllCheckpoints(domain, &checkpoints,
                                            VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL);
        /* A driver that does not support checkpoints has none. */
        if (n < 0)
                return virGetLastErrorCode() == VIR_ERR_NO_SUPPORT ? 0 : -1;
        for (int i = 0; i < n; i++) {
                if (i < MAX_LISTED)
                        strv_add(&request->strings, virDomainCheckpointGetName(checkpoints[i]));
                virDomainCheckpointFree(checkpoints[i]);
        }
        free(checkpoints);
        return 0;
}

int libvirt_ssh_list_checkpoints(struct hypervisor *hypervisor, const char *uuid, char ***ret_names,
                                 struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(read_checkpoints, "listing the checkpoints", uuid);
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        *ret_names = libvirt_request_take_strings(request);
        return 0;
}

static int read_checkpoint(virConnectPtr connection _unused_, virDomainPtr domain,
                           struct libvirt_request *request)
{
        virDomainCheckpointPtr checkpoint =
                virDomainCheckpointLookupByName(domain, request->name, 0);
        if (!checkpoint)
                return -1;
        request->text = virDomainCheckpointGetXMLDesc(checkpoint, VIR_DOMAIN_CHECKPOINT_XML_SIZE);
        virDomainCheckpointFree(checkpoint);
        return request->text ? 0 : -1;
}

int libvirt_ssh_checkpoint_xml(struct hypervisor *hypervisor, const char *uuid, const char *name,
                               char **ret_xml, struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(read_checkpoint, "reading a checkpoint", uuid);
        request->name = xstrdup(name);
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        *ret_xml = TAKE_PTR(request->text);
        return 0;
}

static int do_create(virConnectPtr connection _unused_, virDomainPtr domain,
                     struct libvirt_request *request)
{
        virDomainCheckpointPtr checkpoint = virDomainCheckpointCreateXML(domain, request->xml, 0);
        if (!checkpoint)
                return -1;
        virDomainCheckpointFree(checkpoint);
        return 0;
}

int libvirt_ssh_checkpoint_create(struct hypervisor *hypervisor, const char *uuid, const char *xml,
                                  struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_create, "creating a checkpoint", uuid);
        request->xml = xstrdup(xml);
        return libvirt_ssh_call(hypervisor, request, err);
}

/* A bitmap that is missing or unusable cannot be merged into its parent; then only the record is
 * removed. */
static int do_delete(virConnectPtr connection _unused_, virDomainPtr domain,
                     struct libvirt_request *request)
{
        virDomainCheckpointPtr checkpoint =
                virDomainCheckpointLookupByName(domain, request->name, 0);
        if (!checkpoint)
                return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN_CHECKPOINT ? 0 : -1;
        int r = virDomainCheckpointDelete(checkpoint, 0);
        int code = r < 0 ? virGetLastErrorCode() : 0;
        if (r < 0 && code != VIR_ERR_OPERATION_TIMEOUT && code != VIR_ERR_OPERATION_INVALID)
                r = virDomainCheckpointDelete(checkpoint,
                                              VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY);
        virDomainCheckpointFree(checkpoint);
        return r;
}

int libvirt_ssh_checkpoint_delete(struct hypervisor *hypervisor, const char *uuid, const char *name,
                                  struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_delete, "deleting a checkpoint", uuid);
        request->name = xstrdup(name);
        request->timeout_ms = BEGIN_TIMEOUT_MS;
        return libvirt_ssh_call(hypervisor, request, err);
}

/* Clears the statistics of the last job, which could be taken for this one's. */
static void forget_last_job(virDomainPtr domain)
{
        virTypedParameterPtr parameters = NULL;
        int type = VIR_DOMAIN_JOB_NONE, n = 0;
        if (virDomainGetJobStats(domain, &type, &parameters, &n, VIR_DOMAIN_JOB_STATS_COMPLETED) ==
            0)
                virTypedParamsFree(parameters, n);
}

static int do_begin(virConnectPtr connection _unused_, virDomainPtr domain,
                    struct libvirt_request *request)
{
        forget_last_job(domain);
        return virDomainBackupBegin(domain, request->xml, request->text, 0);
}

int libvirt_ssh_backup_begin(struct hypervisor *hypervisor, const char *uuid,
                             const char *backup_xml, const char *checkpoint_xml, struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_begin, "beginning the backup job", uuid);
        request->xml = xstrdup(backup_xml);
        request->text = xstrdup(checkpoint_xml);
        request->timeout_ms = BEGIN_TIMEOUT_MS;
        return libvirt_ssh_call(hypervisor, request, err);
}

/* Reads the result of the last job. libvirt keeps it until it is read or another job begins. If
 * that was not a backup, the result of an earlier backup is unknown. */
static int read_completed(virDomainPtr domain, struct libvirt_request *request)
{
        virTypedParameterPtr parameters = NULL;
        int type = VIR_DOMAIN_JOB_NONE, n = 0, success = 0,
            operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
        const char *message = NULL;
        if (virDomainGetJobStats(domain, &type, &parameters, &n,
                                 VIR_DOMAIN_JOB_STATS_COMPLETED |
                                         VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED) < 0)
                return -1;
        virTypedParamsGetBoolean(parameters, n, VIR_DOMAIN_JOB_SUCCESS, &success);
        virTypedParamsGetString(parameters, n, VIR_DOMAIN_JOB_ERRMSG, &message);
        virTypedParamsGetInt(parameters, n, VIR_DOMAIN_JOB_OPERATION, &operation);
        if (operation == VIR_DOMAIN_JOB_OPERATION_BACKUP) {
                request->backup_job.state = type == VIR_DOMAIN_JOB_COMPLETED && success
                                                    ? BACKUP_JOB_DONE
                                                    : BACKUP_JOB_FAILED;
                request->text = xstrdup(message);
        }
        virTypedParamsFree(parameters, n);
        return 0;
}

static int read_backup_job(virConnectPtr connection _unused_, virDomainPtr domain,
                           struct libvirt_request *request)
{
        struct backup_job *job = &request->backup_job;
        virTypedParameterPtr parameters = NULL;
        int type = VIR_DOMAIN_JOB_NONE, n = 0, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
        unsigned long long done = 0, total = 0;
        if (virDomainGetJobStats(domain, &type, &parameters, &n, 0) < 0)
                return -1;
        virTypedParamsGetInt(parameters, n, VIR_DOMAIN_JOB_OPERATION, &operation);
        virTypedParamsGetULLong(parameters, n, VIR_DOMAIN_JOB_DISK_PROCESSED, &done);
        virTypedParamsGetULLong(parameters, n, VIR_DOMAIN_JOB_DISK_TOTAL, &total);
        virTypedParamsFree(parameters, n);
        if (type == VIR_DOMAIN_JOB_NONE)
                return read_completed(domain, request);
        if (operation != VIR_DOMAIN_JOB_OPERATION_BACKUP)
                return 0;
        *job = (struct backup_job){ .state = BACKUP_JOB_RUNNING,
                                    .done_bytes = done,
                                    .total_bytes = total };
        request->text = virDomainBackupGetXMLDesc(domain, 0);
        /* The job may have ended between the two calls. */
        return request->text || virGetLastErrorCode() == VIR_ERR_NO_DOMAIN_BACKUP ? 0 : -1;
}

int libvirt_ssh_backup_job(struct hypervisor *hypervisor, const char *uuid, struct backup_job *ret,
                           char **ret_text, struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(read_backup_job, "reading the backup job", uuid);
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        *ret = request->backup_job;
        if (ret_text)
                *ret_text = TAKE_PTR(request->text);
        return 0;
}

/* A domain has one job at a time. Only a backup is ended here, never a migration that another
 * client started. */
static int end_backup(virConnectPtr connection, virDomainPtr domain,
                      struct libvirt_request *request)
{
        request->backup_job = (struct backup_job){ 0 };
        free(TAKE_PTR(request->text));
        if (read_backup_job(connection, domain, request) < 0)
                return -1;
        return request->backup_job.state == BACKUP_JOB_RUNNING ? virDomainAbortJob(domain) : 0;
}

/* A job that has ended by itself since it was read counts as aborted. */
static int do_backup_abort(virConnectPtr connection, virDomainPtr domain,
                           struct libvirt_request *request)
{
        int r = end_backup(connection, domain, request);
        return r < 0 && virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID
                       ? end_backup(connection, domain, request)
                       : r;
}

int libvirt_ssh_backup_abort(struct hypervisor *hypervisor, const char *uuid, struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_backup_abort, "ending the backup job", uuid);
        return libvirt_ssh_call(hypervisor, request, err);
}
