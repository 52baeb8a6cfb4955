/* What binds a domain to its old host: firmware files, consoles on paths and ports, devices,
 * processor, memory, QEMU's own arguments. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "schema/libvirt/domain-rewrite-internal.h"
#include "schema/libvirt/domain-xml.h"
#include "schema/libvirt/xml-document.h"

#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

void rewrite_firmware(struct rewriting *rewriting)
{
        xmlNode *nvram = xml_child(xml_child(rewriting->domain, "os"), "nvram");
        if (!nvram)
                return;
        _cleanup_free_ char *template = xml_attribute(nvram, "template");
        xml_drop_attribute(nvram, "type");
        xml_set_text(nvram, rewriting->wanted->nvram ? rewriting->wanted->nvram : "");
        if (!rewriting->wanted->nvram && !template)
                xml_drop(nvram);
}

/* Whether a character device has a fixed path or port on the host. libvirt chooses the path of a
 * unix socket that has none. */
static bool is_at_a_place(const xmlNode *device)
{
        static const char *const places[] = { "path", "host", "service", "channel" };
        for (const xmlNode *source = xml_child(device, "source"); source;
             source = xml_next(source, "source"))
                for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
                        _cleanup_free_ char *place = xml_attribute(source, places[i]);
                        _cleanup_free_ char *type = xml_attribute(device, "type");
                        if (place && !streq(type, "pty"))
                                return true;
                }
        return false;
}

static void becomes_pty(xmlNode *device)
{
        xml_drop_children(device, "source");
        xml_drop_children(device, "protocol");
        xml_set_attribute(device, "type", "pty");
}

/* libvirt chooses the path of a unix socket that has none, and the guest finds the channel as
 * before. */
static void leave_place(struct rewriting *rewriting, xmlNode *device, const char *kind)
{
        bool is_channel = streq(kind, "channel");
        _cleanup_free_ char *type = xml_attribute(device, "type");
        if (is_channel && streq(type, "unix") && !rewriting->wanted->drop_host_devices) {
                xml_drop_attribute(xml_child(device, "source"), "path");
        } else if (is_channel) {
                strv_add(&rewriting->notes,
                         "a channel to a fixed path or port of the host was left out");
                xml_drop(device);
                return;
        } else {
                becomes_pty(device);
        }
        strv_addf(&rewriting->notes, "a %s was taken off a fixed path or port of the host", kind);
}

/* The original may still use these: QEMU would take a socket over from it, and would not start if a
 * port is in use. */
static bool must_leave(const struct rewriting *rewriting)
{
        return rewriting->wanted->drop_host_devices || rewriting->wanted->new_macs;
}

/* virtlogd lets only one machine at a time use a file, and truncates it unless the machine
 * appends. */
static void leave_log(struct rewriting *rewriting, xmlNode *device, const char *kind)
{
        _cleanup_free_ char *file = xml_attribute(xml_child(device, "log"), "file");
        if (file)
                strv_addf(&rewriting->notes, "a %s is not written to %s of the host any more", kind,
                          file);
        xml_drop_children(device, "log");
}

static void rewrite_character_devices(struct rewriting *rewriting, const char *kind)
{
        xmlNode *next = NULL;
        for (xmlNode *device = xml_child(rewriting->devices, kind); device; device = next) {
                next = xml_next(device, kind);
                if (must_leave(rewriting))
                        leave_log(rewriting, device, kind);
                if (is_at_a_place(device) && must_leave(rewriting))
                        leave_place(rewriting, device, kind);
                else if (is_at_a_place(device))
                        strv_addf(&rewriting->notes, "a %s is at a fixed path or port of the host",
                                  kind);
        }
}

/* libvirt itself adds the identical <console> that belongs to a serial port. */
static void log_serial(struct rewriting *rewriting, const char *path)
{
        xmlNode *serial = xml_child(rewriting->devices, "serial");
        xmlNode *next = NULL;
        for (xmlNode *console = xml_child(rewriting->devices, "console"); console; console = next) {
                next = xml_next(console, "console");
                _cleanup_free_ char *type = xml_attribute(xml_child(console, "target"), "type");
                if (!type || streq(type, "serial"))
                        xml_drop(console);
        }
        if (!serial) {
                serial = xml_add_child(rewriting->devices, "serial");
                xml_set_attribute(serial, "type", "pty");
        }
        xml_drop_children(serial, "log");
        xmlNode *log = xml_add_child(serial, "log");
        xml_set_attribute(log, "file", path);
        xml_set_attribute(log, "append", "on");
}

