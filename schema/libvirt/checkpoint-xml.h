/* The XML for chains of increments: that of a checkpoint and that of a backup job. Documents
 * followed: libvirt's formatcheckpoint and formatbackup. The same rules as for
 * schema/libvirt/domain-xml.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct checkpoint_disk {
        const char *target;
        bool bitmap; /* from the checkpoint on, QEMU records which blocks are written */
        /* the qcow2 file that a backup job writes to; NULL: it is not part of the job */
        const char *scratch;
        const char *since; /* changes since this checkpoint; NULL: the whole disk */
};

/* A <domaincheckpoint> with an entry for *every* given disk, because libvirt takes the list to be
 * complete. The caller frees. */
char *checkpoint_xml_make(const char *name, const struct checkpoint_disk *disks, size_t n_disks);
/* A <domainbackup mode='push'>. The caller frees. */
char *backup_xml_make(const struct checkpoint_disk *disks, size_t n_disks);

/* The bytes written since a checkpoint, summed over all its disks, from
 * virDomainCheckpointGetXMLDesc(SIZE). ERROR_CORRUPT if the text is not such a description. */
int checkpoint_xml_size(const char *text, size_t length, uint64_t *ret_bytes,
                        struct error **err) _must_check_;
