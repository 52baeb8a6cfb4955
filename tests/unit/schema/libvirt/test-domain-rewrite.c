/* A saved domain made into another one: what changes, and what does not. */
#include "schema/libvirt/domain-rewrite.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-xml.h"

#define UUID "c7a5fdbd-edaf-9455-926a-d65c16db1809"
#define OTHER "11111111-2222-4333-8444-555555555555"
#define DOMAIN(rest)                                                                         \
        "<domain type='kvm' id='3' "                                                         \
        "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>vm</name><uuid>" UUID \
        "</uuid>" rest "</domain>"
#define DEVICES(devices) DOMAIN("<devices>" devices "</devices>")

struct result {
        char *xml;
        char **notes;
};

static void result_done(struct result *result)
{
        free(result->xml);
        strv_free(result->notes);
}
#define _cleanup_result_ _cleanup_(result_done)

static struct result run(const char *text, const struct rewrite *rewrite)
{
        _cleanup_error_ struct error *err = NULL;
        struct result result = { 0 };
        result.xml = domain_rewrite(text, strlen(text), rewrite, &result.notes, &err);
        cr_assert(result.xml, "%s", error_message(err));
        return result;
}

static void has(const struct result *result, const char *part)
{
        cr_assert(strstr(result->xml, part), "no %s in %s", part, result->xml);
}

static void has_not(const struct result *result, const char *part)
{
        cr_assert_not(strstr(result->xml, part), "%s in %s", part, result->xml);
}

static void notes(const struct result *result, const char *part)
{
        _cleanup_free_ char *all = strv_join(result->notes, "\n");
        cr_assert(strstr(all, part), "no \"%s\" in the notes: %s", part, all);
}

#define TWO_DISKS                                                                                  \
        "<disk type='block' device='disk'><driver name='qemu' type='raw' cache='none' "            \
        "io='native'/><source dev='/dev/vg/a'>"                                                    \
        "<seclabel model='selinux' label='x' relabel='yes'/></source>"                             \
        "<backingStore type='file'><format type='qcow2'/><source "                                 \
        "file='/old/gold'/><backingStore/></backingStore>"                                         \
        "<mirror type='file'><source file='/old/m'/></mirror>"                                     \
        "<target dev='vda' bus='virtio'/><serial>S1</serial><boot order='2'/><address type='pci' " \
        "slot='0x05'/></disk>"                                                                     \
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source "               \
        "file='/old/b.qcow2'/><target dev='vdb' "                                                  \
        "bus='scsi'/></disk>"

Test(domain_rewrite, a_disk_is_put_elsewhere_and_stays_what_it_is_for_the_guest)
{
        const struct rewrite_disk disks[] = {
                { .target = "vda", .path = "/new/we ird'\"&<x>.qcow2", .format = "qcow2" }
        };
        _cleanup_result_ struct result r =
                run(DEVICES(TWO_DISKS), &(struct rewrite){ .disks = disks, .n_disks = 1 });
        has(&r, "<disk type=\"file\" device=\"disk\">");
        has(&r, "type=\"qcow2\" cache=\"none\" io=\"native\"");
        has(&r, "<serial>S1</serial><boot order=\"2\"/><address type=\"pci\" slot=\"0x05\"/>");
        has_not(&r, "backingStore");
        has_not(&r, "mirror");
        has_not(&r, "seclabel");
        has_not(&r, "/dev/vg/a");
        has_not(&r, "vdb");
        notes(&r, "disk vdb (/old/b.qcow2) was left out");
        _cleanup_(domain_xml_freep) struct domain_xml *xml =
                domain_xml_parse(r.xml, strlen(r.xml), NULL);
        cr_assert_eq(xml->n_disks, 1);
        cr_assert_str_eq(xml->disks[0].path, "/new/we ird'\"&<x>.qcow2");
        cr_assert_str_eq(xml->disks[0].bus, "virtio");
        const char *const keep[] = { "vdb", NULL };
        _cleanup_result_ struct result s =
                run(DEVICES(TWO_DISKS),
                    &(struct rewrite){ .disks = disks, .n_disks = 1, .keep = keep });
        has(&s, "/old/b.qcow2");
        cr_assert_null(s.notes);
}

