/* domain_needs_read() of schema/libvirt/domain-rewrite.h. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-rewrite.h"
#include "schema/libvirt/domain-xml-internal.h"
#include "schema/libvirt/xml-document.h"

static void add_once(char ***list, const char *name)
{
        if (name && !strv_contains(*list, name))
                strv_add(list, name);
}

static void read_networks(const xmlNode *devices, struct domain_needs *needs)
{
        for (const xmlNode *nic = xml_child(devices, "interface"); nic;
             nic = xml_next(nic, "interface")) {
                const xmlNode *source = xml_child(nic, "source");
                _cleanup_free_ char *type = xml_attribute(nic, "type");
                _cleanup_free_ char *network = xml_attribute(source, "network");
                _cleanup_free_ char *bridge = xml_attribute(source, "bridge");
                _cleanup_free_ char *interface = xml_attribute(source, "dev");
                if (streq(type, "network"))
                        add_once(&needs->networks, network);
                else if (streq(type, "bridge"))
                        add_once(&needs->bridges, bridge);
                else if (streq(type, "direct"))
                        add_once(&needs->interfaces, interface);
        }
}

static void needs_add_file(struct domain_needs *needs, const xmlNode *node)
{
        _cleanup_free_ char *path = xml_text(node);
        if (path && path[0] == '/')
                add_once(&needs->files, path);
}

static void read_files(const xmlNode *domain, struct domain_needs *needs)
{
        static const char *const boot[] = { "loader", "kernel", "initrd", "dtb" };
        const xmlNode *os = xml_child(domain, "os");
        for (size_t i = 0; i < ARRAY_LENGTH(boot); i++)
                needs_add_file(needs, xml_child(os, boot[i]));
        needs_add_file(needs, xml_child(xml_child(domain, "devices"), "emulator"));
}

static void read_media(const xmlNode *devices, struct domain_needs *needs)
{
        for (const xmlNode *disk = xml_child(devices, "disk"); disk;
             disk = xml_next(disk, "disk")) {
                _cleanup_free_ char *device = xml_attribute(disk, "device");
                _cleanup_free_ char *type = xml_attribute(disk, "type");
                _cleanup_free_ char *target = xml_attribute(xml_child(disk, "target"), "dev");
                if (!target || !(streq(device, "cdrom") || streq(device, "floppy")))
                        continue;
                _cleanup_free_ char *path =
                        domain_source_path(xml_child(disk, "source"), type ? type : "file");
                if (!path)
                        continue;
                strv_add(&needs->media_targets, target);
                strv_add(&needs->media, path);
        }
}

static void read_tpm(const xmlNode *devices, struct domain_needs *needs)
{
        const xmlNode *backend = xml_child(xml_child(devices, "tpm"), "backend");
        _cleanup_free_ char *type = xml_attribute(backend, "type");
        _cleanup_free_ char *version = xml_attribute(backend, "version");
        if (streq(type, "emulator"))
                needs->tpm_version = xstrdup(version ? version : "2.0");
}

int domain_needs_read(const char *text, size_t length, struct domain_needs *ret, struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domain", err);
        if (!document)
                return -1;
        const xmlNode *domain = xmlDocGetRootElement(document);
        const xmlNode *devices = xml_child(domain, "devices");
        struct domain_needs needs = { 0 };
        read_networks(devices, &needs);
        read_files(domain, &needs);
        read_media(devices, &needs);
        read_tpm(devices, &needs);
        *ret = needs;
        return 0;
}

void domain_needs_done(struct domain_needs *needs)
{
        strv_free(needs->networks);
        strv_free(needs->bridges);
        strv_free(needs->interfaces);
        strv_free(needs->files);
        strv_free(needs->media_targets);
        strv_free(needs->media);
        free(needs->tpm_version);
        *needs = (struct domain_needs){ 0 };
}
