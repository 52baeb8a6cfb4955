/* What the files that read domains share. */
#pragma once

#include <libxml/tree.h>

#include "schema/libvirt/domain-xml.h"

/* The path in a <source> of a disk, a mirror or a backing store of that type: file= of a file, dev=
 * of a block device, else NULL. The caller frees. */
char *domain_source_path(const xmlNode *source, const char *type);

/* Fills in the disks from <devices>. ERROR_CORRUPT; the disks that were read before the error are
 * in `xml`, for domain_xml_free(). */
int domain_read_disks(const xmlNode *devices, struct domain_xml *xml,
                      struct error **err) _must_check_;

/* Fills in the other devices: networks, host devices, TPM. */
void domain_read_other_devices(const xmlNode *devices, struct domain_xml *xml);
void domain_read_boot_order(const xmlNode *os, const xmlNode *devices, struct domain_xml *xml);