Test(domain_rewrite, every_layer_is_spelt_out_to_its_end_and_only_the_disk_itself_is_relabelled)
{
        const struct rewrite_layer layers[] = { { "/share/inc.qcow2", "qcow2" },
                                                { "/share/full.qcow2", "qcow2" } };
        const struct rewrite_disk disks[] = {
                { .target = "vda",
                  .path = "/local/top",
                  .format = "qcow2",
                  .backing = layers,
                  .n_backing = 2,
                  .no_label = true },
                { .target = "vdb", .path = "/dev/vg/b", .format = "raw" },
        };
        _cleanup_result_ struct result r =
                run(DEVICES(TWO_DISKS), &(struct rewrite){ .disks = disks, .n_disks = 2 });
        _cleanup_(domain_xml_freep) struct domain_xml *xml =
                domain_xml_parse(r.xml, strlen(r.xml), NULL);
        const struct domain_disk *disk = domain_xml_find_disk(xml, "vda");
        cr_assert_eq(disk->n_backing, 2);
        cr_assert_str_eq(disk->backing[0].path, "/share/inc.qcow2");
        cr_assert_str_eq(disk->backing[1].path, "/share/full.qcow2");
        has(&r, "<backingStore/></backingStore></backingStore>");
        size_t labels = 0;
        for (const char *at = r.xml; (at = strstr(at, "model=\"dac\" relabel=\"no\"")); at++)
                labels++;
        cr_assert_eq(labels, 2, "%zu in %s", labels, r.xml);
        has(&r, "<source file=\"/local/top\"/>");
        cr_assert_eq(domain_xml_find_disk(xml, "vdb")->source, DISK_SOURCE_BLOCK);
}

Test(domain_rewrite, a_disk_that_is_not_there_is_told)
{
        const struct rewrite_disk disks[] = {
                { .target = "vdz", .path = "/new", .format = "raw" }
        };
        _cleanup_error_ struct error *err = NULL;
        const char *text = DEVICES(TWO_DISKS);
        cr_assert_null(domain_rewrite(
                text, strlen(text), &(struct rewrite){ .disks = disks, .n_disks = 1 }, NULL, &err));
        cr_assert_eq(err->kind, ERROR_CORRUPT);
        cr_assert(strstr(err->message, "vdz"));
}

Test(domain_rewrite, what_is_no_domain_is_refused)
{
        static const char *const texts[] = {
                "", "<network/>", "<domain>",
                "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain>&a;</domain>"
        };
        for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
                _cleanup_error_ struct error *err = NULL;
                cr_assert_null(domain_rewrite(texts[i], strlen(texts[i]), &(struct rewrite){ 0 },
                                              NULL, &err),
                               "%s", texts[i]);
                cr_assert_eq(err->kind, ERROR_CORRUPT);
        }
}

Test(domain_rewrite, nothing_asked_nothing_changed)
{
        _cleanup_result_ struct result r =
                run(DOMAIN("<memory unit='KiB'>1024</memory><metadata><x:y "
                           "xmlns:x='urn:a'>1</x:y></metadata>"),
                    &(struct rewrite){ 0 });
        cr_assert_str_eq(r.xml, "<domain xmlns:qemu=\"http://libvirt.org/schemas/domain/qemu/1.0\" "
                                "type=\"kvm\"><name>vm</name><uuid>" UUID
                                "</uuid><memory unit=\"KiB\">1024</memory><metadata><x:y "
                                "xmlns:x=\"urn:a\">1</x:y></metadata></domain>");
        cr_assert_null(r.notes);
}

#define IDENTITY                                                                                 \
        DOMAIN("<genid>" OTHER "</genid><sysinfo type='smbios'><system><entry name='uuid'>" UUID \
               "</entry><entry name='serial'>7</entry>"                                          \
               "</system></sysinfo><devices><vsock><cid auto='no' "                              \
               "address='4'/></vsock></devices>")

