/* What libvirt manages beside domains: networks and storage pools; and whether a domain starts with
 * its host. */
#include <libvirt/virterror.h>

#include "base/memory.h"
#include "transports/libvirt/libvirt-ssh-internal.h"

static int do_find_network(virConnectPtr connection, virDomainPtr none _unused_,
                           struct libvirt_request *request)
{
        virNetworkPtr network = virNetworkLookupByName(connection, request->target);
        request->missing = !network && virGetLastErrorCode() == VIR_ERR_NO_NETWORK;
        if (!network)
                return request->missing ? 0 : -1;
        request->number = virNetworkIsActive(network);
        virNetworkFree(network);
        return request->number < 0 ? -1 : 0;
}

int libvirt_ssh_find_network(struct hypervisor *hypervisor, const char *name, bool *ret_active,
                             struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_find_network, "looking for a network", NULL);
        request->target = xstrdup(name);
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        *ret_active = request->number > 0;
        return request->missing ? 0 : 1;
}

static int do_find_pool(virConnectPtr connection, virDomainPtr none _unused_,
                        struct libvirt_request *request)
{
        virStoragePoolPtr pool = virStoragePoolLookupByName(connection, request->target);
        request->missing = !pool && virGetLastErrorCode() == VIR_ERR_NO_STORAGE_POOL;
        if (!pool)
                return request->missing ? 0 : -1;
        request->text = virStoragePoolGetXMLDesc(pool, 0);
        virStoragePoolFree(pool);
        return request->text ? 0 : -1;
}

int libvirt_ssh_find_pool(struct hypervisor *hypervisor, const char *name, char **ret_xml,
                          struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(do_find_pool, "looking for a storage pool", NULL);
        request->target = xstrdup(name);
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        if (request->missing)
                return 0;
        *ret_xml = TAKE_PTR(request->text);
        return 1;
}

static int do_get_autostart(virConnectPtr connection _unused_, virDomainPtr domain,
                            struct libvirt_request *request)
{
        return virDomainGetAutostart(domain, &request->number);
}

int libvirt_ssh_get_autostart(struct hypervisor *hypervisor, const char *uuid, bool *ret,
                              struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request = libvirt_request_new(
                do_get_autostart, "reading whether it starts with its host", uuid);
        if (libvirt_ssh_call(hypervisor, request, err) < 0)
                return -1;
        *ret = request->number > 0;
        return 0;
}

static int do_set_autostart(virConnectPtr connection _unused_, virDomainPtr domain,
                            struct libvirt_request *request)
{
        return virDomainSetAutostart(domain, request->flags ? 1 : 0);
}

int libvirt_ssh_set_autostart(struct hypervisor *hypervisor, const char *uuid, bool on,
                              struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request = libvirt_request_new(
                do_set_autostart, "setting whether it starts with its host", uuid);
        request->flags = on;
        return libvirt_ssh_call(hypervisor, request, err);
}
