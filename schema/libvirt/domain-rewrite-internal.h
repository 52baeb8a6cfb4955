/* What the files of a rewrite share. Each handles one kind of element of the tree, and notes what
 * it removed and what binds to the host. */
#pragma once

#include <libxml/tree.h>

#include "schema/libvirt/domain-rewrite.h"

struct rewriting {
        const struct rewrite *wanted;
        xmlNode *domain;
        xmlNode *devices; /* NULL where there is none */
        char **notes;
        bool new_machine; /* it gets another UUID */
};

/* Disks and drives. ERROR_CORRUPT if a requested one does not exist. */
int rewrite_disks(struct rewriting *rewriting, struct error **err) _must_check_;
/* NICs. */
void rewrite_networks(struct rewriting *rewriting);
/* Firmware, consoles, and everything else that depends on the old host. */
void rewrite_firmware(struct rewriting *rewriting);
void rewrite_consoles(struct rewriting *rewriting);
void rewrite_host_ties(struct rewriting *rewriting);
