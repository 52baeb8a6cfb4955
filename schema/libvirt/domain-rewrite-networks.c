/* The NICs of a rewritten domain. A NIC is identified by the network, bridge or host interface that
 * it is plugged into. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-rewrite-internal.h"
#include "schema/libvirt/xml-document.h"

/* What the NIC is plugged into; NULL if the NIC names nothing. The caller frees. */
static char *plug_of(const xmlNode *nic)
{
        static const char *const attributes[] = { "network", "bridge", "dev" };
        for (size_t i = 0; i < ARRAY_LENGTH(attributes); i++) {
                char *name = xml_attribute(xml_child(nic, "source"), attributes[i]);
                if (name)
                        return name;
        }
        return NULL;
}

/* "network card 52:54:00:12:34:56 on bridge br0". The caller frees. */
static char *nic_describe(const xmlNode *nic)
{
        _cleanup_free_ char *mac = xml_attribute(xml_child(nic, "mac"), "address");
        _cleanup_free_ char *type = xml_attribute(nic, "type");
        _cleanup_free_ char *plug = plug_of(nic);
        return xasprintf("network card %s on %s%s%s", mac ? mac : "without an address",
                         type ? type : "something", plug ? " " : "", plug ? plug : "");
}

static const char *find_new_network(const struct rewrite *wanted, const char *plug)
{
        const char *rest = NULL;
        for (size_t i = 0; i < wanted->n_map; i++) {
                if (!wanted->map[i].from)
                        rest = wanted->map[i].to;
                else if (streq(wanted->map[i].from, plug))
                        return wanted->map[i].to;
        }
        return rest;
}

/* What the guest sees of the NIC stays (address, MAC, model, boot order); the elements that
 * connected it to its old network are removed. */
static void plug_into(xmlNode *nic, const char *network)
{
        static const char *const of_the_old_place[] = { "source",     "target", "virtualport",
                                                        "vlan",       "script", "backend",
                                                        "ip",         "route",  "teaming",
                                                        "portForward" };
        _cleanup_free_ char *type = xml_attribute(nic, "type");
        if (streq(type, "hostdev") || streq(type, "vhostuser") || streq(type, "vdpa")) {
                xml_drop_children(nic, "driver");
                xml_drop_attribute(nic, "managed");
        }
        for (size_t i = 0; i < ARRAY_LENGTH(of_the_old_place); i++)
                xml_drop_children(nic, of_the_old_place[i]);
        xml_set_attribute(nic, "type", "network");
        xml_set_attribute(xml_add_child(nic, "source"), "network", network);
}

/* Two machines must not claim one tap or one port of a switch. */
static void unname_taps(xmlNode *nic)
{
        xml_drop_children(nic, "target");
        xmlNode *parameters = xml_child(xml_child(nic, "virtualport"), "parameters");
        if (!parameters)
                return;
        xml_drop_attribute(parameters, "interfaceid");
        xml_drop_attribute(parameters, "instanceid");
        xml_drop_attribute(xml_child(nic, "source"), "portid");
}

static void keep_where_it_is(struct rewriting *rewriting, xmlNode *nic)
{
        _cleanup_free_ char *type = xml_attribute(nic, "type");
        if (rewriting->new_machine)
                unname_taps(nic);
        if (streq(type, "network") || streq(type, "user"))
                return;
        _cleanup_free_ char *text = nic_describe(nic);
        strv_addf(&rewriting->notes, "%s: a part of the old host that this one must have too",
                  text);
}

static void rewrite_nic(struct rewriting *rewriting, xmlNode *nic)
{
        const struct rewrite *wanted = rewriting->wanted;
        _cleanup_free_ char *plug = plug_of(nic);
        const char *network =
                wanted->network == REWRITE_NETWORK_MAP ? find_new_network(wanted, plug) : NULL;
        if (wanted->network == REWRITE_NETWORK_NONE) {
                _cleanup_free_ char *text = nic_describe(nic);
                strv_addf(&rewriting->notes, "%s was left out", text);
                xml_drop(nic);
                return;
        }
        if (network)
                plug_into(nic, network);
        else
                keep_where_it_is(rewriting, nic);
        if (wanted->new_macs)
                xml_drop_children(nic, "mac");
}

void rewrite_networks(struct rewriting *rewriting)
{
        xmlNode *next = NULL;
        for (xmlNode *nic = xml_child(rewriting->devices, "interface"); nic; nic = next) {
                next = xml_next(nic, "interface");
                rewrite_nic(rewriting, nic);
        }
}
