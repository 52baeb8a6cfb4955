/* Implements schema/libvirt/checkpoint-xml.h. */
#include "schema/libvirt/checkpoint-xml.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/xml-document.h"

static xmlDoc *new_document(const char *root_name, xmlNode **ret_root)
{
        xmlDoc *document = xmlNewDoc((const xmlChar *)"1.0");
        document->encoding = xmlStrdup((const xmlChar *)"UTF-8");
        *ret_root = xmlNewDocNode(document, NULL, (const xmlChar *)root_name, NULL);
        xmlDocSetRootElement(document, *ret_root);
        return document;
}

char *checkpoint_xml_make(const char *name, const struct checkpoint_disk *disks, size_t n_disks)
{
        xmlNode *root = NULL;
        _cleanup_xml_ xmlDoc *document = new_document("domaincheckpoint", &root);
        xml_set_text(xml_add_child(root, "name"), name);
        xmlNode *list = xml_add_child(root, "disks");
        for (size_t i = 0; i < n_disks; i++) {
                xmlNode *disk = xml_add_child(list, "disk");
                xml_set_attribute(disk, "name", disks[i].target);
                xml_set_attribute(disk, "checkpoint", disks[i].bitmap ? "bitmap" : "no");
        }
        return xml_write(document, root);
}

static void add_job_disk(xmlNode *list, const struct checkpoint_disk *from)
{
        xmlNode *disk = xml_add_child(list, "disk");
        xml_set_attribute(disk, "name", from->target);
        xml_set_attribute(disk, "backup", from->scratch ? "yes" : "no");
        if (!from->scratch)
                return;
        xml_set_attribute(disk, "type", "file");
        xml_set_attribute(disk, "backupmode", from->since ? "incremental" : "full");
        if (from->since)
                xml_set_attribute(disk, "incremental", from->since);
        xml_set_attribute(xml_add_child(disk, "driver"), "type", "qcow2");
        xml_set_attribute(xml_add_child(disk, "target"), "file", from->scratch);
}

char *backup_xml_make(const struct checkpoint_disk *disks, size_t n_disks)
{
        xmlNode *root = NULL;
        _cleanup_xml_ xmlDoc *document = new_document("domainbackup", &root);
        xml_set_attribute(root, "mode", "push");
        xmlNode *list = xml_add_child(root, "disks");
        for (size_t i = 0; i < n_disks; i++)
                add_job_disk(list, &disks[i]);
        return xml_write(document, root);
}

int checkpoint_xml_size(const char *text, size_t length, uint64_t *ret_bytes, struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domaincheckpoint", err);
        if (!document)
                return -1;
        uint64_t total = 0;
        const xmlNode *list = xml_child(xmlDocGetRootElement(document), "disks");
        for (xmlNode *disk = xml_child(list, "disk"); disk; disk = xml_next(disk, "disk")) {
                _cleanup_free_ char *size = xml_attribute(disk, "size");
                char *end = NULL;
                errno = 0;
                uint64_t bytes = size ? strtoull(size, &end, 10) : 0;
                if (size &&
                    (errno || end == size || *end || *size == '-' || bytes > INT64_MAX - total))
                        return error_set(err, ERROR_CORRUPT,
                                         "a checkpoint's XML has a size that is no number");
                total += bytes;
        }
        *ret_bytes = total;
        return 0;
}
