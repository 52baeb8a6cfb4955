/* The XML of a saved domain made into that of another one: what a restore and a test-restore define. Nothing that is not asked for is
 * changed; what cannot work on the new host is told, never dropped in silence. The same rules as for schema/domain-xml.h: at most 4 MiB,
 * no network, no entities. Document followed: libvirt's formatdomain. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum rewrite_network {
        REWRITE_NETWORK_KEEP, /* NICs as they are */
        REWRITE_NETWORK_NONE, /* no NIC at all */
        REWRITE_NETWORK_MAP,  /* each NIC goes to another network: see `map` */
};

/* "OLD=NEW": NICs of network or bridge OLD go to the libvirt network NEW; OLD NULL: all NICs that no other entry names. */
struct rewrite_network_map {
        const char *from;
        const char *to;
};

struct rewrite_disk {
        const char *target;
        const char *path;   /* absolute */
        const char *format; /* "qcow2", "raw" */
        const char *
                backing; /* NULL: none; else the path of a read-only backing file, spelt out with backing_format and no relabelling */
        const char *backing_format;
        bool no_label; /* <seclabel model='dac'/'selinux' relabel='no'/> on the source: nothing may chown or relabel it */
};

struct rewrite {
        const char *name; /* NULL: kept */
        const char *uuid; /* NULL: kept; "" : left out, libvirt makes one */
        bool new_macs;    /* <mac> dropped: libvirt makes new ones */
        enum rewrite_network network;
        const struct rewrite_network_map *map;
        size_t n_map;
        const struct rewrite_disk
                *disks; /* the disks that stay; every other disk is removed and told, empty CD-ROMs stay as they are */
        size_t n_disks;
        const char *nvram;      /* path of the NVRAM file; NULL: the element is dropped, so that firmware starts afresh */
        bool drop_host_devices; /* hostdev, shared folders, channels and consoles to host paths or ports: for a test domain */
        const char *serial_log; /* NULL: none; else the first serial console is also written to this file on the host */
};

/* The new XML, or NULL: ERROR_CORRUPT when the text is no domain or lacks a disk that `rewrite` names. *ret_notes (NULL-terminated, the
 * caller frees; may be NULL when there is nothing) names each thing that was removed, and each that stayed and ties the domain to its
 * old host: host devices, CPU of the host alone, CD-ROM images, bridges. The caller frees. */
char *domain_rewrite(const char *text, size_t length, const struct rewrite *rewrite, char ***ret_notes,
                     struct error **err) _must_check_;
