/* What the files of a rewrite share: each takes one kind of element of the tree and notes what it
 * removed, or what binds to the host. */
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

/* Disks and drives. ERROR_CORRUPT when one that is wanted is not there. */
int rewrite_disks(struct rewriting *rewriting, struct error **err) _must_check_;
/* NICs. */
void rewrite_networks(struct rewriting *rewriting);
/* Firmware, consoles, and all that is of the old host. */
void rewrite_firmware(struct rewriting *rewriting);
void rewrite_consoles(struct rewriting *rewriting);
void rewrite_host_ties(struct rewriting *rewriting);
