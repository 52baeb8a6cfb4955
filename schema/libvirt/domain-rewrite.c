/* Implements schema/libvirt/domain-rewrite.h: the order and the identity. The other changes are in
 * domain-rewrite-*.c, by kind of element.
 *
 * The tree is changed in place and written again, so that everything that no rule covers stays as
 * it was. */
#include "schema/libvirt/domain-rewrite.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-rewrite-internal.h"
#include "schema/libvirt/xml-document.h"

static void set_child_text(xmlNode *parent, const char *name, const char *text)
{
        xmlNode *node = xml_child(parent, name);
        xml_set_text(node ? node : xml_add_child(parent, name), text);
}

/* libvirt refuses a definition whose SMBIOS UUID differs from the domain's UUID. */
static void rewrite_smbios_uuid(xmlNode *domain, const char *uuid)
{
        xmlNode *system = xml_child(xml_child(domain, "sysinfo"), "system");
        xmlNode *next = NULL;
        for (xmlNode *entry = xml_child(system, "entry"); entry; entry = next) {
                next = xml_next(entry, "entry");
                _cleanup_free_ char *name = xml_attribute(entry, "name");
                if (!streq(name, "uuid"))
                        continue;
                if (*uuid)
                        xml_set_text(entry, uuid);
                else
                        xml_drop(entry);
        }
}

/* The guest detects from this ID that its memory or disks were rolled back, which a restore
 * does. */
static void renew_generation_id(struct rewriting *rewriting)
{
        xmlNode *genid = xml_child(rewriting->domain, "genid");
        if (!genid)
                return;
        xml_set_text(genid, "");
        strv_add(&rewriting->notes,
                 "the VM generation ID is a new one: the guest sees that it was restored");
}

static void rewrite_identity(struct rewriting *rewriting)
{
        const struct rewrite *wanted = rewriting->wanted;
        xmlNode *domain = rewriting->domain;
        xml_drop_attribute(domain, "id");
        if (wanted->name)
                set_child_text(domain, "name", wanted->name);
        renew_generation_id(rewriting);
        if (!wanted->uuid)
                return;
        _cleanup_free_ char *old = xml_text(xml_child(domain, "uuid"));
        if (old && strcasecmp(old, wanted->uuid) == 0)
                return;
        rewriting->new_machine = true;
        if (*wanted->uuid)
                set_child_text(domain, "uuid", wanted->uuid);
        else
                xml_drop_children(domain, "uuid");
        rewrite_smbios_uuid(domain, wanted->uuid);
}

char *domain_rewrite(const char *text, size_t length, const struct rewrite *rewrite,
                     char ***ret_notes, struct error **err)
{
        _cleanup_xml_ xmlDoc *document = xml_document_parse(text, length, "domain", err);
        if (!document)
                return NULL;
        xmlNode *domain = xmlDocGetRootElement(document);
        struct rewriting rewriting = { .wanted = rewrite,
                                       .domain = domain,
                                       .devices = xml_child(domain, "devices") };
        rewrite_identity(&rewriting);
        if (rewrite_disks(&rewriting, err) < 0) {
                strv_free(rewriting.notes);
                return NULL;
        }
        rewrite_networks(&rewriting);
        rewrite_firmware(&rewriting);
        rewrite_consoles(&rewriting);
        rewrite_host_ties(&rewriting);
        if (ret_notes)
                *ret_notes = rewriting.notes;
        else
                strv_free(rewriting.notes);
        return xml_write(document, domain);
}
