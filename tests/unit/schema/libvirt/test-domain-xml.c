/* Domains as libvirt tells them, and documents that are none. */
#include "schema/libvirt/domain-xml.h"

#include <criterion/criterion.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/xml-document.h"

#define HEAD "<domain type='kvm'><name>vm</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>"
#define WITH_DEVICES(devices) HEAD "<devices>" devices "</devices></domain>"
#define STRANGE_PATH "/images/we ird'q $(touch x)&\"<ü>.qcow2"
#define STRANGE_PATH_IN_XML "/images/we ird&apos;q $(touch x)&amp;&quot;&lt;ü&gt;.qcow2"

static struct domain_xml *parse(const char *text)
{
        _cleanup_error_ struct error *err = NULL;
        struct domain_xml *xml = domain_xml_parse(text, strlen(text), &err);
        cr_assert(xml, "%s", error_message(err));
        return xml;
}

static const char whole_domain[] =
        "<domain type='kvm' id='3'>\n"
        "  <name>prod db (01)</name>\n"
        "  <uuid>C7A5FDBD-EDAF-9455-926A-D65C16DB1809</uuid>\n"
        "  <os firmware='efi'>\n"
        "    <type arch='x86_64' machine='pc-q35-rhel10.0.0'>hvm</type>\n"
        "    <loader readonly='yes' secure='yes' "
        "type='pflash'>/usr/share/edk2/ovmf/OVMF_CODE.fd</loader>\n"
        "    <nvram "
        "template='/usr/share/edk2/ovmf/OVMF_VARS.fd'>/var/lib/libvirt/qemu/nvram/prod_VARS.fd</"
        "nvram>\n"
        "  </os>\n"
        "  <devices>\n"
        "    <disk type='file' device='disk'>\n"
        "      <driver name='qemu' type='qcow2' cache='none'/>\n"
        "      <source file='/images/vda.orch.qcow2' index='3'/>\n"
        "      <backingStore type='file' index='1'>\n"
        "        <format type='raw'/>\n"
        "        <source file='/images/vda.img'/>\n"
        "        <backingStore type='block'><format type='qcow2'/><source "
        "dev='/dev/vg/gold'/><backingStore/></backingStore>\n"
        "      </backingStore>\n"
        "      <mirror type='file' job='active-commit'><source file='/images/vda.img'/></mirror>\n"
        "      <target dev='vda' bus='virtio'/>\n"
        "      <alias name='virtio-disk0'/>\n"
        "    </disk>\n"
        "    <disk type='file' device='cdrom'><driver name='qemu'/><target dev='sda' "
        "bus='sata'/><readonly/></disk>\n"
        "    <interface type='network'><source network='default' portid='x' "
        "bridge='virbr0'/></interface>\n"
        "    <interface type='bridge'><source bridge='br-prod'/></interface>\n"
        "    <interface type='direct'><source dev='eno1' mode='bridge'/></interface>\n"
        "    <interface type='network'><source network='default'/></interface>\n"
        "    <interface type='user'/>\n"
        "    <interface type='hostdev'><source><address type='pci' domain='0x0000' bus='0x3b' "
        "slot='0x10' "
        "function='0x2'/></source></interface>\n"
        "    <hostdev mode='subsystem' type='pci' managed='yes'>\n"
        "      <source><address domain='0x0000' bus='0x03' slot='0x00' function='0x0'/></source>\n"
        "    </hostdev>\n"
        "    <hostdev mode='subsystem' type='usb'><source><vendor id='0x046d'/><product "
        "id='0xc52b'/></source></hostdev>\n"
        "    <hostdev mode='subsystem' type='usb'><source><address bus='1' "
        "device='4'/></source></hostdev>\n"
        "    <hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address "
        "uuid='aa-bb'/></source></hostdev>\n"
        "    <hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/><address "
        "bus='0' target='1' "
        "unit='2'/></source></hostdev>\n"
        "    <hostdev mode='subsystem' type='scsi_host'><source protocol='vhost' "
        "wwpn='naa.5123'/></hostdev>\n"
        "    <hostdev mode='capabilities' "
        "type='storage'><source><block>/dev/sdf1</block></source></hostdev>\n"
        "    <filesystem type='mount'><driver type='virtiofs'/><source dir='/srv/data'/><target "
        "dir='data'/></filesystem>\n"
        "    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>\n"
        "  </devices>\n"
        "  <seclabel type='dynamic' model='selinux'/>\n"
        "</domain>\n";

