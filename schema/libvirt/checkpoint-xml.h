/* XML for chains of increments: a checkpoint's and a backup job's. Documents followed: libvirt's
 * formatcheckpoint and formatbackup. The same rules as for schema/libvirt/domain-xml.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct checkpoint_disk {
        const char *target;
        bool bitmap; /* what is written to it is noted from the checkpoint on */
        /* where a backup job writes to, a qcow2 file; NULL: it is not part of the job */
        const char *scratch;
        const char *since; /* name of the checkpoint since which; NULL: all of it */
};

/* A <domaincheckpoint> with an entry for *every* disk given: libvirt would take a list for the
 * whole. The caller frees. */
char *checkpoint_xml_make(const char *name, const struct checkpoint_disk *disks, size_t n_disks);
/* A <domainbackup mode='push'>. The caller frees. */
char *backup_xml_make(const struct checkpoint_disk *disks, size_t n_disks);

/* The bytes written since a checkpoint, of all its disks, from virDomainCheckpointGetXMLDesc(SIZE).
 * ERROR_CORRUPT when the text is not such a description. */
int checkpoint_xml_size(const char *text, size_t length, uint64_t *ret_bytes,
                        struct error **err) _must_check_;
