/* Changes a domain's power state or its definition. */
#include <libvirt/virterror.h>

#include "base/log.h"
#include "base/memory.h"
#include "transports/libvirt/libvirt-ssh-internal.h"

enum {
        /* A start may have to read a managed save first, which is as large as the guest's memory.
         */
        START_TIMEOUT_MS = 300 * 1000,
        /* libvirt itself waits up to half a minute for a QEMU to end. */
        DESTROY_TIMEOUT_MS = 90 * 1000,
};

static int run_simple(struct hypervisor *hypervisor, libvirt_function *function, const char *doing,
                      const char *uuid, int64_t timeout_ms, unsigned flags, struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(function, doing, uuid);
        request->timeout_ms = timeout_ms;
        request->flags = flags;
        return libvirt_ssh_call(hypervisor, request, err);
}

static int do_suspend(virConnectPtr connection _unused_, virDomainPtr domain,
                      struct libvirt_request *request _unused_)
{
        return virDomainSuspend(domain);
}

int libvirt_ssh_suspend(struct hypervisor *hypervisor, const char *uuid, struct error **err)
{
        return run_simple(hypervisor, do_suspend, "pausing", uuid, 0, 0, err);
}

static int do_resume(virConnectPtr connection _unused_, virDomainPtr domain,
                     struct libvirt_request *request _unused_)
{
        return virDomainResume(domain);
}

int libvirt_ssh_resume(struct hypervisor *hypervisor, const char *uuid, struct error **err)
{
        return run_simple(hypervisor, do_resume, "resuming", uuid, 0, 0, err);
}

static int do_start(virConnectPtr connection _unused_, virDomainPtr domain,
                    struct libvirt_request *request)
{
        return virDomainCreateWithFlags(domain, request->flags);
}

int libvirt_ssh_start(struct hypervisor *hypervisor, const char *uuid, bool paused,
                      struct error **err)
{
        return run_simple(hypervisor, do_start, "starting", uuid, START_TIMEOUT_MS,
                          paused ? VIR_DOMAIN_START_PAUSED : 0, err);
}

static int do_shutdown(virConnectPtr connection _unused_, virDomainPtr domain,
                       struct libvirt_request *request _unused_)
{
        return virDomainShutdown(domain);
}

int libvirt_ssh_shutdown(struct hypervisor *hypervisor, const char *uuid, struct error **err)
{
        return run_simple(hypervisor, do_shutdown, "requesting the shutdown", uuid, 0, 0, err);
}

/* A domain that has shut off by itself since it was read counts as powered off. */
static int do_destroy(virConnectPtr connection _unused_, virDomainPtr domain,
                      struct libvirt_request *request _unused_)
{
        int r = virDomainDestroy(domain);
        if (r < 0 && virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID)
                /* virDomainIsActive() has overwritten the error */
                r = virDomainIsActive(domain) == 0 ? 0 : virDomainDestroy(domain);
        return r;
}

int libvirt_ssh_destroy(struct hypervisor *hypervisor, const char *uuid, struct error **err)
{
        return run_simple(hypervisor, do_destroy, "powering off", uuid, DESTROY_TIMEOUT_MS, 0, err);
}

/* Validation finds what libvirt would silently omit. But a definition that came from another
 * libvirt, perhaps a newer one, has to be restorable even if it does not validate; then it is
 * defined without validation. */
static int do_define(virConnectPtr connection, virDomainPtr none _unused_,
                     struct libvirt_request *request)
{
        virDomainPtr domain =
                virDomainDefineXMLFlags(connection, request->xml, VIR_DOMAIN_DEFINE_VALIDATE);
        if (!domain && virGetLastErrorCode() == VIR_ERR_XML_INVALID_SCHEMA) {
                log_debug("the definition does not validate against libvirt's schema: %s",
                          virGetLastErrorMessage());
                domain = virDomainDefineXML(connection, request->xml);
        }
        if (!domain)
                return -1;
        char uuid[VIR_UUID_STRING_BUFLEN];
        int r = virDomainGetUUIDString(domain, uuid);
        if (r == 0)
                request->text = xstrdup(uuid);
        virDomainFree(domain);
        return r;
}

int libvirt_ssh_define(struct hypervisor *hypervisor, const char *xml, char **ret_uuid,
                       struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_define, "defining a VM", NULL);
        request->xml = xstrdup(xml);
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        if (ret_uuid)
                *ret_uuid = TAKE_PTR(request->text);
        return 0;
}

/* Removes the definition and the checkpoints' metadata, which is useless without it. It deletes no
 * file: NVRAM and TPM state stay, and libvirt refuses a domain with a managed save (a guest's
 * memory) or with an operator's snapshots. */
static int do_undefine(virConnectPtr connection _unused_, virDomainPtr domain,
                       struct libvirt_request *request)
{
        return virDomainUndefineFlags(domain, request->flags);
}

int libvirt_ssh_undefine(struct hypervisor *hypervisor, const char *uuid, struct error **err)
{
        return run_simple(hypervisor, do_undefine, "undefining", uuid, 0,
                          VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | VIR_DOMAIN_UNDEFINE_KEEP_TPM |
                                  VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
                          err);
}

static int do_update_device(virConnectPtr connection _unused_, virDomainPtr domain,
                            struct libvirt_request *request)
{
        return virDomainUpdateDeviceFlags(domain, request->xml, VIR_DOMAIN_AFFECT_CONFIG);
}

int libvirt_ssh_update_device(struct hypervisor *hypervisor, const char *uuid,
                              const char *device_xml, struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_update_device, "updating a device", uuid);
        request->xml = xstrdup(device_xml);
        return libvirt_ssh_call(hypervisor, request, err);
}
