/* The disks of a rewritten domain. A disk keeps everything that determines how the guest sees it
 * (bus, address, serial, boot order, driver options, limits); the location of its data is
 * replaced. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-rewrite-internal.h"
#include "schema/libvirt/domain-xml-internal.h"
#include "schema/libvirt/xml-document.h"

static const struct rewrite_disk *find_wanted(const struct rewrite *wanted, const char *target)
{
        for (size_t i = 0; i < wanted->n_disks; i++)
                if (streq(wanted->disks[i].target, target))
                        return &wanted->disks[i];
        return NULL;
}

static bool path_is_block(const char *path)
{
        return str_starts_with(path, "/dev/");
}

static void add_no_label(xmlNode *source)
{
        static const char *const models[] = { "selinux", "dac", "apparmor" };
        for (size_t i = 0; i < ARRAY_LENGTH(models); i++) {
                xmlNode *label = xml_add_child(source, "seclabel");
                xml_set_attribute(label, "model", models[i]);
                xml_set_attribute(label, "relabel", "no");
        }
}

static void add_source(xmlNode *parent, const char *path, bool no_label)
{
        xmlNode *source = xml_add_child(parent, "source");
        xml_set_attribute(source, path_is_block(path) ? "dev" : "file", path);
        if (no_label)
                add_no_label(source);
}

/* Each layer is nested in the one above it. The last one holds an empty <backingStore>, which marks
 * the end of the chain. */
static void add_backing(xmlNode *disk, const struct rewrite_disk *wanted)
{
        xmlNode *parent = disk;
        for (size_t i = 0; i < wanted->n_backing; i++) {
                const struct rewrite_layer *layer = &wanted->backing[i];
                parent = xml_add_child(parent, "backingStore");
                xml_set_attribute(parent, "type", path_is_block(layer->path) ? "block" : "file");
                xml_set_attribute(xml_add_child(parent, "format"), "type", layer->format);
                add_source(parent, layer->path, wanted->no_label);
        }
        if (wanted->n_backing)
                xml_add_child(parent, "backingStore");
}

/* Only a LUN of the host can receive SCSI commands from the guest. */
static void lun_becomes_disk(struct rewriting *rewriting, xmlNode *disk,
                             const struct rewrite_disk *wanted)
{
        _cleanup_free_ char *device = xml_attribute(disk, "device");
        if (!streq(device, "lun") || path_is_block(wanted->path))
                return;
        xml_set_attribute(disk, "device", "disk");
        xml_drop_attribute(disk, "sgio");
        xml_drop_attribute(disk, "rawio");
        strv_addf(
                &rewriting->notes,
                "disk %s was a LUN that SCSI commands went through to: it is an ordinary disk now",
                wanted->target);
}

static void rewrite_repoint_disk(struct rewriting *rewriting, xmlNode *disk,
                                 const struct rewrite_disk *wanted)
{
        lun_becomes_disk(rewriting, disk, wanted);
        if (xml_child(disk, "encryption") || xml_child(xml_child(disk, "source"), "encryption"))
                strv_addf(&rewriting->notes,
                          "disk %s was encrypted by libvirt with a secret of the old host: it is "
                          "not any more",
                          wanted->target);
        xml_drop_children(disk, "encryption");
        xml_drop_children(disk, "auth");
        xml_drop_children(disk, "source");
        xml_drop_children(disk, "backingStore");
        xml_drop_children(disk, "mirror");
        xml_drop_children(disk, "transient");
        xml_set_attribute(disk, "type", path_is_block(wanted->path) ? "block" : "file");
        add_source(disk, wanted->path, false);
        add_backing(disk, wanted);
        xmlNode *driver = xml_child(disk, "driver");
        if (!driver) {
                driver = xml_add_child(disk, "driver");
                xml_set_attribute(driver, "name", "qemu");
        }
        xml_set_attribute(driver, "type", wanted->format);
        /* libvirt refuses a definition that has these elements for another format. */
        if (!streq(wanted->format, "qcow2")) {
                xml_drop_children(driver, "metadata_cache");
                xml_drop_attribute(driver, "discard_no_unref");
        }
}

static bool is_drive(const xmlNode *disk)
{
        _cleanup_free_ char *device = xml_attribute(disk, "device");
        return streq(device, "cdrom") || streq(device, "floppy");
}

static char *describe_source(const xmlNode *disk)
{
        _cleanup_free_ char *type = xml_attribute(disk, "type");
        const xmlNode *source = xml_child(disk, "source");
        char *path = domain_source_path(source, type ? type : "file");
        if (path || !source)
                return path;
        _cleanup_free_ char *name =
                xml_attribute(source, streq(type, "volume") ? "volume" : "name");
        return xasprintf("%s %s", type ? type : "file", name ? name : "source");
}

static bool is_among(const char *const *targets, const char *target)
{
        for (size_t i = 0; targets && targets[i]; i++)
                if (streq(targets[i], target))
                        return true;
        return false;
}

static void rewrite_drive(struct rewriting *rewriting, xmlNode *disk, const char *target)
{
        _cleanup_free_ char *image = describe_source(disk);
        if (!image)
                return;
        if (!rewriting->wanted->eject_all && !is_among(rewriting->wanted->eject, target)) {
                strv_addf(&rewriting->notes, "drive %s holds %s, which is not part of the backup",
                          target, image);
                return;
        }
        xml_drop_children(disk, "source");
        xml_drop_children(disk, "backingStore");
        xml_set_attribute(disk, "type", "file");
        strv_addf(&rewriting->notes, "drive %s is empty now: %s was taken out", target, image);
}

static void rewrite_disk(struct rewriting *rewriting, xmlNode *disk)
{
        _cleanup_free_ char *target = xml_attribute(xml_child(disk, "target"), "dev");
        const struct rewrite_disk *wanted = find_wanted(rewriting->wanted, target);
        if (wanted) {
                rewrite_repoint_disk(rewriting, disk, wanted);
                return;
        }
        if (target && is_among(rewriting->wanted->keep, target))
                return;
        if (is_drive(disk)) {
                rewrite_drive(rewriting, disk, target ? target : "?");
                return;
        }
        _cleanup_free_ char *source = describe_source(disk);
        strv_addf(&rewriting->notes, "disk %s (%s) was left out", target ? target : "?",
                  source ? source : "empty");
        xml_drop(disk);
}

static bool has_disk(const xmlNode *devices, const char *target)
{
        for (const xmlNode *disk = xml_child(devices, "disk"); disk;
             disk = xml_next(disk, "disk")) {
                _cleanup_free_ char *found = xml_attribute(xml_child(disk, "target"), "dev");
                if (streq(found, target))
                        return true;
        }
        return false;
}

int rewrite_disks(struct rewriting *rewriting, struct error **err)
{
        const struct rewrite *wanted = rewriting->wanted;
        for (size_t i = 0; i < wanted->n_disks; i++)
                if (!has_disk(rewriting->devices, wanted->disks[i].target))
                        return error_set(err, ERROR_CORRUPT, "the domain's XML has no disk '%s'",
                                         wanted->disks[i].target);
        xmlNode *next = NULL;
        for (xmlNode *disk = xml_child(rewriting->devices, "disk"); disk; disk = next) {
                next = xml_next(disk, "disk");
                rewrite_disk(rewriting, disk);
        }
        return 0;
}