Test(domain_rewrite, another_name_and_uuid_reach_every_place_that_tells_them)
{
        _cleanup_result_ struct result r =
                run(IDENTITY, &(struct rewrite){ .name = "a & b", .uuid = OTHER });
        has(&r, "<name>a &amp; b</name><uuid>" OTHER "</uuid><genid/>");
        has(&r, "<entry name=\"uuid\">" OTHER "</entry><entry name=\"serial\">7</entry>");
        has(&r, "<cid auto=\"yes\"/>");
        has_not(&r, UUID);
        has_not(&r, "id=\"3\"");
        notes(&r, "generation ID");
}

Test(domain_rewrite, a_uuid_that_is_left_to_libvirt_is_told_nowhere)
{
        _cleanup_result_ struct result r = run(IDENTITY, &(struct rewrite){ .uuid = "" });
        has_not(&r, UUID);
        has_not(&r, "<uuid");
        has(&r, "<system><entry name=\"serial\">7</entry></system>");
}

Test(domain_rewrite, the_same_uuid_is_the_same_machine)
{
        _cleanup_result_ struct result r =
                run(IDENTITY, &(struct rewrite){ .uuid = "C7A5FDBD-EDAF-9455-926A-D65C16DB1809" });
        has(&r, "<uuid>" UUID "</uuid>");
        has(&r, "address=\"4\"");
}

#define NICS                                                                                     \
        "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default' " \
        "portgroup='p'/><target "                                                                \
        "dev='tap1'/>"                                                                           \
        "<model type='virtio'/><boot order='1'/></interface>"                                    \
        "<interface type='bridge'><mac address='52:54:00:00:00:02'/><source "                    \
        "bridge='br0'/><virtualport "                                                            \
        "type='openvswitch'><parameters "                                                        \
        "interfaceid='" OTHER "'/></virtualport><vlan><tag id='7'/></vlan></interface>"          \
        "<interface type='direct'><mac address='52:54:00:00:00:03'/><source dev='eno1' "         \
        "mode='bridge'/></interface>"                                                            \
        "<interface type='hostdev' managed='yes'><mac address='52:54:00:00:00:04'/><driver "     \
        "name='vfio'/><source><address "                                                         \
        "type='pci' "                                                                            \
        "domain='0' bus='3' slot='0' function='1'/></source></interface>"

Test(domain_rewrite, nics_stay)
{
        _cleanup_result_ struct result r =
                run(DEVICES(NICS), &(struct rewrite){ .network = REWRITE_NETWORK_KEEP });
        has(&r, "network=\"default\" portgroup=\"p\"");
        has(&r, "52:54:00:00:00:01");
        has(&r, "tap1");
        has(&r, "interfaceid");
        notes(&r, "network card 52:54:00:00:00:02 on bridge br0");
        notes(&r, "on direct eno1");
        notes(&r, "network card, PCI device 0000:03:00.1 of the old host must be on this one too");
}

Test(domain_rewrite, no_nic_is_left_also_none_of_qemus_own)
{
        _cleanup_result_ struct result r = run(
                DOMAIN("<devices>" NICS
                       "</devices><qemu:commandline><qemu:arg value='-nic'/></qemu:commandline>"),
                &(struct rewrite){ .network = REWRITE_NETWORK_NONE });
        has_not(&r, "interface");
        has_not(&r, "-nic");
        notes(&r, "network card 52:54:00:00:00:02 on bridge br0 was left out");
        notes(&r, "qemu:commandline, arguments for QEMU itself, was left out");
}

Test(domain_rewrite, nics_of_another_machine_share_nothing_with_the_original)
{
        _cleanup_result_ struct result r =
                run(DEVICES(NICS), &(struct rewrite){ .uuid = "", .new_macs = true });
        has_not(&r, "<mac");
        has_not(&r, "tap1");
        has_not(&r, "interfaceid");
        has(&r, "bridge=\"br0\"");
        has(&r, "openvswitch");
}

