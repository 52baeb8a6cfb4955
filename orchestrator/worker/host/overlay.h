/* An overlay file of orch on a hypervisor, and the markers beside it that record what cannot be
 * observed later. `<overlay>.pivoting`, made before a pivot, is a symbolic link to the identity of
 * the QEMU that is about to pivot. It is a link because a full file system, where it matters most,
 * can still store one. `<overlay>.committed`, made once the commit was witnessed, allows the file's
 * removal. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "transports/hypervisor.h"

struct overlay_facts {
        bool exists;
        bool committed; /* its commit was witnessed */
        bool pivoting;  /* a pivot may have happened */
        bool same_qemu; /* by the QEMU that runs the domain now */
};

/* Reads the state of an overlay, its markers, and the domain's QEMU. */
int overlay_look(struct hypervisor *host, const char *uuid, const char *overlay,
                 struct overlay_facts *ret, struct error **err) _must_check_;
/* The marker is durable on return. */
int overlay_mark_pivoting(struct hypervisor *host, const char *uuid, const char *overlay,
                          struct error **err) _must_check_;
/* Marks the overlay committed, then removes it and its markers. Only call this after the commit was
 * witnessed. Does nothing if the overlay is gone. */
int overlay_remove(struct hypervisor *host, const char *overlay, struct error **err) _must_check_;
/* The backing file of an overlay, from the overlay's own header. The caller frees both.
 * ERROR_CORRUPT if it has no backing file with a path. */
int overlay_ask_base(struct hypervisor *host, const char *overlay, char **ret_base,
                     char **ret_format, struct error **err) _must_check_;
/* Whether the overlay has no data of its own, not one cluster; then everything that was ever
 * written is in its backing file. False for an overlay that is being written to, or that cannot be
 * read. */
int overlay_is_unwritten(struct hypervisor *host, const char *overlay, bool *ret,
                         struct error **err) _must_check_;
