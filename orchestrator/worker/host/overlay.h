/* An overlay file of orch on a hypervisor, and the markers beside it that tell what reality alone
 * can't: `<overlay>.pivoting`, made before a pivot, is a symbolic link to the identity of the QEMU
 * that is about to do it (a link, because a full file system still takes one, and that is where it
 * matters most); `<overlay>.committed`, made once the commit was witnessed, allows the file's
 * removal. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "transports/hypervisor.h"

struct overlay_facts {
        bool exists;
        bool committed; /* its commit was witnessed */
        bool pivoting;  /* a pivot may have been done */
        bool same_qemu; /* by the QEMU that runs the domain now */
};

/* Looks at an overlay, its markers, and the domain's QEMU. */
int overlay_look(struct hypervisor *host, const char *uuid, const char *overlay,
                 struct overlay_facts *ret, struct error **err) _must_check_;
/* Durable when it returns. */
int overlay_mark_pivoting(struct hypervisor *host, const char *uuid, const char *overlay,
                          struct error **err) _must_check_;
/* Marks it committed, then removes it and its markers. Only after the commit was witnessed.
 * Harmless when it is gone already. */
int overlay_remove(struct hypervisor *host, const char *overlay, struct error **err) _must_check_;
/* What lies under an overlay, as its own header says. The caller frees both. ERROR_CORRUPT when it
 * lies on nothing with a path. */
int overlay_ask_base(struct hypervisor *host, const char *overlay, char **ret_base,
                     char **ret_format, struct error **err) _must_check_;
/* Whether it holds nothing of its own, not one cluster: then all that was ever written is in what
 * it lies on. False for one that is being written to, or that cannot be read. */
int overlay_is_unwritten(struct hypervisor *host, const char *overlay, bool *ret,
                         struct error **err) _must_check_;
