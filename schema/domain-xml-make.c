/* Making XML for libvirt: a snapshot's, and a disk's that is put back on another file. Text goes into the tree by functions that take
 * it literally, so that a path with quotes, '<' or '&' arrives as it is. */
#include <assert.h>
#include <libxml/xmlsave.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/domain-xml-internal.h"
#include "schema/xml-document.h"

static void set_attribute(xmlNode *node, const char *name, const char *value)
{
        assert(xmlCheckUTF8((const xmlChar *)value)); /* it came out of XML or of YAML, which is */
        xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)value);
}

static void drop_attribute(xmlNode *node, const char *name)
{
        xmlUnsetProp(node, (const xmlChar *)name);
}

static xmlNode *add_child(xmlNode *node, const char *name)
{
        return xmlNewTextChild(node, NULL, (const xmlChar *)name, NULL);
}

static void drop_children(xmlNode *node, const char *name)
{
        for (xmlNode *child = xml_child(node, name); child; child = xml_child(node, name)) {
                xmlUnlinkNode(child);
                xmlFreeNode(child);
        }
}

/* The element as text, without an XML declaration. The caller frees. */
static char *node_to_text(xmlDoc *document, xmlNode *node)
{
        xmlBuffer *buffer = xmlBufferCreate();
        int written = buffer ? xmlNodeDump(buffer, document, node, 0, 0) : -1;
        assert(written >= 0);
        char *text = xstrndup((const char *)xmlBufferContent(buffer), (size_t)xmlBufferLength(buffer));
        xmlBufferFree(buffer);
        return text;
}

static void add_snapshot_disk(xmlNode *disks, const struct snapshot_disk *snapshot)
{
        xmlNode *disk = add_child(disks, "disk");
        set_attribute(disk, "name", snapshot->target);
        set_attribute(disk, "snapshot", snapshot->overlay ? "external" : "no");
        if (!snapshot->overlay)
                return;
        set_attribute(disk, "type", "file");
        set_attribute(add_child(disk, "driver"), "type", "qcow2");
        set_attribute(add_child(disk, "source"), "file", snapshot->overlay);
}

char *domain_xml_make_snapshot(const char *name, const struct snapshot_disk *disks, size_t n_disks)
{
        _cleanup_xml_ xmlDoc *document = xmlNewDoc((const xmlChar *)"1.0");
        document->encoding = xmlStrdup((const xmlChar *)"UTF-8"); /* else "ü" is written as a number */
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *)"domainsnapshot", NULL);
        xmlDocSetRootElement(document, root);
        xmlNewTextChild(root, NULL, (const xmlChar *)"name", (const xmlChar *)name);
        set_attribute(add_child(root, "memory"), "snapshot", "no");
        xmlNode *list = add_child(root, "disks");
        for (size_t i = 0; i < n_disks; i++)
                add_snapshot_disk(list, &disks[i]);
        return node_to_text(document, root);
}

static xmlNode *find_disk(const xmlNode *domain, const char *wanted)
{
        for (xmlNode *node = xml_child(xml_child(domain, "devices"), "disk"); node; node = xml_next(node, "disk")) {
                _cleanup_free_ char *target = xml_attribute(xml_child(node, "target"), "dev");
                if (streq(target, wanted))
                        return node;
        }
        return NULL;
}

/* The layer of the disk's chain that has this path; NULL when the XML doesn't spell it out. */
static xmlNode *find_layer(const xmlNode *disk, const char *path)
{
        for (xmlNode *store = xml_child(disk, "backingStore"); store; store = xml_child(store, "backingStore")) {
                _cleanup_free_ char *type = xml_attribute(store, "type");
                _cleanup_free_ char *found = domain_source_path(xml_child(store, "source"), type ? type : "file");
                if (streq(found, path))
                        return store;
        }
        return NULL;
}

/* The path's own <source> where the chain has one, as that may hold what the overlay's doesn't (encryption, slices, labels);
 * else the overlay's, with every way to name a place taken out. */
static xmlNode *take_source(xmlNode *disk, xmlNode *layer)
{
        static const char *const places[] = { "file", "dev", "dir", "protocol", "name", "pool", "volume", "mode", "index" };
        xmlNode *source = xml_child(layer, "source");
        if (source) {
                _cleanup_free_ char *policy = xml_attribute(xml_child(disk, "source"), "startupPolicy");
                xmlUnlinkNode(source);
                drop_children(disk, "source");
                xmlAddChild(disk, source);
                if (policy)
                        set_attribute(source, "startupPolicy", policy);
        } else {
                source = xml_child(disk, "source");
        }
        if (!source)
                source = add_child(disk, "source");
        for (size_t i = 0; i < ARRAY_LENGTH(places); i++)
                drop_attribute(source, places[i]);
        return source;
}

/* libvirt's own alias is for one run of the guest; one that the owner chose ("ua-…") stays. */
static void drop_generated_alias(xmlNode *disk)
{
        _cleanup_free_ char *name = xml_attribute(xml_child(disk, "alias"), "name");
        if (!name || !str_starts_with(name, "ua-"))
                drop_children(disk, "alias");
}

static void repoint(xmlNode *disk, const char *path, const char *format)
{
        xmlNode *layer = find_layer(disk, path);
        _cleanup_free_ char *layer_type = xml_attribute(layer, "type");
        bool is_block = layer_type ? streq(layer_type, "block") : str_starts_with(path, "/dev/");
        xmlNode *source = take_source(disk, layer);
        set_attribute(disk, "type", is_block ? "block" : "file");
        set_attribute(source, is_block ? "dev" : "file", path);
        xmlNode *driver = xml_child(disk, "driver");
        if (!driver) {
                driver = add_child(disk, "driver");
                set_attribute(driver, "name", "qemu");
        }
        set_attribute(driver, "type", format);
        drop_children(disk, "backingStore");
        drop_children(disk, "mirror");
        drop_generated_alias(disk);
}

char *domain_xml_disk_repointed(const char *text, size_t length, const char *target, const char *path, const char *format,
                                struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domain", err);
        if (!document)
                return NULL;
        xmlNode *disk = find_disk(xmlDocGetRootElement(document), target);
        if (!disk) {
                error_set(err, ERROR_CORRUPT, "the domain's XML has no disk '%s'", target);
                return NULL;
        }
        repoint(disk, path, format);
        return node_to_text(document, disk);
}
