/* What a restore is asked for beside its VM: the `options` of its job request, and of POST
 * /v1/restore. schema/restore-options.schema.json describes them. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "schema/libvirt/domain-rewrite.h"

struct restore_options {
        /* a name, a unique beginning, or "latest" (also NULL): the newest good one */
        char *point;
        char *to;   /* a hypervisor; NULL: the VM's home */
        char *name; /* of a second machine beside the original; NULL: the VM's own */
        /* "keep" | "none" | NET (every NIC) | "OLD=NEW"…; NULL: none with `name`, else keep */
        char **network;
        char **disks; /* targets; NULL: all that the point has */
        /* a folder of the hypervisor or one of its libvirt pools; NULL: where the disks were */
        char *images;
        char *format; /* "qcow2", "raw"; NULL: as they were */
        /* `export`: on the machine that runs this; no hypervisor has a part in it */
        char *export_folder;
        bool start;
        bool instant; /* run from the share at once, and pull the disks meanwhile: it is started */
        bool replace;
        /* the user declares that an original that cannot be queried no longer runs */
        bool original_gone;
        bool dry_run;
};

/* Reads the object; NULL is one without fields. ERROR_CONFIG, naming the field: a wrong type, a
 * field that is none of these, or what does not go together. *ret is untouched then.
 * restore_options_done() frees. */
int restore_options_read(json_t *json, struct restore_options *ret,
                         struct error **err) _must_check_;
/* A new reference. */
json_t *restore_options_write(const struct restore_options *options);
void restore_options_done(struct restore_options *options);
#define _cleanup_restore_options_ _cleanup_(restore_options_done)

/* What `network` means. *ret_map is the caller's to free; its texts are within *ret_texts
 * (strv_free()). */
void restore_options_network(const struct restore_options *options,
                             enum rewrite_network *ret_network,
                             struct rewrite_network_map **ret_map, size_t *ret_n_map,
                             char ***ret_texts);