Test(domain_rewrite, nics_are_plugged_into_other_networks)
{
        const struct rewrite_network_map map[] = { { "default", "lab" },
                                                   { "br0", "prod" },
                                                   { NULL, "rest" } };
        const struct rewrite rewrite = { .network = REWRITE_NETWORK_MAP, .map = map, .n_map = 3 };
        _cleanup_result_ struct result r = run(DEVICES(NICS), &rewrite);
        has(&r, "<interface type=\"network\"><mac address=\"52:54:00:00:00:01\"/><model "
                "type=\"virtio\"/><boot "
                "order=\"1\"/><source network=\"lab\"/>");
        has(&r, "<interface type=\"network\"><mac address=\"52:54:00:00:00:02\"/><source "
                "network=\"prod\"/></interface>");
        has(&r, "<interface type=\"network\"><mac address=\"52:54:00:00:00:03\"/><source "
                "network=\"rest\"/></interface>");
        has(&r, "<interface type=\"network\"><mac address=\"52:54:00:00:00:04\"/><source "
                "network=\"rest\"/></interface>");
        const struct rewrite one = { .network = REWRITE_NETWORK_MAP, .map = map, .n_map = 1 };
        _cleanup_result_ struct result s = run(DEVICES(NICS), &one);
        has(&s, "<source network=\"lab\"/>");
        has(&s, "bridge=\"br0\"");
        notes(&s, "on bridge br0");
}

#define UEFI(nvram)                                                               \
        DOMAIN("<os firmware='efi'><type machine='pc-q35-9.1'>hvm</type><loader " \
               "type='pflash'>/usr/OVMF_CODE.fd</loader>" nvram                   \
               "<boot dev='network'/><boot dev='hd'/></os>")

Test(domain_rewrite, nvram_goes_to_its_new_file_and_keeps_its_template)
{
        const char *text =
                UEFI("<nvram template='/usr/OVMF_VARS.fd' format='qcow2'>/old/vm_VARS.fd</nvram>");
        _cleanup_result_ struct result r =
                run(text, &(struct rewrite){ .nvram = "/new/vm&_VARS.fd" });
        has(&r, "<loader type=\"pflash\">/usr/OVMF_CODE.fd</loader><nvram "
                "template=\"/usr/OVMF_VARS.fd\" "
                "format=\"qcow2\">/new/vm&amp;_VARS.fd</nvram>");
        has(&r, "<boot dev=\"network\"/><boot dev=\"hd\"/>");
        _cleanup_result_ struct result s = run(text, &(struct rewrite){ 0 });
        has(&s, "<nvram template=\"/usr/OVMF_VARS.fd\" format=\"qcow2\"/>");
}

Test(domain_rewrite, nvram_in_a_source_element_becomes_a_plain_file)
{
        const char *text = UEFI("<nvram type='file'><source file='/old/vm_VARS.fd'/></nvram>");
        _cleanup_result_ struct result r = run(text, &(struct rewrite){ .nvram = "/new/VARS.fd" });
        has(&r, "<nvram>/new/VARS.fd</nvram>");
        _cleanup_result_ struct result s = run(text, &(struct rewrite){ 0 });
        has_not(&s, "nvram");
}

#define DRIVES                                                                              \
        "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source "         \
        "file='/iso/a.iso'/><target dev='sda' "                                             \
        "bus='sata'/><readonly/></disk>"                                                    \
        "<disk type='file' device='cdrom'><target dev='sdb' bus='sata'/><readonly/></disk>" \
        "<disk type='block' device='floppy'><source dev='/dev/fd0'/><target dev='fda'/></disk>"

Test(domain_rewrite, drives_stay_and_what_is_in_them_is_told)
{
        _cleanup_result_ struct result r = run(DEVICES(DRIVES), &(struct rewrite){ 0 });
        has(&r, "/iso/a.iso");
        notes(&r, "drive sda holds /iso/a.iso, which is not part of the backup");
        const char *const eject[] = { "sda", NULL };
        _cleanup_result_ struct result s =
                run(DEVICES(DRIVES), &(struct rewrite){ .eject = eject });
        has_not(&s, "/iso/a.iso");
        has(&s, "<target dev=\"sda\" bus=\"sata\"/>");
        has(&s, "/dev/fd0");
        notes(&s, "drive sda is empty now: /iso/a.iso was taken out");
        _cleanup_result_ struct result t =
                run(DEVICES(DRIVES), &(struct rewrite){ .eject_all = true });
        has_not(&t, "<source");
        cr_assert_eq(strv_length(t.notes), 2);
}

