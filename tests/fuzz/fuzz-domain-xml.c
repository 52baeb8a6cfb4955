/* What a hypervisor may answer for a domain's XML. What was read has to survive being re-pointed:
 * the disk reads back with the new path and format and no chain. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-rewrite.h"
#include "schema/libvirt/domain-xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void repoint(const char *text, size_t size, const char *target, const char *path,
                    enum disk_source source)
{
        _cleanup_error_ struct error *err = NULL;
        _cleanup_free_ char *disk =
                domain_xml_disk_repointed(text, size, target, path, "raw", &err);
        require(disk);
        _cleanup_free_ char *domain =
                xasprintf("<domain><name>x</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>"
                          "<devices>%s</devices></domain>",
                          disk);
        _cleanup_(domain_xml_freep) struct domain_xml *again =
                domain_xml_parse(domain, strlen(domain), &err);
        require(again && again->n_disks == 1);
        require(streq(again->disks[0].target, target) && streq(again->disks[0].path, path) &&
                streq(again->disks[0].format, "raw"));
        require(again->disks[0].source == source && again->disks[0].n_backing == 0 &&
                !again->disks[0].has_mirror);
}

/* What can be read can be made into a test domain: it reads again, with the disks asked for and
 * nothing of the network. */
static void rewrite(const char *text, size_t size, const struct domain_xml *xml)
{
        _cleanup_error_ struct error *err = NULL;
        _cleanup_strv_ char **notes = NULL;
        struct rewrite_disk disk = { .path = "/a 'b'&\"<ü>.img",
                                     .format = "raw",
                                     .no_label = true };
        for (size_t i = 0; i < xml->n_disks && !disk.target; i++)
                disk.target = xml->disks[i].target;
        const struct rewrite wanted = { .name = "a & b",
                                        .uuid = "11111111-2222-4333-8444-555555555555",
                                        .new_macs = true,
                                        .network = REWRITE_NETWORK_NONE,
                                        .disks = &disk,
                                        .n_disks = disk.target != NULL,
                                        .eject_all = true,
                                        .drop_host_devices = true,
                                        .serial_log = "/log" };
        _cleanup_free_ char *made = domain_rewrite(text, size, &wanted, &notes, &err);
        require(made);
        _cleanup_(domain_xml_freep) struct domain_xml *again =
                domain_xml_parse(made, strlen(made), &err);
        require(again && streq(again->name, "a & b") && streq(again->uuid, wanted.uuid) &&
                !again->networks && !again->host_devices);
        for (size_t i = 0; i < again->n_disks; i++)
                require(again->disks[i].device == DISK_DEVICE_CDROM ||
                        again->disks[i].device == DISK_DEVICE_FLOPPY ||
                        streq(again->disks[i].path, disk.path));
        _cleanup_domain_needs_ struct domain_needs needs = { 0 };
        require(domain_needs_read(made, strlen(made), &needs, &err) == 0 && !needs.networks &&
                !needs.bridges && !needs.interfaces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data;
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(domain_xml_freep) struct domain_xml *xml = domain_xml_parse(text, size, &err);
        require(xml ? !err : err && err->kind == ERROR_CORRUPT);
        for (size_t i = 0; xml && i < xml->n_disks && i < 3; i++) {
                require(name_is_safe(xml->disks[i].target) &&
                        domain_xml_find_disk(xml, xml->disks[i].target) == &xml->disks[i]);
                repoint(text, size, xml->disks[i].target, "/a 'b'&\"<ü>.img", DISK_SOURCE_FILE);
        }
        if (xml)
                rewrite(text, size, xml);
        free(domain_snapshot_xml_name(text, size));
        return 0;
}