Test(domain_xml, reads_a_whole_domain)
{
        _cleanup_(domain_xml_freep) struct domain_xml *xml = parse(whole_domain);
        cr_assert_str_eq(xml->name, "prod db (01)");
        cr_assert_str_eq(xml->uuid, "c7a5fdbd-edaf-9455-926a-d65c16db1809");
        cr_assert_str_eq(xml->machine, "pc-q35-rhel10.0.0");
        cr_assert_str_eq(xml->arch, "x86_64");
        cr_assert_str_eq(xml->virt_type, "kvm");
        cr_assert_str_eq(xml->loader, "/usr/share/edk2/ovmf/OVMF_CODE.fd");
        cr_assert_str_eq(xml->nvram, "/var/lib/libvirt/qemu/nvram/prod_VARS.fd");
        cr_assert_str_eq(xml->nvram_template, "/usr/share/edk2/ovmf/OVMF_VARS.fd");
        cr_assert(xml->has_tpm_emulator);
        cr_assert_eq(xml->n_disks, 2);
        _cleanup_free_ char *networks = strv_join(xml->networks, ",");
        cr_assert_str_eq(networks, "default,br-prod,eno1");
        cr_assert_null(xml->boot_order);
        _cleanup_free_ char *devices = strv_join(xml->host_devices, "\n");
        cr_assert_str_eq(devices, "network card, PCI device 0000:3b:10.2\n"
                                  "PCI device 0000:03:00.0\n"
                                  "USB device 046d:c52b\n"
                                  "USB device on bus 1, device 4\n"
                                  "mediated device aa-bb\n"
                                  "SCSI device scsi_host0 0:1:2\n"
                                  "SCSI host adapter naa.5123\n"
                                  "storage device /dev/sdf1\n"
                                  "shared folder /srv/data");
}