#define TIES                                                                                      \
        DOMAIN("<vcpu cpuset='0-3'>2</vcpu><cpu "                                                 \
               "mode='host-passthrough'/><memoryBacking><hugepages/></memoryBacking>"             \
               "<cputune><vcpupin vcpu='0' cpuset='1'/></cputune><seclabel type='static' "        \
               "model='selinux'><label>l</label></seclabel><devices>"                             \
               "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='3' "        \
               "slot='0' "                                                                        \
               "function='0'/></source></hostdev>"                                                \
               "<filesystem type='mount'><source dir='/srv/data'/><target dir='d'/></filesystem>" \
               "<shmem name='s'/><tpm model='tpm-tis'><backend type='passthrough'><device "       \
               "path='/dev/tpm0'/></backend></tpm>"                                               \
               "<serial type='tcp'><source mode='bind' host='0.0.0.0' service='4555'/><protocol " \
               "type='telnet'/></serial>"                                                         \
               "<channel type='unix'><source mode='bind' path='/run/x.sock'/><target "            \
               "type='virtio' name='x'/></channel>"                                               \
               "<channel type='unix'><target type='virtio' "                                      \
               "name='org.qemu.guest_agent.0'/></channel>"                                        \
               "<graphics type='vnc' port='5901' autoport='no' websocket='5700'/></devices>"      \
               "<qemu:commandline><qemu:arg value='-x'/></qemu:commandline>")

Test(domain_rewrite, what_ties_it_to_the_host_is_told)
{
        _cleanup_result_ struct result r = run(TIES, &(struct rewrite){ 0 });
        static const char *const expected[] = { "PCI device 0000:03:00.0 of the old host must be",
                                                "shared folder /srv/data of the old host",
                                                "shared memory is asked for",
                                                "a TPM of the host is asked for",
                                                "a serial is at a fixed path or port",
                                                "a channel is at a fixed",
                                                "vnc screen has the fixed port 5901",
                                                "processor is the host's (host-passthrough)",
                                                "pinned",
                                                "huge pages",
                                                "a fixed selinux label",
                                                "qemu:commandline has arguments" };
        for (size_t i = 0; i < ARRAY_LENGTH(expected); i++)
                notes(&r, expected[i]);
        cr_assert_eq(strv_length(r.notes), ARRAY_LENGTH(expected));
        has(&r, "hostdev");
}

Test(domain_rewrite, what_ties_it_to_the_host_goes)
{
        _cleanup_result_ struct result r =
                run(TIES, &(struct rewrite){ .drop_host_devices = true });
        static const char *const gone[] = {
                "<hostdev", "<filesystem", "<shmem", "<tpm", "4555",
                "telnet",   "x.sock",      "5901",   "5700", "<qemu:arg"
        };
        for (size_t i = 0; i < ARRAY_LENGTH(gone); i++)
                has_not(&r, gone[i]);
        has(&r, "<serial type=\"pty\"/>");
        has(&r, "org.qemu.guest_agent.0");
        has(&r, "autoport=\"yes\"");
        notes(&r, "PCI device 0000:03:00.0 was left out");
        notes(&r, "a TPM of the host was left out");
}

/* Ports and sockets of an original that may be alive: it would lose them, or the second machine not
 * start. */
