/* Reads the <disk> elements of a domain, as libvirt's formatdomain defines them up to 11.x. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-xml-internal.h"
#include "schema/libvirt/xml-document.h"

char *domain_source_path(const xmlNode *source, const char *type)
{
        if (streq(type, "file"))
                return xml_attribute(source, "file");
        if (streq(type, "block"))
                return xml_attribute(source, "dev");
        return NULL;
}

const struct domain_disk *domain_xml_find_disk(const struct domain_xml *xml, const char *target)
{
        for (size_t i = 0; i < xml->n_disks; i++)
                if (streq(xml->disks[i].target, target))
                        return &xml->disks[i];
        return NULL;
}

static enum disk_device device_of(const char *word)
{
        if (streq(word, "cdrom"))
                return DISK_DEVICE_CDROM;
        if (streq(word, "floppy"))
                return DISK_DEVICE_FLOPPY;
        if (streq(word, "lun"))
                return DISK_DEVICE_LUN;
        return DISK_DEVICE_DISK;
}

/* A file or block source without a path is an empty drive, even if its <source> has other
 * attributes (a startupPolicy, an index). */
static enum disk_source source_of(const char *type, const xmlNode *source, const char *path)
{
        if (streq(type, "file"))
                return path ? DISK_SOURCE_FILE : DISK_SOURCE_NONE;
        if (streq(type, "block"))
                return path ? DISK_SOURCE_BLOCK : DISK_SOURCE_NONE;
        if (!source)
                return DISK_SOURCE_NONE;
        if (streq(type, "network"))
                return DISK_SOURCE_NETWORK;
        if (streq(type, "volume"))
                return DISK_SOURCE_VOLUME;
        return DISK_SOURCE_OTHER;
}

static char *type_word(const xmlNode *node)
{
        char *word = xml_attribute(node, "type");
        return word ? word : xstrdup("file");
}

/* Each <backingStore> holds the next one; one without a <source> marks the end of the chain. */
static void read_backing(const xmlNode *node, struct domain_disk *disk)
{
        const xmlNode *store = xml_child(node, "backingStore");
        for (; xml_child(store, "source"); store = xml_child(store, "backingStore")) {
                _cleanup_free_ char *type = type_word(store);
                disk->backing =
                        xrealloc_array(disk->backing, disk->n_backing + 1, sizeof *disk->backing);
                disk->backing[disk->n_backing++] = (struct disk_layer){
                        .path = domain_source_path(xml_child(store, "source"), type),
                        .format = xml_attribute(xml_child(store, "format"), "type"),
                };
        }
}

static void read_mirror(const xmlNode *mirror, struct domain_disk *disk)
{
        _cleanup_free_ char *type = mirror ? type_word(mirror) : NULL;
        disk->has_mirror = mirror;
        if (mirror)
                disk->mirror_path = domain_source_path(xml_child(mirror, "source"), type);
}

static void read_disk(const xmlNode *node, struct domain_disk *disk)
{
        const xmlNode *source = xml_child(node, "source");
        const xmlNode *target = xml_child(node, "target");
        _cleanup_free_ char *device = xml_attribute(node, "device");
        disk->target = xml_attribute(target, "dev");
        disk->bus = xml_attribute(target, "bus");
        disk->device = device_of(device);
        disk->source_type = type_word(node);
        disk->path = domain_source_path(source, disk->source_type);
        disk->source = source_of(disk->source_type, source, disk->path);
        disk->format = xml_attribute(xml_child(node, "driver"), "type");
        disk->readonly = xml_child(node, "readonly");
        disk->shareable = xml_child(node, "shareable");
        disk->transient = xml_child(node, "transient");
        disk->encrypted = xml_child(node, "encryption") || xml_child(source, "encryption");
        read_mirror(xml_child(node, "mirror"), disk);
        read_backing(node, disk);
}

/* A target becomes the name of the disk's file on the share, so it has to be unique. */
static int disk_check_target(const struct domain_xml *xml, const struct domain_disk *disk,
                             struct error **err)
{
        if (!name_is_safe(disk->target)) {
                _cleanup_free_ char *target = str_one_line(disk->target ? disk->target : "", 60);
                return error_set(
                        err, ERROR_CORRUPT,
                        "the XML of the domain '%s' has a disk whose target '%s' is no device name",
                        xml->name, target);
        }
        if (domain_xml_find_disk(xml, disk->target) != disk)
                return error_set(err, ERROR_CORRUPT,
                                 "the XML of the domain '%s' has two disks with the target '%s'",
                                 xml->name, disk->target);
        return 0;
}

int domain_read_disks(const xmlNode *devices, struct domain_xml *xml, struct error **err)
{
        for (const xmlNode *node = xml_child(devices, "disk"); node;
             node = xml_next(node, "disk")) {
                xml->disks = xrealloc_array(xml->disks, xml->n_disks + 1, sizeof *xml->disks);
                struct domain_disk *disk = &xml->disks[xml->n_disks++];
                *disk = (struct domain_disk){ 0 };
                read_disk(node, disk);
                if (disk_check_target(xml, disk, err) < 0)
                        return -1;
        }
        return 0;
}