Test(domain_xml, reads_what_is_booted_first)
{
        static const char *const cases[][2] = {
                { HEAD "<os><boot dev='network'/><boot/><boot dev='hd'/></os></domain>",
                  "network,hd" },
                { HEAD "<os></os><devices><hostdev mode='subsystem' type='pci'><boot "
                       "order='11'/></hostdev>"
                       "<disk type='file'><target dev='vdb'/></disk><disk type='file'><target "
                       "dev='vda'/><boot order='2'/></disk>"
                       "<interface type='user'><mac address='52:54:00:12:34:56'/><boot "
                       "order='1'/></interface>"
                       "<interface type='user'><boot order='3'/></interface></devices></domain>",
                  "52:54:00:12:34:56,vda,interface,hostdev" },
                { HEAD
                  "<os><boot dev='cdrom'/></os><devices><disk type='file'><target dev='vda'/><boot "
                  "order='1'/></disk></devices></domain>",
                  "vda" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_(domain_xml_freep) struct domain_xml *xml = parse(cases[i][0]);
                _cleanup_free_ char *order = strv_join(xml->boot_order, ",");
                cr_expect_str_eq(order, cases[i][1]);
                cr_expect_eq(strv_length(xml->macs), i == 1 ? 1 : 0);
        }
}

Test(domain_xml, reads_a_live_disk_with_its_chain_and_job)
{
        _cleanup_(domain_xml_freep) struct domain_xml *xml = parse(whole_domain);
        const struct domain_disk *disk = domain_xml_find_disk(xml, "vda");
        cr_assert_str_eq(disk->path, "/images/vda.orch.qcow2");
        cr_assert_str_eq(disk->format, "qcow2");
        cr_assert_str_eq(disk->bus, "virtio");
        cr_assert(disk->has_mirror);
        cr_assert_str_eq(disk->mirror_path, "/images/vda.img");
        cr_assert_eq(disk->n_backing, 2);
        cr_assert_str_eq(disk->backing[0].path, "/images/vda.img");
        cr_assert_str_eq(disk->backing[0].format, "raw");
        cr_assert_str_eq(disk->backing[1].path, "/dev/vg/gold");
        cr_assert_str_eq(disk->backing[1].format, "qcow2");
        cr_assert_null(domain_xml_find_disk(xml, "vdz"));
        cr_assert_not(domain_xml_find_disk(xml, "sda")->has_mirror);
        cr_assert_null(domain_xml_find_disk(xml, "sda")->mirror_path);
}

Test(domain_xml, reads_every_kind_of_disk)
{
        static const struct {
                const char *name;
                const char *xml;
                enum disk_device device;
                enum disk_source source;
                const char *source_type;
                const char *path;
                const char *format;
                size_t n_backing;
                const char *flags; /* r readonly, s shareable, t transient, e encrypted, m mirror */
        } cases[] = {
                { "file",
                  "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source "
                  "file='/a.qcow2'/>",
                  DISK_DEVICE_DISK, DISK_SOURCE_FILE, "file", "/a.qcow2", "qcow2", 0, "" },
                { "defaults", "<disk><source file='/a'/>", DISK_DEVICE_DISK, DISK_SOURCE_FILE,
                  "file", "/a", NULL, 0, "" },
                { "strange path", "<disk><source file=\"" STRANGE_PATH_IN_XML "\"/>",
                  DISK_DEVICE_DISK, DISK_SOURCE_FILE, "file", STRANGE_PATH, NULL, 0, "" },
                { "block",
                  "<disk type='block' device='disk'><driver type='raw'/><source dev='/dev/vg/lv'/>",
                  DISK_DEVICE_DISK, DISK_SOURCE_BLOCK, "block", "/dev/vg/lv", "raw", 0, "" },
                { "block with file=", "<disk type='block'><source file='/dev/vg/lv'/>",
                  DISK_DEVICE_DISK, DISK_SOURCE_NONE, "block", NULL, NULL, 0, "" },
                { "lun",
                  "<disk type='block' device='lun' sgio='filtered'><driver type='raw'/><source "
                  "dev='/dev/sdb'/>",
                  DISK_DEVICE_LUN, DISK_SOURCE_BLOCK, "block", "/dev/sdb", "raw", 0, "" },
                { "network",
                  "<disk type='network'><driver type='raw'/><source protocol='rbd' "
                  "name='pool/image'><host name='mon' "
                  "port='6789'/></source>",
                  DISK_DEVICE_DISK, DISK_SOURCE_NETWORK, "network", NULL, "raw", 0, "" },
                { "volume", "<disk type='volume'><source pool='default' volume='a.qcow2'/>",
                  DISK_DEVICE_DISK, DISK_SOURCE_VOLUME, "volume", NULL, NULL, 0, "" },
                { "dir",
                  "<disk type='dir' device='floppy'><driver type='fat'/><source "
                  "dir='/srv'/><readonly/>",
                  DISK_DEVICE_FLOPPY, DISK_SOURCE_OTHER, "dir", NULL, "fat", 0, "r" },
                { "nvme",
                  "<disk type='nvme'><driver type='raw'/><source type='pci' managed='yes' "
                  "namespace='1'><address domain='0x0' "
                  "bus='0x1' slot='0x0' function='0x0'/></source>",
                  DISK_DEVICE_DISK, DISK_SOURCE_OTHER, "nvme", NULL, "raw", 0, "" },
                { "vhostuser",
                  "<disk type='vhostuser'><driver type='raw'/><source type='unix' "
                  "path='/tmp/v.sock'/>",
                  DISK_DEVICE_DISK, DISK_SOURCE_OTHER, "vhostuser", NULL, "raw", 0, "" },
                { "vhostvdpa", "<disk type='vhostvdpa'><source dev='/dev/vhost-vdpa-0'/>",
                  DISK_DEVICE_DISK, DISK_SOURCE_OTHER, "vhostvdpa", NULL, NULL, 0, "" },
                { "empty CD-ROM", "<disk type='file' device='cdrom'><readonly/>", DISK_DEVICE_CDROM,
                  DISK_SOURCE_NONE, "file", NULL, NULL, 0, "r" },
                { "CD-ROM with a policy alone",
                  "<disk type='file' device='cdrom'><source startupPolicy='optional'/>",
                  DISK_DEVICE_CDROM, DISK_SOURCE_NONE, "file", NULL, NULL, 0, "" },
                { "CD-ROM",
                  "<disk type='file' device='cdrom'><source file='/a.iso' startupPolicy='optional' "
                  "index='2'/><readonly/>",
                  DISK_DEVICE_CDROM, DISK_SOURCE_FILE, "file", "/a.iso", NULL, 0, "r" },
                { "empty path", "<disk type='file'><source file=''/>", DISK_DEVICE_DISK,
                  DISK_SOURCE_NONE, "file", NULL, NULL, 0, "" },
                { "shareable", "<disk type='block'><source dev='/dev/x'/><shareable/>",
                  DISK_DEVICE_DISK, DISK_SOURCE_BLOCK, "block", "/dev/x", NULL, 0, "s" },
                { "transient",
                  "<disk type='file'><source file='/x'/><transient shareBacking='yes'/>",
                  DISK_DEVICE_DISK, DISK_SOURCE_FILE, "file", "/x", NULL, 0, "t" },
                { "encrypted",
                  "<disk type='file'><source file='/x'><encryption format='luks'/></source>",
                  DISK_DEVICE_DISK, DISK_SOURCE_FILE, "file", "/x", NULL, 0, "e" },
                { "encrypted, old form",
                  "<disk type='file'><source file='/x'/><encryption format='luks'/>",
                  DISK_DEVICE_DISK, DISK_SOURCE_FILE, "file", "/x", NULL, 0, "e" },
                { "end of chain", "<disk type='file'><source file='/x'/><backingStore/>",
                  DISK_DEVICE_DISK, DISK_SOURCE_FILE, "file", "/x", NULL, 0, "" },
                { "network backing",
                  "<disk><source file='/x'/><backingStore type='network'><format "
                  "type='raw'/><source "
                  "protocol='nbd'/></backingStore>",
                  DISK_DEVICE_DISK, DISK_SOURCE_FILE, "file", "/x", NULL, 1, "" },
                { "mirror",
                  "<disk><source file='/x'/><mirror type='file' job='copy' ready='yes'><source "
                  "file='/y'/></mirror>",
                  DISK_DEVICE_DISK, DISK_SOURCE_FILE, "file", "/x", NULL, 0, "m" },
                { "another namespace's",
                  "<disk xmlns:q='urn:q'><q:source file='/evil'/><source file='/x'/><q:readonly/>",
                  DISK_DEVICE_DISK, DISK_SOURCE_FILE, "file", "/x", NULL, 0, "" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *text = xasprintf(
                        WITH_DEVICES("%s<target dev='vda' bus='virtio'/></disk>"), cases[i].xml);
                _cleanup_(domain_xml_freep) struct domain_xml *xml = parse(text);
                cr_assert_eq(xml->n_disks, 1);
                const struct domain_disk *disk = &xml->disks[0];
                cr_assert_eq(disk->device, cases[i].device, "%s", cases[i].name);
                cr_assert_eq(disk->source, cases[i].source, "%s", cases[i].name);
                cr_assert_str_eq(disk->source_type, cases[i].source_type, "%s", cases[i].name);
                cr_assert(streq(disk->path, cases[i].path), "%s: %s", cases[i].name, disk->path);
                cr_assert(streq(disk->format, cases[i].format), "%s", cases[i].name);
                cr_assert_eq(disk->n_backing, cases[i].n_backing, "%s", cases[i].name);
                _cleanup_free_ char *flags =
                        xasprintf("%s%s%s%s%s", disk->readonly ? "r" : "",
                                  disk->shareable ? "s" : "", disk->transient ? "t" : "",
                                  disk->encrypted ? "e" : "", disk->has_mirror ? "m" : "");
                cr_assert_str_eq(flags, cases[i].flags, "%s", cases[i].name);
        }
}

Test(domain_xml, reads_every_form_of_nvram)
{
        static const struct {
                const char *xml;
                const char *path;
                const char *template;
        } cases[] = {
                { "<nvram>/n.fd</nvram>", "/n.fd", NULL },
                { "<nvram template='/t.fd'>\n  /n.fd\n</nvram>", "/n.fd", "/t.fd" },
                { "<nvram template='/t.fd'/>", NULL, "/t.fd" },
                { "<nvram type='file' template='/t.fd'><source file='/n.fd'/></nvram>", "/n.fd",
                  "/t.fd" },
                { "<nvram type='block'><source dev='/dev/vg/n'/></nvram>", "/dev/vg/n", NULL },
                { "<nvram type='network'><source protocol='iscsi' name='x'/></nvram>", NULL, NULL },
                { "", NULL, NULL },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *text = xasprintf(HEAD "<os>%s</os></domain>", cases[i].xml);
                _cleanup_(domain_xml_freep) struct domain_xml *xml = parse(text);
                cr_assert(streq(xml->nvram, cases[i].path), "%s: %s", cases[i].xml, xml->nvram);
                cr_assert(streq(xml->nvram_template, cases[i].template), "%s", cases[i].xml);
                cr_assert_eq(xml->n_disks, 0);
                cr_assert_not(xml->has_tpm_emulator);
        }
}

Test(domain_xml, takes_a_uuid_in_any_form)
{
        static const struct {
                const char *written;
                const char *read; /* NULL: refused */
        } cases[] = {
                { "c7a5fdbdedaf9455926ad65c16db1809", "c7a5fdbd-edaf-9455-926a-d65c16db1809" },
                { "\n C7A5FDBD-EDAF-9455-926A-D65C16DB1809 ",
                  "c7a5fdbd-edaf-9455-926a-d65c16db1809" },
                { "c7a5fdbd-edaf-9455-926a-d65c16db180", NULL },
                { "c7a5fdbd-edaf-9455-926a-d65c16db18090", NULL },
                { "c7a5fdbd-edaf-9455-926a-d65c16db180g", NULL },
                { "", NULL },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *text = xasprintf(
                        "<domain><name>vm</name><uuid>%s</uuid></domain>", cases[i].written);
                _cleanup_error_ struct error *err = NULL;
                _cleanup_(domain_xml_freep) struct domain_xml *xml =
                        domain_xml_parse(text, strlen(text), &err);
                cr_assert(streq(xml ? xml->uuid : NULL, cases[i].read), "%s", cases[i].written);
        }
}

Test(domain_xml, refuses_hostile_and_broken_documents)
{
        static const struct {
                const char *text;
                const char *message;
        } cases[] = {
                { "", "XML of a <domain>" },
                { "no xml", "line 1" },
                { "<domain>", "line 1" },
                { "<network><name>x</name></network>",
                  "expected the XML of a <domain>, found a <network>" },
                { "<domain/>", "has no <name>" },
                { "<domain><name>x</name></domain>", "has no <uuid>" },
                { "<!DOCTYPE domain><domain/>", "document type declaration" },
                { "<!DOCTYPE domain SYSTEM 'http://127.0.0.1:9/x.dtd'><domain/>",
                  "document type declaration" },
                { "<!DOCTYPE d [<!ENTITY x SYSTEM "
                  "'file:///etc/passwd'>]><domain><name>&x;</name></domain>",
                  "document type declaration" },
                { "<!DOCTYPE d [<!ENTITY a 'aa'><!ENTITY b "
                  "'&a;&a;'>]><domain><name>&b;</name></domain>",
                  "document type declaration" },
                { "<domain><name>&undefined;</name></domain>", "line 1" },
                { WITH_DEVICES("<disk><source file='/a'/></disk>"),
                  "has a disk whose target '' is no device name" },
                { WITH_DEVICES("<disk><target dev='../../x'/></disk>"),
                  "has a disk whose target '../../x' is no device name" },
                { WITH_DEVICES("<disk><target dev='a b'/></disk>"), "is no device name" },
                { WITH_DEVICES("<disk><target dev='vda'/></disk><disk><target dev='vda'/></disk>"),
                  "has two disks with the target 'vda'" },
                { "<?xml version='1.0' encoding='UTF-16'?><domain><name>\xff</name></domain>",
                  "XML of a <domain>" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_error_ struct error *err = NULL;
                cr_assert_null(domain_xml_parse(cases[i].text, strlen(cases[i].text), &err), "%s",
                               cases[i].text);
                cr_assert_eq(err->kind, ERROR_CORRUPT);
                cr_assert(strstr(err->message, cases[i].message), "expected \"%s\" in: %s",
                          cases[i].message, err->message);
                cr_assert_null(strchr(err->message, '\n'), "%s", err->message);
        }
}

static void expect_refused(struct strbuf *text, const char *message)
{
        _cleanup_error_ struct error *err = NULL;
        cr_assert_null(domain_xml_parse(text->data, text->length, &err));
        cr_assert_eq(err->kind, ERROR_CORRUPT);
        cr_assert(strstr(err->message, message), "%s", err->message);
        strbuf_done(text);
}

Test(domain_xml, has_limits)
{
        struct strbuf text = { 0 };
        strbuf_add(&text, HEAD "<devices>");
        for (int i = 0; i < 4097; i++)
                strbuf_addf(&text, "<disk><target dev='vd%d'/></disk>", i);
        strbuf_add(&text, "</devices></domain>");
        expect_refused(&text, "has 4097 devices, more than 4096");

        strbuf_add(&text, HEAD "<devices><disk><target dev='vda'/><source file='/a'/>");
        for (int i = 0; i < 100000; i++)
                strbuf_add(&text, "<backingStore><source file='/a'/>");
        expect_refused(&text, "XML of a <domain>, line 1");

        strbuf_add(&text, HEAD);
        while (text.length <= XML_DOCUMENT_MAX_BYTES)
                strbuf_add(
                        &text,
                        "<!-- padding -->                                                       ");
        strbuf_add(&text, "</domain>");
        expect_refused(&text, "more than 4194304");
}

/* libvirt's own schemas say whether it would take what is made here. */
static void expect_valid(const char *schema, const char *text)
{
        _cleanup_free_ char *path = xasprintf("/usr/share/libvirt/schemas/%s", schema);
        if (access(path, R_OK) < 0)
                cr_skip_test("%s is not installed (package libvirt0 or libvirt-libs): XML made by "
                             "orch was not validated",
                             path);
        xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewParserCtxt(path);
        xmlRelaxNG *grammar = xmlRelaxNGParse(parser);
        xmlRelaxNGFreeParserCtxt(parser);
        cr_assert(grammar);
        _cleanup_xml_ xmlDoc *document =
                xmlReadMemory(text, (int)strlen(text), NULL, NULL, XML_PARSE_NONET);
        cr_assert(document, "%s", text);
        xmlRelaxNGValidCtxt *validator = xmlRelaxNGNewValidCtxt(grammar);
        cr_assert_eq(xmlRelaxNGValidateDoc(validator, document), 0, "%s refuses: %s", schema, text);
        xmlRelaxNGFreeValidCtxt(validator);
        xmlRelaxNGFree(grammar);
}

static const struct snapshot_disk snapshot_disks[] = {
        { "vda", STRANGE_PATH },
        { "vdb", NULL },
};

Test(domain_xml, makes_a_snapshot_that_names_every_disk)
{
        _cleanup_free_ char *text = domain_xml_make_snapshot(
                "orch-0f0e0d0c-20260201-3f9a", snapshot_disks, ARRAY_LENGTH(snapshot_disks));
        cr_assert_str_eq(
                text,
                "<domainsnapshot><name>orch-0f0e0d0c-20260201-3f9a</name><memory "
                "snapshot=\"no\"/><disks>"
                "<disk name=\"vda\" snapshot=\"external\" type=\"file\"><driver type=\"qcow2\"/>"
                "<source file=\"/images/we ird'q $(touch x)&amp;&quot;&lt;ü&gt;.qcow2\"/></disk>"
                "<disk name=\"vdb\" snapshot=\"no\"/></disks></domainsnapshot>");
        _cleanup_free_ char *name = domain_snapshot_xml_name(text, strlen(text));
        cr_assert_str_eq(name, "orch-0f0e0d0c-20260201-3f9a");
        cr_assert_null(domain_snapshot_xml_name(whole_domain, strlen(whole_domain)));
        cr_assert_null(domain_snapshot_xml_name("junk", 4));
}

Test(domain_xml, libvirts_schema_takes_the_snapshot)
{
        _cleanup_free_ char *text =
                domain_xml_make_snapshot("orch-1", snapshot_disks, ARRAY_LENGTH(snapshot_disks));
        expect_valid("domainsnapshot.rng", text);
}

#define DISK_HEAD                                                                        \
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none' " \
        "discard='unmap'><metadata_cache/></driver>"
#define DISK_TAIL                                                                        \
        "<target dev='vda' "                                                             \
        "bus='virtio'/><iotune><read_iops_sec>100</read_iops_sec></iotune><serial>S-1</" \
        "serial><boot order='1'/>"                                                       \
        "<address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/></disk>"

/* The re-pointed disk of WITH_DEVICES(disk), read back by the parser, and its text. */
static struct domain_xml *repointed(const char *disk, const char *path, const char *format,
                                    char **ret_text)
{
        _cleanup_free_ char *domain = xasprintf(
                WITH_DEVICES(
                        "<disk type='file'><source file='/other'/><target dev='vdz'/></disk>%s"),
                disk);
        _cleanup_error_ struct error *err = NULL;
        *ret_text = domain_xml_disk_repointed(domain, strlen(domain), "vda", path, format, &err);
        cr_assert(*ret_text, "%s", error_message(err));
        _cleanup_free_ char *again = xasprintf(WITH_DEVICES("%s"), *ret_text);
        return parse(again);
}

Test(domain_xml, repoints_a_disk_and_keeps_the_rest_of_it)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_(domain_xml_freep) struct domain_xml *xml =
                repointed(DISK_HEAD "<source file='/images/overlay.qcow2' startupPolicy='optional' "
                                    "index='5'><seclabel model='dac' "
                                    "relabel='no'/></source>"
                                    "<backingStore type='file'><format type='raw'/><source "
                                    "file='/images/else.img'/></backingStore>"
                                    "<mirror type='file' job='copy'><source "
                                    "file='/m'/></mirror><alias name='virtio-disk0'/>" DISK_TAIL,
                          STRANGE_PATH, "raw", &text);
        const struct domain_disk *disk = domain_xml_find_disk(xml, "vda");
        cr_assert_eq(xml->n_disks, 1);
        cr_assert_eq(disk->source, DISK_SOURCE_FILE);
        cr_assert_str_eq(disk->path, STRANGE_PATH);
        cr_assert_str_eq(disk->format, "raw");
        static const char *const kept[] = {
                "cache=\"none\"",
                "discard=\"unmap\"",
                "<metadata_cache/>",
                "startupPolicy=\"optional\"",
                "<seclabel model=\"dac\"",
                "<read_iops_sec>100<",
                "<serial>S-1</serial>",
                "<boot order=\"1\"/>",
                "bus=\"0x04\"",
        };
        static const char *const dropped[] = { "overlay", "index=",   "backingStore", "mirror",
                                               "alias",   "else.img", "vdz" };
        for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
                cr_assert(strstr(text, kept[i]), "%s is missing in: %s", kept[i], text);
        for (size_t i = 0; i < ARRAY_LENGTH(dropped); i++)
                cr_assert_not(strstr(text, dropped[i]), "%s is still in: %s", dropped[i], text);
}

Test(domain_xml, repoints_between_files_and_block_devices)
{
        static const struct {
                const char *source; /* <source> and chain */
                const char *path;
                const char *expected; /* in the text */
        } cases[] = {
                { "<source file='/o'/>", "/images/a.img", "<source file=\"/images/a.img\"/>" },
                { "<source file='/o'/>", "/dev/vg/db", "<source dev=\"/dev/vg/db\"/>" },
                { "", "/images/a.img", "<source file=\"/images/a.img\"/>" },
                /* what the chain says of the path goes above what the path looks like */
                { "<source file='/o'/><backingStore type='file'><format type='raw'/><source "
                  "file='/dev/shm/a.img'/></backingStore>",
                  "/dev/shm/a.img", "<source file=\"/dev/shm/a.img\"/>" },
                { "<source file='/o'/><backingStore type='block'><source "
                  "dev='/images/link'/></backingStore>",
                  "/images/link", "<source dev=\"/images/link\"/>" },
                /* the base's own <source> comes back with all it has */
                { "<source file='/o' startupPolicy='optional'/><backingStore type='file'><format "
                  "type='raw'/>"
                  "<source file='/b' index='1'><encryption "
                  "format='luks'/></source><backingStore/></backingStore>",
                  "/b",
                  "<source startupPolicy=\"optional\" file=\"/b\"><encryption "
                  "format=\"luks\"/></source>" },
                { "<source file='/o'/><backingStore type='file'><source file='/b'/><backingStore "
                  "type='file'><source "
                  "file='/c'><slices/>"
                  "</source></backingStore></backingStore>",
                  "/c", "<source file=\"/c\"><slices/></source>" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_free_ char *disk = xasprintf(
                        "<disk type='file'>%s<target dev='vda'/></disk>", cases[i].source);
                _cleanup_free_ char *text = NULL;
                _cleanup_(domain_xml_freep) struct domain_xml *xml =
                        repointed(disk, cases[i].path, "raw", &text);
                cr_assert(strstr(text, cases[i].expected), "expected %s in: %s", cases[i].expected,
                          text);
                bool is_block = strstr(cases[i].expected, "dev=");
                cr_assert_eq(xml->disks[0].source, is_block ? DISK_SOURCE_BLOCK : DISK_SOURCE_FILE,
                             "%s", text);
                cr_assert_str_eq(xml->disks[0].path, cases[i].path);
                cr_assert_str_eq(xml->disks[0].format, "raw");
                cr_assert_null(strstr(text, "\"/o\""));
                cr_assert_null(strstr(text, "index"));
        }
}

Test(domain_xml, repointing_keeps_an_alias_of_the_owners)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_(domain_xml_freep) struct domain_xml *xml =
                repointed("<disk type='file'><source file='/o'/><target dev='vda'/><alias "
                          "name='ua-root'/></disk>",
                          "/b", "raw", &text);
        cr_assert_eq(xml->n_disks, 1);
        cr_assert(strstr(text, "<alias name=\"ua-root\"/>"));
}

Test(domain_xml, repointing_a_disk_that_is_not_there_fails)
{
        _cleanup_error_ struct error *err = NULL;
        cr_assert_null(domain_xml_disk_repointed(whole_domain, strlen(whole_domain), "vdq", "/b",
                                                 "raw", &err));
        cr_assert_eq(err->kind, ERROR_CORRUPT);
        cr_assert(strstr(err->message, "has no disk 'vdq'"));
}

Test(domain_xml, libvirts_schema_takes_a_domain_with_the_disk)
{
        static const char *const paths[] = { STRANGE_PATH, "/dev/vg/db" };
        for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
                _cleanup_free_ char *text = NULL;
                _cleanup_(domain_xml_freep) struct domain_xml *xml =
                        repointed("<disk type='file' device='disk'><driver name='qemu' "
                                  "type='qcow2' cache='none'/><source "
                                  "file='/o' index='2'/>"
                                  "<backingStore type='file'><format type='raw'/><source "
                                  "file='/b'/></backingStore>" DISK_TAIL,
                                  paths[i], "raw", &text);
                cr_assert_eq(xml->n_disks, 1);
                _cleanup_free_ char *domain =
                        xasprintf("<domain "
                                  "type='kvm'><name>vm</name><memory>1024</memory><os><type>hvm</"
                                  "type></os><devices>%s</devices></domain>",
                                  text);
                expect_valid("domain.rng", domain);
        }
}