/* libvirt makes a socket of its own. The other ports may be fixed even if the first one is not. */
static void leave_socket_and_further_ports(struct rewriting *rewriting, xmlNode *screen)
{
        static const char *const further[] = { "tlsPort", "websocket" };
        for (size_t i = 0; i < ARRAY_LENGTH(further); i++) {
                _cleanup_free_ char *port = xml_attribute(screen, further[i]);
                if (!port || streq(port, "-1"))
                        continue;
                xml_drop_attribute(screen, further[i]);
                strv_addf(&rewriting->notes, "a screen was taken off the fixed %s %s", further[i],
                          port);
        }
        xml_drop_attribute(screen, "socket");
        for (xmlNode *listen = xml_child(screen, "listen"); listen;
             listen = xml_next(listen, "listen"))
                xml_drop_attribute(listen, "socket");
}

static void rewrite_screens(struct rewriting *rewriting)
{
        bool leave = must_leave(rewriting);
        for (xmlNode *screen = xml_child(rewriting->devices, "graphics"); screen;
             screen = xml_next(screen, "graphics")) {
                _cleanup_free_ char *automatic = xml_attribute(screen, "autoport");
                _cleanup_free_ char *port = xml_attribute(screen, "port");
                _cleanup_free_ char *type = xml_attribute(screen, "type");
                if (leave)
                        leave_socket_and_further_ports(rewriting, screen);
                if (!port || streq(port, "-1") || streq(automatic, "yes"))
                        continue;
                strv_addf(&rewriting->notes, "its %s screen %s the fixed port %s", type ? type : "",
                          leave ? "was taken off" : "has", port);
                if (!leave)
                        continue;
                xml_drop_attribute(screen, "port");
                xml_set_attribute(screen, "autoport", "yes");
        }
}

void rewrite_consoles(struct rewriting *rewriting)
{
        static const char *const kinds[] = { "serial", "parallel", "console", "channel" };
        for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
                rewrite_character_devices(rewriting, kinds[i]);
        if (rewriting->devices && rewriting->wanted->serial_log)
                log_serial(rewriting, rewriting->wanted->serial_log);
        rewrite_screens(rewriting);
}

/* The terms of schema/libvirt/domain-xml.h for host devices and shared folders. */
static void note_host_devices(struct rewriting *rewriting)
{
        _cleanup_free_ char *text = xml_write(rewriting->domain->doc, rewriting->domain);
        _cleanup_(domain_xml_freep) struct domain_xml *xml =
                domain_xml_parse(text, strlen(text), NULL);
        for (size_t i = 0; xml && xml->host_devices && xml->host_devices[i]; i++)
                strv_addf(&rewriting->notes, "%s %s", xml->host_devices[i],
                          rewriting->wanted->drop_host_devices
                                  ? "was left out"
                                  : "of the old host must be on this one too");
}

static bool attribute_has_word(const xmlNode *node, const char *attribute, const char *word)
{
        _cleanup_free_ char *value = xml_attribute(node, attribute);
        return streq(value, word);
}

/* A description of a device of the host that note_host_devices() does not name; NULL: not such a
 * device. */
static const char *other_tie(const xmlNode *device)
{
        const char *name = (const char *)device->name;
        if (streq(name, "shmem"))
                return "shared memory";
        if (streq(name, "lease"))
                return "a lease of the host's lock manager";
        if (streq(name, "redirdev"))
                return "USB redirection";
        if (streq(name, "input") && (attribute_has_word(device, "type", "passthrough") ||
                                     attribute_has_word(device, "type", "evdev")))
                return "an input device of the host";
        if (streq(name, "smartcard") && !attribute_has_word(device, "mode", "passthrough"))
                return "a smartcard of the host";
        if (streq(name, "tpm") &&
            !attribute_has_word(xml_child(device, "backend"), "type", "emulator"))
                return "a TPM of the host";
        if (streq(name, "memory") && xml_child(xml_child(device, "source"), "path"))
                return "memory in a file of the host";
        if (streq(name, "pstore"))
                return "a store for crash records in a file of the host";
        return NULL;
}

static bool is_host_device(const xmlNode *device)
{
        const char *name = (const char *)device->name;
        return streq(name, "hostdev") || streq(name, "filesystem") ||
               (streq(name, "interface") && attribute_has_word(device, "type", "hostdev"));
}

