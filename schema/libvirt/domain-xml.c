/* Reads a <domain>: its head here, its disks in domain-xml-disks.c, its other devices in
 * domain-xml-devices.c.
 *
 * A text that later becomes part of a path on the share (a disk's target) is refused here unless it
 * is a plain name; other texts are passed on unchanged. */
#include "schema/libvirt/domain-xml.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-xml-internal.h"
#include "schema/libvirt/xml-document.h"

/* More than any host can give a guest. It limits the searches below, whatever the input is. */
#define MAX_DEVICES 4096

/* libvirt accepts a UUID with or without dashes, in any case; NULL if the text is not a UUID. The
 * caller frees. */
static char *normal_uuid(const char *text)
{
        struct strbuf buf = { 0 };
        size_t digits = 0;
        for (; text && *text; text++) {
                if (*text == '-')
                        continue;
                if (!isxdigit((unsigned char)*text) || digits == 32)
                        break;
                if (digits == 8 || digits == 12 || digits == 16 || digits == 20)
                        strbuf_add_char(&buf, '-');
                strbuf_add_char(&buf, (char)tolower((unsigned char)*text));
                digits++;
        }
        if (text && !*text && digits == 32)
                return strbuf_take(&buf);
        strbuf_done(&buf);
        return NULL;
}

static int read_identity(const xmlNode *domain, struct domain_xml *xml, struct error **err)
{
        xml->name = xml_text(xml_child(domain, "name"));
        if (!xml->name)
                return error_set(err, ERROR_CORRUPT, "the domain's XML has no <name>");
        _cleanup_free_ char *uuid = xml_text(xml_child(domain, "uuid"));
        xml->uuid = normal_uuid(uuid);
        if (!xml->uuid)
                return error_set(err, ERROR_CORRUPT,
                                 "the domain's XML has no <uuid> with 32 hexadecimal digits");
        xml->virt_type = xml_attribute(domain, "type");
        return 0;
}

/* The NVRAM's path is the element's text, or since libvirt 8.5 in a nested <source>. */
static void read_os(const xmlNode *os, struct domain_xml *xml)
{
        const xmlNode *type = xml_child(os, "type");
        xml->machine = xml_attribute(type, "machine");
        xml->arch = xml_attribute(type, "arch");
        xml->loader = xml_text(xml_child(os, "loader"));
        const xmlNode *nvram = xml_child(os, "nvram");
        const xmlNode *source = xml_child(nvram, "source");
        _cleanup_free_ char *source_type = xml_attribute(nvram, "type");
        xml->nvram = source ? domain_source_path(source, source_type ? source_type : "file")
                            : xml_text(nvram);
        xml->nvram_template = xml_attribute(nvram, "template");
}

static int check_device_count(const xmlNode *devices, struct error **err)
{
        size_t count = 0;
        for (const xmlNode *node = devices ? devices->children : NULL; node; node = node->next)
                count += node->type == XML_ELEMENT_NODE;
        if (count > MAX_DEVICES)
                return error_set(err, ERROR_CORRUPT,
                                 "the domain's XML has %zu devices, more than %d", count,
                                 MAX_DEVICES);
        return 0;
}

struct domain_xml *domain_xml_parse(const char *text, size_t length, struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domain", err);
        if (!document)
                return NULL;
        const xmlNode *domain = xmlDocGetRootElement(document);
        const xmlNode *devices = xml_child(domain, "devices");
        _cleanup_(domain_xml_freep) struct domain_xml *xml = xcalloc(1, sizeof *xml);
        if (read_identity(domain, xml, err) < 0 || check_device_count(devices, err) < 0)
                return NULL;
        read_os(xml_child(domain, "os"), xml);
        if (domain_read_disks(devices, xml, err) < 0)
                return NULL;
        domain_read_other_devices(devices, xml);
        domain_read_boot_order(xml_child(domain, "os"), devices, xml);
        return TAKE_PTR(xml);
}

static void disk_done(struct domain_disk *disk)
{
        free(disk->target);
        free(disk->bus);
        free(disk->source_type);
        free(disk->path);
        free(disk->format);
        free(disk->mirror_path);
        for (size_t i = 0; i < disk->n_backing; i++) {
                free(disk->backing[i].path);
                free(disk->backing[i].format);
        }
        free(disk->backing);
}

struct domain_xml *domain_xml_free(struct domain_xml *xml)
{
        if (!xml)
                return NULL;
        free(xml->name);
        free(xml->uuid);
        free(xml->machine);
        free(xml->arch);
        free(xml->virt_type);
        for (size_t i = 0; i < xml->n_disks; i++)
                disk_done(&xml->disks[i]);
        free(xml->disks);
        free(xml->nvram);
        free(xml->nvram_template);
        free(xml->loader);
        free(xml->tpm_state);
        strv_free(xml->networks);
        strv_free(xml->macs);
        strv_free(xml->boot_order);
        strv_free(xml->host_devices);
        free(xml);
        return NULL;
}

char *domain_snapshot_xml_name(const char *text, size_t length)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domainsnapshot", NULL);
        return document ? xml_text(xml_child(xmlDocGetRootElement(document), "name")) : NULL;
}
