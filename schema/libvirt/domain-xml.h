/* Reads and makes libvirt XML: domains, snapshots. libxml2 is only used in this folder, without
 * network access or entities, and with a limit on the size of the input. Documents followed:
 * libvirt's formatdomain and formatsnapshot. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum disk_device { DISK_DEVICE_DISK, DISK_DEVICE_CDROM, DISK_DEVICE_FLOPPY, DISK_DEVICE_LUN };
enum disk_source {
        DISK_SOURCE_FILE,
        DISK_SOURCE_BLOCK,
        DISK_SOURCE_NETWORK,
        DISK_SOURCE_VOLUME,
        DISK_SOURCE_OTHER,
        DISK_SOURCE_NONE
};

/* One layer below the top of a disk, from the top down. Only in live XML (or if the inactive XML
 * lists the chain). */
struct disk_layer {
        char *path;   /* NULL for a source without a path */
        char *format; /* "qcow2", "raw", … */
};

struct domain_disk {
        char *target; /* "vda": unique in a domain */
        char *bus;    /* "virtio", … */
        enum disk_device device;
        enum disk_source source;
        /* the type in the XML: "file", "block", "network", "volume", "vhostuser", … */
        char *source_type;
        /* of a file or block source; NULL if it has none (an empty CD-ROM, a network disk) */
        char *path;
        char *format; /* driver type; NULL: not given */
        bool readonly;
        bool shareable;
        bool transient;
        /* by libvirt: the key is a secret of the hypervisor and not part of a point */
        bool encrypted;
        struct disk_layer *backing; /* backingStore elements, nearest first */
        size_t n_backing;
        bool has_mirror; /* a <mirror>: a block copy or commit job is running on it */
        /* where that job writes to; NULL if it is neither a file nor a block device */
        char *mirror_path;
};

struct domain_xml {
        char *name;
        char *uuid; /* lower case, with dashes */
        char *machine;
        char *arch;
        char *virt_type; /* "kvm", "qemu" */
        struct domain_disk *disks;
        size_t n_disks;
        char *nvram;          /* path of the NVRAM file; NULL: none */
        char *nvram_template; /* or NULL */
        char *loader;         /* or NULL */
        bool has_tpm_emulator;
        /* the folder of its state if the XML names one; NULL: libvirt's own, by UUID */
        char *tpm_state;
        char **networks; /* the networks and bridges that its NICs use, each once */
        char **macs;     /* of its NICs, if they are fixed; NULL-terminated, may be NULL */
        /* What firmware tries, in this order: disks by target, NICs by MAC address, other devices
         * by their element. If no device has an order, the kinds of <os><boot> ("hd", "network").
         * NULL-terminated, may be NULL. */
        char **boot_order;
        /* a description of each hostdev and shared folder, which are not backed up;
         * NULL-terminated, may be NULL */
        char **host_devices;
};

/* Parses a domain's XML of at most 4 MiB. ERROR_CORRUPT if it is not XML or not a <domain>, has no
 * name or UUID, or has a disk whose target is not a safe name (it becomes part of a file's name) or
 * is also another disk's. The caller frees. */
struct domain_xml *domain_xml_parse(const char *text, size_t length,
                                    struct error **err) _must_check_;
struct domain_xml *domain_xml_free(struct domain_xml *xml);
DEFINE_FREEP(struct domain_xml, domain_xml_free)

/* The disk with that target, or NULL; xml keeps ownership. */
const struct domain_disk *domain_xml_find_disk(const struct domain_xml *xml, const char *target);

/* What a snapshot does with one disk: `overlay` NULL means snapshot='no'. */
struct snapshot_disk {
        const char *target;
        const char *overlay; /* absolute path of the overlay file to be made, qcow2 */
};

/* A <domainsnapshot> with memory 'no' and an entry for *every* disk given. The caller frees. */
char *domain_xml_make_snapshot(const char *name, const struct snapshot_disk *disks, size_t n_disks);

/* The <disk> element of `target` from a domain's XML, pointed at `path` with `format`, and without
 * any <backingStore> and <mirror>: for virDomainUpdateDeviceFlags(CONFIG). Everything else about
 * the disk (address, serial, boot order, driver options, iotune) is kept. The type of the disk
 * (block or file) is the one that the chain in the XML gives for that path; if it gives none, a
 * path below /dev/ is a block device. NULL and ERROR_CORRUPT if there is no such disk. The caller
 * frees. */
char *domain_xml_disk_repointed(const char *text, size_t length, const char *target,
                                const char *path, const char *format,
                                struct error **err) _must_check_;

/* The name of a <domainsnapshot>, for messages; NULL if the text is not one. The caller frees. */
char *domain_snapshot_xml_name(const char *text, size_t length);