Test(domain_rewrite, beside_the_original_it_takes_no_place_of_it)
{
        _cleanup_result_ struct result r = run(TIES, &(struct rewrite){ .new_macs = true });
        static const char *const gone[] = { "4555", "telnet", "x.sock", "5901", "5700" };
        for (size_t i = 0; i < ARRAY_LENGTH(gone); i++)
                has_not(&r, gone[i]);
        has(&r, "<serial type=\"pty\"/>");
        has(&r, "<target type=\"virtio\" name=\"x\"/>");
        has(&r, "autoport=\"yes\"");
        has(&r, "<hostdev");
        notes(&r, "a serial was taken off a fixed path or port");
        notes(&r, "a channel was taken off a fixed path or port");
        notes(&r, "vnc screen was taken off the fixed port 5901");
        const char *socket = DEVICES("<graphics type='vnc' socket='/run/vm.vnc'><listen "
                                     "type='socket' socket='/run/vm.vnc'/></graphics>");
        _cleanup_result_ struct result s = run(socket, &(struct rewrite){ .new_macs = true });
        has_not(&s, "/run/vm.vnc");
        has(&s, "<listen type=\"socket\"/>");
        const char *further =
                DEVICES("<graphics type='vnc' port='-1' autoport='yes' websocket='5700'/>"
                        "<graphics type='spice' autoport='no' tlsPort='5931'/>"
                        "<graphics type='vnc' port='-1' autoport='yes' websocket='-1'/>");
        _cleanup_result_ struct result f = run(further, &(struct rewrite){ .new_macs = true });
        has_not(&f, "5700");
        has_not(&f, "5931");
        has(&f, "websocket=\"-1\"");
        notes(&f, "a screen was taken off the fixed websocket 5700");
        _cleanup_result_ struct result kept = run(further, &(struct rewrite){ 0 });
        has(&kept, "websocket=\"5700\"");
}

/* A log belongs to one machine at a time: virtlogd refuses it to the second one, which then does
 * not start. */
Test(domain_rewrite, beside_the_original_no_console_is_logged_where_its_is)
{
        const char *text = DEVICES(
                "<serial type='pty'><log file='/l/0' append='on'/><target port='0'/></serial>"
                "<serial type='pty'><log file='/l/1'/><target port='1'/></serial>"
                "<console type='pty'><log file='/l/0' append='on'/><target type='serial' "
                "port='0'/></console>"
                "<console type='pty'><log file='/l/2'/><target type='virtio' port='1'/></console>"
                "<channel type='unix'><log file='/l/3'/><target type='virtio' "
                "name='a'/></channel>");
        _cleanup_result_ struct result copy = run(text, &(struct rewrite){ .new_macs = true });
        has_not(&copy, "/l/");
        has(&copy, "<channel type=\"unix\"><target type=\"virtio\" name=\"a\"/></channel>");
        notes(&copy, "a serial is not written to /l/1 of the host any more");
        _cleanup_result_ struct result test =
                run(text, &(struct rewrite){ .drop_host_devices = true, .serial_log = "/s.log" });
        has_not(&test, "/l/");
        has(&test, "<serial type=\"pty\"><target port=\"0\"/><log file=\"/s.log\" "
                   "append=\"on\"/></serial>");
        _cleanup_result_ struct result same = run(text, &(struct rewrite){ 0 });
        has(&same, "<serial type=\"pty\"><log file=\"/l/1\"/>");
        cr_assert_null(same.notes);
}

Test(domain_rewrite, what_only_qcow2_can_have_goes_with_it)
{
        const char *text = DEVICES(
                "<disk type='file'><driver name='qemu' type='qcow2' discard='unmap' "
                "discard_no_unref='on'>"
                "<metadata_cache><max_size unit='bytes'>1</max_size></metadata_cache></driver>"
                "<source file='/old'/><target dev='vda'/></disk>");
        const struct rewrite_disk raw = { .target = "vda", .path = "/new", .format = "raw" };
        _cleanup_result_ struct result r =
                run(text, &(struct rewrite){ .disks = &raw, .n_disks = 1 });
        has(&r, "<driver name=\"qemu\" type=\"raw\" discard=\"unmap\"/>");
        const struct rewrite_disk qcow2 = { .target = "vda", .path = "/new", .format = "qcow2" };
        _cleanup_result_ struct result s =
                run(text, &(struct rewrite){ .disks = &qcow2, .n_disks = 1 });
        has(&s, "discard_no_unref=\"on\"><metadata_cache><max_size");
}

