/* Implements schema/libvirt/domain-isolate.h. */
#include "schema/libvirt/domain-isolate.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/xml-document.h"

static bool models_contain(const char *const models[], const char *model)
{
        for (size_t i = 0; models && models[i]; i++)
                if (streq(models[i], model))
                        return true;
        return false;
}

/* A source that must not be relabelled needs a <seclabel> for each model except "dac", which the
 * domain's own label covers. libvirt ignores a label without a model. */
static void name_models(xmlNode *source, const char *const models[])
{
        bool marked = xml_child(source, "seclabel") != NULL;
        xml_drop_children(source, "seclabel");
        for (size_t i = 0; marked && models && models[i]; i++) {
                if (streq(models[i], "dac"))
                        continue;
                xmlNode *label = xml_add_child(source, "seclabel");
                xml_set_attribute(label, "model", models[i]);
                xml_set_attribute(label, "relabel", "no");
        }
}

static void isolate_disks(xmlNode *devices, const char *const models[])
{
        for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk")) {
                name_models(xml_child(disk, "source"), models);
                for (xmlNode *layer = xml_child(disk, "backingStore"); layer;
                     layer = xml_child(layer, "backingStore"))
                        name_models(xml_child(layer, "source"), models);
        }
}

/* With "dac", QEMU runs as root, and libvirt leaves owners and modes alone. */
static void be_root(xmlNode *domain, const char *const models[])
{
        if (!models_contain(models, "dac"))
                return;
        xmlNode *label = xml_add_child(domain, "seclabel");
        xml_set_attribute(label, "type", "static");
        xml_set_attribute(label, "model", "dac");
        xml_set_attribute(label, "relabel", "no");
        xml_set_text(xml_add_child(label, "label"), "+0:+0");
}

static void set_child(xmlNode *parent, const char *name, const char *text)
{
        xmlNode *node = xml_child(parent, name);
        xml_set_text(node ? node : xml_add_child(parent, name), text);
}

char *domain_isolate(const char *text, size_t length, const char *const models[],
                     struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domain", err);
        if (!document)
                return NULL;
        xmlNode *domain = xmlDocGetRootElement(document);
        xmlNode *devices = xml_child(domain, "devices");
        xml_drop_children(domain, "seclabel");
        set_child(domain, "on_poweroff", "destroy");
        set_child(domain, "on_reboot", "restart");
        set_child(domain, "on_crash", "destroy");
        for (xmlNode *watchdog = xml_child(devices, "watchdog"); watchdog;
             watchdog = xml_next(watchdog, "watchdog"))
                xml_set_attribute(watchdog, "action", "none");
        isolate_disks(devices, models);
        be_root(domain, models);
        return xml_write(document, domain);
}

static void drop_labels_of(xmlNode *parent, const char *model)
{
        for (xmlNode *label = xml_child(parent, "seclabel"), *next; label; label = next) {
                next = xml_next(label, "seclabel");
                _cleanup_free_ char *of = xml_attribute(label, "model");
                if (streq(of, model))
                        xml_drop(label);
        }
}

char *domain_borrow(const char *text, size_t length, const char *const models[], struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domain", err);
        if (!document)
                return NULL;
        xmlNode *domain = xmlDocGetRootElement(document);
        drop_labels_of(domain, "dac");
        isolate_disks(xml_child(domain, "devices"), models);
        be_root(domain, models);
        return xml_write(document, domain);
}

char *domain_settle(const char *text, size_t length, char *const targets[], struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domain", err);
        if (!document)
                return NULL;
        xmlNode *domain = xmlDocGetRootElement(document);
        drop_labels_of(domain, "dac");
        for (xmlNode *disk = xml_child(xml_child(domain, "devices"), "disk"); disk;
             disk = xml_next(disk, "disk")) {
                _cleanup_free_ char *target = xml_attribute(xml_child(disk, "target"), "dev");
                if (!target || !strv_contains(targets, target))
                        continue;
                xml_drop_children(disk, "backingStore");
                xml_drop_children(xml_child(disk, "source"), "seclabel");
        }
        return xml_write(document, domain);
}

uint64_t domain_memory_bytes(const char *text, size_t length)
{
        static const struct {
                const char *unit;
                uint64_t bytes;
        } units[] = {
                { "b", 1 },
                { "bytes", 1 },
                { "KiB", UINT64_C(1) << 10 },
                { "MiB", UINT64_C(1) << 20 },
                { "GiB", UINT64_C(1) << 30 },
                { "TiB", UINT64_C(1) << 40 },
        };
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domain", NULL);
        const xmlNode *memory =
                document ? xml_child(xmlDocGetRootElement(document), "memory") : NULL;
        _cleanup_free_ char *number = xml_text(memory);
        _cleanup_free_ char *unit = xml_attribute(memory, "unit");
        uint64_t value = number ? strtoull(number, NULL, 10) : 0;
        for (size_t i = 0; i < ARRAY_LENGTH(units); i++)
                if (streq(unit ? unit : "KiB", units[i].unit) &&
                    value <= UINT64_MAX / units[i].bytes)
                        return value * units[i].bytes;
        return 0;
}

int capabilities_read_models(const char *text, size_t length, char ***ret, struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "capabilities", err);
        if (!document)
                return -1;
        const xmlNode *host = xml_child(xmlDocGetRootElement(document), "host");
        char **models = NULL;
        for (const xmlNode *model = xml_child(host, "secmodel"); model;
             model = xml_next(model, "secmodel")) {
                _cleanup_free_ char *name = xml_text(xml_child(model, "model"));
                if (name && name_is_safe(name) && !streq(name, "none") &&
                    !strv_contains(models, name))
                        strv_add(&models, name);
        }
        *ret = models;
        return 0;
}
