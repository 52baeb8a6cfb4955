/* Makes XML for libvirt: that of a snapshot, and that of a disk which is pointed at another
 * file. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-xml-internal.h"
#include "schema/libvirt/xml-document.h"

static void add_snapshot_disk(xmlNode *disks, const struct snapshot_disk *snapshot)
{
        xmlNode *disk = xml_add_child(disks, "disk");
        xml_set_attribute(disk, "name", snapshot->target);
        xml_set_attribute(disk, "snapshot", snapshot->overlay ? "external" : "no");
        if (!snapshot->overlay)
                return;
        xml_set_attribute(disk, "type", "file");
        xml_set_attribute(xml_add_child(disk, "driver"), "type", "qcow2");
        xml_set_attribute(xml_add_child(disk, "source"), "file", snapshot->overlay);
}

char *domain_xml_make_snapshot(const char *name, const struct snapshot_disk *disks, size_t n_disks)
{
        _cleanup_xml_ xmlDoc *document = xmlNewDoc((const xmlChar *)"1.0");
        /* otherwise "ü" is written as a number */
        document->encoding = xmlStrdup((const xmlChar *)"UTF-8");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *)"domainsnapshot", NULL);
        xmlDocSetRootElement(document, root);
        xmlNewTextChild(root, NULL, (const xmlChar *)"name", (const xmlChar *)name);
        xml_set_attribute(xml_add_child(root, "memory"), "snapshot", "no");
        xmlNode *list = xml_add_child(root, "disks");
        for (size_t i = 0; i < n_disks; i++)
                add_snapshot_disk(list, &disks[i]);
        return xml_write(document, root);
}

static xmlNode *find_disk(const xmlNode *domain, const char *wanted)
{
        for (xmlNode *node = xml_child(xml_child(domain, "devices"), "disk"); node;
             node = xml_next(node, "disk")) {
                _cleanup_free_ char *target = xml_attribute(xml_child(node, "target"), "dev");
                if (streq(target, wanted))
                        return node;
        }
        return NULL;
}

/* The layer of the disk's chain that has this path; NULL if the XML does not list it. */
static xmlNode *find_layer(const xmlNode *disk, const char *path)
{
        for (xmlNode *store = xml_child(disk, "backingStore"); store;
             store = xml_child(store, "backingStore")) {
                _cleanup_free_ char *type = xml_attribute(store, "type");
                _cleanup_free_ char *found =
                        domain_source_path(xml_child(store, "source"), type ? type : "file");
                if (streq(found, path))
                        return store;
        }
        return NULL;
}

/* The path's own <source> if the chain has one, because it may hold what the overlay's does not
 * (encryption, slices, labels); else the overlay's, without any element that names a location. */
static xmlNode *take_source(xmlNode *disk, xmlNode *layer)
{
        static const char *const places[] = { "file", "dev",    "dir",  "protocol", "name",
                                              "pool", "volume", "mode", "index" };
        xmlNode *source = xml_child(layer, "source");
        if (source) {
                _cleanup_free_ char *policy =
                        xml_attribute(xml_child(disk, "source"), "startupPolicy");
                xmlUnlinkNode(source);
                xml_drop_children(disk, "source");
                xmlAddChild(disk, source);
                if (policy)
                        xml_set_attribute(source, "startupPolicy", policy);
        } else {
                source = xml_child(disk, "source");
        }
        if (!source)
                source = xml_add_child(disk, "source");
        for (size_t i = 0; i < ARRAY_LENGTH(places); i++)
                xml_drop_attribute(source, places[i]);
        return source;
}

/* libvirt's own alias is only valid for one run of the guest; an alias that the owner chose
 * ("ua-…") stays. */
static void drop_generated_alias(xmlNode *disk)
{
        _cleanup_free_ char *name = xml_attribute(xml_child(disk, "alias"), "name");
        if (!name || !str_starts_with(name, "ua-"))
                xml_drop_children(disk, "alias");
}

static void disk_repoint(xmlNode *disk, const char *path, const char *format)
{
        xmlNode *layer = find_layer(disk, path);
        _cleanup_free_ char *layer_type = xml_attribute(layer, "type");
        bool is_block = layer_type ? streq(layer_type, "block") : str_starts_with(path, "/dev/");
        xmlNode *source = take_source(disk, layer);
        xml_set_attribute(disk, "type", is_block ? "block" : "file");
        xml_set_attribute(source, is_block ? "dev" : "file", path);
        xmlNode *driver = xml_child(disk, "driver");
        if (!driver) {
                driver = xml_add_child(disk, "driver");
                xml_set_attribute(driver, "name", "qemu");
        }
        xml_set_attribute(driver, "type", format);
        xml_drop_children(disk, "backingStore");
        xml_drop_children(disk, "mirror");
        drop_generated_alias(disk);
}

char *domain_xml_disk_repointed(const char *text, size_t length, const char *target,
                                const char *path, const char *format, struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domain", err);
        if (!document)
                return NULL;
        xmlNode *disk = find_disk(xmlDocGetRootElement(document), target);
        if (!disk) {
                error_set(err, ERROR_CORRUPT, "the domain's XML has no disk '%s'", target);
                return NULL;
        }
        disk_repoint(disk, path, format);
        return xml_write(document, disk);
}