static void rewrite_devices(struct rewriting *rewriting)
{
        bool drop = rewriting->wanted->drop_host_devices;
        note_host_devices(rewriting);
        xmlNode *next = NULL;
        for (xmlNode *device = rewriting->devices ? rewriting->devices->children : NULL; device;
             device = next) {
                next = device->next;
                if (device->type != XML_ELEMENT_NODE || device->ns)
                        continue;
                const char *tie = other_tie(device);
                if (tie)
                        strv_addf(&rewriting->notes, "%s %s", tie,
                                  drop ? "was left out" : "is asked for");
                if (drop && (tie || is_host_device(device)))
                        xml_drop(device);
        }
}

/* libvirt keeps TPM state under the domain's UUID; a folder that the XML names stays with the
 * original. */
static void rewrite_tpm(struct rewriting *rewriting)
{
        for (xmlNode *tpm = xml_child(rewriting->devices, "tpm"); tpm; tpm = xml_next(tpm, "tpm")) {
                xmlNode *backend = xml_child(tpm, "backend");
                if (!attribute_has_word(backend, "type", "emulator"))
                        continue;
                xml_drop_children(backend, "source");
                if (xml_child(backend, "encryption"))
                        strv_add(&rewriting->notes, "the TPM's state is encrypted with a libvirt "
                                                    "secret that this host must have too");
        }
}

static void rewrite_vsock(struct rewriting *rewriting)
{
        xmlNode *cid = xml_child(xml_child(rewriting->devices, "vsock"), "cid");
        if (!cid || !(rewriting->new_machine || rewriting->wanted->drop_host_devices))
                return;
        xml_set_attribute(cid, "auto", "yes");
        xml_drop_attribute(cid, "address");
}

static void note_processor(struct rewriting *rewriting)
{
        _cleanup_free_ char *mode = xml_attribute(xml_child(rewriting->domain, "cpu"), "mode");
        _cleanup_free_ char *set = xml_attribute(xml_child(rewriting->domain, "vcpu"), "cpuset");
        if (streq(mode, "host-passthrough") || streq(mode, "host-model") || streq(mode, "maximum"))
                strv_addf(&rewriting->notes,
                          "its processor is the host's (%s): the guest sees another one where this "
                          "host has another",
                          mode);
        if (set || xml_child(xml_child(rewriting->domain, "cputune"), "vcpupin") ||
            xml_child(xml_child(rewriting->domain, "numatune"), "memory"))
                strv_add(&rewriting->notes,
                         "it is pinned to processors or memory nodes of the old host");
}

static void note_memory(struct rewriting *rewriting)
{
        if (xml_child(xml_child(rewriting->domain, "memoryBacking"), "hugepages"))
                strv_add(&rewriting->notes,
                         "its memory is huge pages, of which this host must have enough");
        if (xml_child(rewriting->domain, "launchSecurity"))
                strv_add(&rewriting->notes,
                         "it asks for encrypted memory of the old host's processor");
}

static void note_labels(struct rewriting *rewriting)
{
        for (xmlNode *label = xml_child(rewriting->domain, "seclabel"); label;
             label = xml_next(label, "seclabel")) {
                _cleanup_free_ char *model = xml_attribute(label, "model");
                if (attribute_has_word(label, "type", "static"))
                        strv_addf(&rewriting->notes,
                                  "it has a fixed %s label, which must make sense on this host",
                                  model ? model : "security");
        }
}

static void rewrite_arguments(struct rewriting *rewriting)
{
        bool drop = rewriting->wanted->drop_host_devices ||
                    rewriting->wanted->network == REWRITE_NETWORK_NONE;
        xmlNode *next = NULL;
        for (xmlNode *node = rewriting->domain->children; node; node = next) {
                next = node->next;
                if (node->type != XML_ELEMENT_NODE || !node->ns ||
                    !streq((const char *)node->ns->href, QEMU_NAMESPACE))
                        continue;
                if (!streq((const char *)node->name, "commandline") &&
                    !streq((const char *)node->name, "override"))
                        continue;
                strv_addf(&rewriting->notes,
                          drop ? "qemu:%s, arguments for QEMU itself, was left out"
                               : "qemu:%s has arguments for QEMU itself that may mean the old host",
                          (const char *)node->name);
                if (drop)
                        xml_drop(node);
        }
}

void rewrite_host_ties(struct rewriting *rewriting)
{
        rewrite_devices(rewriting);
        rewrite_tpm(rewriting);
        rewrite_vsock(rewriting);
        note_processor(rewriting);
        note_memory(rewriting);
        note_labels(rewriting);
        rewrite_arguments(rewriting);
}
