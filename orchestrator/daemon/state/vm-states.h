/* What the daemon remembers of each VM and hypervisor between jobs: filled from the catalog's rows
 * when the share is opened, kept up to date by results. A cache: the catalog and the share are
 * right, this one answers at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "catalog/catalog.h"

struct vm_state {
        char *name;
        int64_t last_good; /* start of the newest good point; 0: none */
        char *last_good_path;
        int64_t proven; /* newest test restore of any good point that booted; 0: none */
        /* Over all its points, as the catalog had them when it was last read or asked. */
        size_t good_points;
        size_t damaged_points;
        int64_t first_good; /* start of the oldest good one; 0: none */
        /* of the good one that was published or verified longest ago; 0: none */
        int64_t known_whole;
        int64_t last_good_finished;
        uint64_t stored_bytes; /* these three of that point */
        int64_t duration_seconds;
        int64_t freeze_milliseconds;
        int64_t tried; /* when one last came to a verdict */
        bool pin_known;
        char *pin;            /* UUID, NULL: none */
        char *pin_hypervisor; /* home at the first backup; NULL: not known */
        /* The newest job that failed since the newest good point; NULL: none did. */
        char *failed_job;
        char *failed_error;
        int64_t failed_when;
};

struct hypervisor_state {
        char *name;
        bool ok;
        char *error;
        int64_t when;
};

struct vm_states {
        struct vm_state *vms;
        size_t n_vms;
        struct hypervisor_state *hypervisors;
        size_t n_hypervisors;
        char **damaged; /* "VM/POINT", newest first */
        bool loaded;    /* the catalog has been read */
};

void vm_states_done(struct vm_states *states);
/* Replaces what came from rows (newest first); pins and hypervisors stay. */
void vm_states_load(struct vm_states *states, const struct catalog_list *rows);
/* Takes in one row that was just recorded. */
void vm_states_note(struct vm_states *states, const struct catalog_entry *row);
/* A point changed or was removed; rows are those of all points of its VM (newest first). The rest
 * of what is known of the VM stays, also of points that were recorded so recently that the rows do
 * not have them. */
void vm_states_refresh_point(struct vm_states *states, const char *vm, const char *path,
                             const struct catalog_list *rows);
/* Retention removed a point. */
void vm_states_forget_point(struct vm_states *states, const char *vm, const char *point);
void vm_states_set_pin(struct vm_states *states, const char *vm, const char *uuid,
                       const char *hypervisor);
void vm_states_set_hypervisor(struct vm_states *states, const char *name, const char *error,
                              int64_t when);

/* NULL when nothing is known of it. */
const struct vm_state *vm_states_find(const struct vm_states *states, const char *vm);
const struct hypervisor_state *vm_states_find_hypervisor(const struct vm_states *states,
                                                         const char *name);