/* Two machines must not write into one file of crash records; and nothing goes unsaid. */
Test(domain_rewrite, every_folder_and_file_of_the_host_is_told)
{
        const char *text = DEVICES(
                "<filesystem type='mount'><driver type='virtiofs'/><source "
                "socket='/run/fs.sock'/><target dir='t'/>"
                "</filesystem><pstore backend='acpi-erst'><path>/n/vm_PSTORE.raw</path></pstore>");
        _cleanup_result_ struct result kept = run(text, &(struct rewrite){ 0 });
        notes(&kept, "shared folder /run/fs.sock of the old host must be on this one too");
        notes(&kept, "a store for crash records in a file of the host is asked for");
        _cleanup_result_ struct result test =
                run(text, &(struct rewrite){ .drop_host_devices = true });
        has_not(&test, "pstore");
        has_not(&test, "filesystem");
        notes(&test, "shared folder /run/fs.sock was left out");
}

Test(domain_rewrite, an_emulated_tpm_stays_and_its_folder_is_libvirts)
{
        const char *text =
                DEVICES("<tpm model='tpm-crb'><backend type='emulator' version='2.0'><source "
                        "type='dir' path='/old/tpm'/></backend></tpm>");
        _cleanup_result_ struct result r =
                run(text, &(struct rewrite){ .uuid = OTHER, .drop_host_devices = true });
        has(&r, "<tpm model=\"tpm-crb\"><backend type=\"emulator\" version=\"2.0\"/></tpm>");
}

Test(domain_rewrite, the_serial_console_is_logged)
{
        const char *text =
                DEVICES("<serial type='pty'><target port='0'/></serial><console type='pty'><target "
                        "type='serial' port='0'/></console>"
                        "<console type='pty'><target type='virtio' port='1'/></console>");
        _cleanup_result_ struct result r =
                run(text, &(struct rewrite){ .serial_log = "/run/orch/s.log" });
        has(&r, "<serial type=\"pty\"><target port=\"0\"/><log file=\"/run/orch/s.log\" "
                "append=\"on\"/></serial>");
        has_not(&r, "type=\"serial\"");
        has(&r, "type=\"virtio\"");
        _cleanup_result_ struct result s =
                run(DEVICES(""), &(struct rewrite){ .serial_log = "/s.log" });
        has(&s, "<serial type=\"pty\"><log file=\"/s.log\" append=\"on\"/></serial>");
}

Test(domain_needs, what_the_host_must_have)
{
        const char *text = DOMAIN("<os><loader>/usr/OVMF_CODE.fd</loader><kernel>/boot/k</kernel></"
                                  "os><devices><emulator>/usr/bin/"
                                  "qemu</emulator>" NICS NICS DRIVES
                                  "<tpm><backend type='emulator'/></tpm></devices>");
        _cleanup_domain_needs_ struct domain_needs needs = { 0 };
        cr_assert_eq(domain_needs_read(text, strlen(text), &needs, NULL), 0);
        _cleanup_free_ char *networks = strv_join(needs.networks, ",");
        _cleanup_free_ char *bridges = strv_join(needs.bridges, ",");
        _cleanup_free_ char *interfaces = strv_join(needs.interfaces, ",");
        _cleanup_free_ char *files = strv_join(needs.files, ",");
        _cleanup_free_ char *targets = strv_join(needs.media_targets, ",");
        _cleanup_free_ char *media = strv_join(needs.media, ",");
        cr_assert_str_eq(networks, "default");
        cr_assert_str_eq(bridges, "br0");
        cr_assert_str_eq(interfaces, "eno1");
        cr_assert_str_eq(files, "/usr/OVMF_CODE.fd,/boot/k,/usr/bin/qemu");
        cr_assert_str_eq(targets, "sda,fda");
        cr_assert_str_eq(media, "/iso/a.iso,/dev/fd0");
        cr_assert_str_eq(needs.tpm_version, "2.0");
}
