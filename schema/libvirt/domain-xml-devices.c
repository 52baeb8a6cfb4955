/* Reads what a domain has beside disks: networks, the TPM, the host's devices that it uses, as
 * descriptions; and its boot order, over all devices. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-xml-internal.h"
#include "schema/libvirt/xml-document.h"

static void add_network(struct domain_xml *xml, const xmlNode *interface)
{
        static const char *const attributes[] = { "network", "bridge", "dev" };
        const xmlNode *source = xml_child(interface, "source");
        for (size_t i = 0; i < ARRAY_LENGTH(attributes); i++) {
                _cleanup_free_ char *name = xml_attribute(source, attributes[i]);
                if (!name)
                        continue;
                if (!strv_contains(xml->networks, name))
                        strv_add(&xml->networks, name);
                return; /* a live NIC on a network also names the network's bridge */
        }
}

/* An attribute that libvirt writes as "0x1a", as a number; 0 if it is missing. */
static unsigned attribute_number(const xmlNode *node, const char *name)
{
        _cleanup_free_ char *text = xml_attribute(node, name);
        return text ? (unsigned)strtoul(text, NULL, 0) : 0;
}

static char *describe_pci(const xmlNode *address)
{
        return xasprintf("PCI device %04x:%02x:%02x.%x", attribute_number(address, "domain"),
                         attribute_number(address, "bus"), attribute_number(address, "slot"),
                         attribute_number(address, "function"));
}

static char *describe_usb(const xmlNode *source)
{
        const xmlNode *vendor = xml_child(source, "vendor");
        if (vendor)
                return xasprintf("USB device %04x:%04x", attribute_number(vendor, "id"),
                                 attribute_number(xml_child(source, "product"), "id"));
        const xmlNode *address = xml_child(source, "address");
        return xasprintf("USB device on bus %u, device %u", attribute_number(address, "bus"),
                         attribute_number(address, "device"));
}

static char *describe_scsi(const xmlNode *source)
{
        _cleanup_free_ char *adapter = xml_attribute(xml_child(source, "adapter"), "name");
        if (!adapter)
                adapter = xml_attribute(source, "name"); /* iSCSI */
        const xmlNode *address = xml_child(source, "address");
        return xasprintf("SCSI device %s %u:%u:%u", adapter ? adapter : "of the host",
                         attribute_number(address, "bus"), attribute_number(address, "target"),
                         attribute_number(address, "unit"));
}

/* mode='capabilities' (containers) names a device file, a disk or a NIC of the host. */
static char *describe_capability(const xmlNode *source, const char *type)
{
        static const char *const parts[] = { "block", "char", "interface" };
        for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
                _cleanup_free_ char *name = xml_text(xml_child(source, parts[i]));
                if (name)
                        return xasprintf("%s device %s", type, name);
        }
        return xasprintf("%s device", type);
}

static char *describe_hostdev(const xmlNode *hostdev)
{
        const xmlNode *source = xml_child(hostdev, "source");
        const xmlNode *address = xml_child(source, "address");
        _cleanup_free_ char *mode = xml_attribute(hostdev, "mode");
        _cleanup_free_ char *type = xml_attribute(hostdev, "type");
        if (streq(mode, "capabilities"))
                return describe_capability(source, type ? type : "host");
        if (streq(type, "pci"))
                return describe_pci(address);
        if (streq(type, "usb"))
                return describe_usb(source);
        if (streq(type, "scsi"))
                return describe_scsi(source);
        if (streq(type, "scsi_host")) {
                _cleanup_free_ char *wwpn = xml_attribute(source, "wwpn");
                return xasprintf("SCSI host adapter %s", wwpn ? wwpn : "of the host");
        }
        if (streq(type, "mdev")) {
                _cleanup_free_ char *uuid = xml_attribute(address, "uuid");
                return xasprintf("mediated device %s", uuid ? uuid : "of the host");
        }
        return xasprintf("%s device", type ? type : "host");
}

