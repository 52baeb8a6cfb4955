/* The XML of a saved domain made into that of another one: what a restore and a test-restore
 * define. Nothing is changed that was not requested, except what cannot stay valid beside a request
 * (described below). Everything that is removed, or that ties the domain to its old host, is
 * reported, never dropped silently. The same rules as for schema/libvirt/domain-xml.h: at most 4
 * MiB, no network, no entities. Document followed: libvirt's formatdomain, up to 11.x. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum rewrite_network {
        REWRITE_NETWORK_KEEP, /* NICs as they are */
        /* no NIC at all, including those that are a device of the host or that QEMU's own arguments
         * make */
        REWRITE_NETWORK_NONE,
        REWRITE_NETWORK_MAP, /* NICs are moved to other networks: see `map` */
};

/* "OLD=NEW": NICs of network, bridge or host interface OLD are moved to the libvirt network NEW;
 * OLD NULL: all NICs that no other entry names. A NIC that no entry names stays where it was. */
struct rewrite_network_map {
        const char *from;
        const char *to;
};

/* A layer below the top of a disk. */
struct rewrite_layer {
        const char *path;   /* absolute */
        const char *format; /* "qcow2", "raw" */
};

struct rewrite_disk {
        const char *target;
        const char *path;   /* absolute; below /dev/: a block device, else a file */
        const char *format; /* "qcow2", "raw" */
        /* The layers that back it, from the top down; none: libvirt determines them. All layers
         * must be given, because the last one is declared to have no backing file: libvirt then
         * probes no further, and labels nothing that is not named here. */
        const struct rewrite_layer *backing;
        size_t n_backing;
        /* <seclabel relabel='no'/> for every security model on all layers: nothing may chown or
         * relabel them. The disk itself has no such label, because it is the domain's own: under
         * SELinux a QEMU can only write to files that libvirt has labelled for it. */
        bool no_label;
};

struct rewrite {
        const char *name; /* NULL: kept */
        /* NULL: kept; "": removed, and libvirt makes one. With another UUID it is another machine:
         * fixed names of its taps are removed, its vsock gets a new number, and the SMBIOS UUID
         * follows. */
        const char *uuid;
        /* The original may still exist: <mac> is removed, so that libvirt makes new addresses, and
         * so are fixed ports and paths of consoles, channels and screens. */
        bool new_macs;
        enum rewrite_network network;
        const struct rewrite_network_map *map;
        size_t n_map;
        /* The disks that stay; all others are removed and reported. CD-ROM and floppy drives
         * stay. */
        const struct rewrite_disk *disks;
        size_t n_disks;
        /* NULL-terminated targets of further disks, which stay unchanged; NULL: none */
        const char *const *keep;
        /* NULL-terminated targets of drives whose image is removed; NULL: none */
        const char *const *eject;
        bool eject_all;
        /* path of the NVRAM file; NULL: no path, so that libvirt makes a file and the firmware
         * starts with empty state */
        const char *nvram;
        /* For a test domain: host devices, shared folders and memory, passed-through input and
         * TPMs, QEMU's own arguments, channels and consoles to paths or ports of the host, and
         * fixed ports of screens. */
        bool drop_host_devices;
        const char *
                /* NULL: none; else the output of the first serial console, which is made if there
                 * is none, is also written to this file on the host */
                serial_log;
};

/* The new XML, or NULL: ERROR_CORRUPT if the text is not a domain or lacks a disk that `rewrite`
 * names. A <genid>, from which a guest detects that it was rolled back, is always generated anew; a
 * fixed folder of TPM state is left to libvirt (/var/lib/libvirt/swtpm/<UUID>). *ret_notes
 * (NULL-terminated, the caller frees; may be NULL if there are none) names everything that was
 * removed, and everything that stayed and binds the domain to its old host: host devices, a CPU
 * that only this host has, pinning, CD-ROM images, bridges. The caller frees. */
char *domain_rewrite(const char *text, size_t length, const struct rewrite *rewrite,
                     char ***ret_notes, struct error **err) _must_check_;

/* What a definition needs from the host that is to run it. Each list is NULL-terminated and may be
 * NULL, and has no duplicates. */
struct domain_needs {
        char **networks;      /* libvirt's */
        char **bridges;       /* of the host */
        char **interfaces;    /* of the host, for macvtap */
        char **files;         /* firmware, kernel and initrd of a direct boot, the emulator */
        char **media_targets; /* drives with an image in them, and */
        char **media;         /* their images, in the same order */
        char *tpm_version;    /* of an emulated TPM, "2.0"; NULL: none */
};

/* ERROR_CORRUPT if the text is not a domain. */
int domain_needs_read(const char *text, size_t length, struct domain_needs *ret,
                      struct error **err) _must_check_;
void domain_needs_done(struct domain_needs *needs);
#define _cleanup_domain_needs_ _cleanup_(domain_needs_done)
