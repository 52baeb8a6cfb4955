/* Implements schema/libvirt/domain-live.h. Documents followed: libvirt's formatdomain, "Channel"
 * and "Hard drives, floppy disks, CDROMs". */
#include "schema/libvirt/domain-live.h"

#include "base/strings.h"
#include "schema/libvirt/xml-document.h"

static bool attribute_is(const xmlNode *node, const char *name, const char *value)
{
        _cleanup_free_ char *found = xml_attribute(node, name);
        return streq(found, value);
}

static const xmlNode *devices_of(xmlDoc *document)
{
        return xml_child(xmlDocGetRootElement(document), "devices");
}

int domain_live_agent_channel(const char *text, size_t length, enum agent_channel *ret,
                              struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domain", err);
        if (!document)
                return -1;
        enum agent_channel found = AGENT_CHANNEL_NONE;
        for (const xmlNode *channel = xml_child(devices_of(document), "channel"); channel;
             channel = xml_next(channel, "channel")) {
                const xmlNode *target = xml_child(channel, "target");
                if (attribute_is(target, "name", "org.qemu.guest_agent.0"))
                        found = attribute_is(target, "state", "disconnected")
                                        ? AGENT_CHANNEL_DISCONNECTED
                                        : AGENT_CHANNEL_CONNECTED;
        }
        *ret = found;
        return 0;
}

int domain_live_mirror_ready(const char *text, size_t length, const char *target, bool *ret,
                             struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domain", err);
        if (!document)
                return -1;
        for (const xmlNode *disk = xml_child(devices_of(document), "disk"); disk;
             disk = xml_next(disk, "disk")) {
                if (!attribute_is(xml_child(disk, "target"), "dev", target))
                        continue;
                *ret = attribute_is(xml_child(disk, "mirror"), "ready", "yes");
                return 0;
        }
        return error_set(err, ERROR_CORRUPT, "libvirt's XML has no disk %s", target);
}