/* A NIC that is a PCI device of the host; a folder of the host shared with the guest. */
static void add_interface_hostdev(struct domain_xml *xml, const xmlNode *interface)
{
        _cleanup_free_ char *device =
                describe_pci(xml_child(xml_child(interface, "source"), "address"));
        strv_addf(&xml->host_devices, "network card, %s", device);
}

static void add_shared_folder(struct domain_xml *xml, const xmlNode *filesystem)
{
        static const char *const attributes[] = { "dir", "socket", "file", "dev", "name" };
        const xmlNode *source = xml_child(filesystem, "source");
        _cleanup_free_ char *place = NULL;
        for (size_t i = 0; !place && i < ARRAY_LENGTH(attributes); i++)
                place = xml_attribute(source, attributes[i]);
        strv_addf(&xml->host_devices, "shared folder %s", place ? place : "of the host");
}

void domain_read_other_devices(const xmlNode *devices, struct domain_xml *xml)
{
        for (const xmlNode *node = xml_child(devices, "interface"); node;
             node = xml_next(node, "interface")) {
                _cleanup_free_ char *type = xml_attribute(node, "type");
                _cleanup_free_ char *mac = xml_attribute(xml_child(node, "mac"), "address");
                if (mac)
                        strv_add(&xml->macs, mac);
                if (streq(type, "hostdev"))
                        add_interface_hostdev(xml, node);
                else
                        add_network(xml, node);
        }
        for (const xmlNode *node = xml_child(devices, "hostdev"); node;
             node = xml_next(node, "hostdev")) {
                _cleanup_free_ char *description = describe_hostdev(node);
                strv_add(&xml->host_devices, description);
        }
        for (const xmlNode *node = xml_child(devices, "filesystem"); node;
             node = xml_next(node, "filesystem"))
                add_shared_folder(xml, node);
        for (const xmlNode *node = xml_child(devices, "tpm"); node; node = xml_next(node, "tpm")) {
                _cleanup_free_ char *backend = xml_attribute(xml_child(node, "backend"), "type");
                if (!streq(backend, "emulator"))
                        continue;
                xml->has_tpm_emulator = true;
                if (!xml->tpm_state)
                        xml->tpm_state = xml_attribute(
                                xml_child(xml_child(node, "backend"), "source"), "path");
        }
}

struct bootable {
        unsigned order;
        char *name;
};

static char *boot_name(const xmlNode *device)
{
        const char *kind = (const char *)device->name;
        char *name = NULL;
        if (streq(kind, "disk"))
                name = xml_attribute(xml_child(device, "target"), "dev");
        else if (streq(kind, "interface"))
                name = xml_attribute(xml_child(device, "mac"), "address");
        return name ? name : xstrdup(kind);
}

static int compare_order(const void *a, const void *b)
{
        const struct bootable *x = a;
        const struct bootable *y = b;
        return (x->order > y->order) - (x->order < y->order);
}

/* libvirt accepts either the devices' own numbers or the list of kinds, never both. */
void domain_read_boot_order(const xmlNode *os, const xmlNode *devices, struct domain_xml *xml)
{
        _cleanup_free_ struct bootable *bootable = NULL;
        size_t count = 0;
        for (const xmlNode *device = devices ? devices->children : NULL; device;
             device = device->next) {
                unsigned order = device->type == XML_ELEMENT_NODE
                                         ? attribute_number(xml_child(device, "boot"), "order")
                                         : 0;
                if (order == 0)
                        continue;
                bootable = xrealloc_array(bootable, count + 1, sizeof *bootable);
                bootable[count++] = (struct bootable){ order, boot_name(device) };
        }
        if (count)
                qsort(bootable, count, sizeof *bootable, compare_order);
        for (size_t i = 0; i < count; i++) {
                strv_add(&xml->boot_order, bootable[i].name);
                free(bootable[i].name);
        }
        for (const xmlNode *boot = xml_child(os, "boot"); boot && count == 0;
             boot = xml_next(boot, "boot")) {
                _cleanup_free_ char *kind = xml_attribute(boot, "dev");
                if (kind)
                        strv_add(&xml->boot_order, kind);
        }
}
