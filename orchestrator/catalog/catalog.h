/* metadata/backup-catalog.db: an SQLite index of points and jobs (schema/catalog.sql).
 * journal_mode=DELETE, synchronous=EXTRA, mmap_size=0, locking_mode=EXCLUSIVE: safe on NFS with one
 * writer. Blocking: only the catalog thread (daemon/share/share.h) and standalone verbs call it.
 * Never open()+close() the file elsewhere in the process: that would drop SQLite's locks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "repository/points.h"
#include "schema/records/metadata.h"

struct catalog;

/* Opens or creates the database (and its folder, not those above). A corrupt file is set aside
 * (renamed with ".corrupt-<time>", its journal with it) and a new one is created;
 * *ret_rebuild_needed is then true, as for any new file. ERROR_REFUSED for a newer schema,
 * ERROR_BUSY while another process has it open. *ret_rebuild_needed stays true, also over restarts,
 * until catalog_reconcile() has succeeded once. The caller frees. */
struct catalog *catalog_open(const char *path, bool *ret_rebuild_needed,
                             struct error **err) _must_check_;
struct catalog *catalog_free(struct catalog *catalog);
/* The path to which catalog_open() renamed a corrupt file; NULL: the file was not corrupt. The
 * catalog keeps ownership. */
const char *catalog_set_aside(const struct catalog *catalog);
DEFINE_FREEP(struct catalog, catalog_free)

/* One row of `orch list`: a point, or (`failed`, `cancelled`) a job that made none. */
struct catalog_entry {
        char *vm;
        char *hypervisor;
        char *point;  /* NULL for a failed job */
        char *job;    /* NULL for a point whose metadata cannot be read */
        char *status; /* "ok", "failed", "cancelled", "damaged" */
        char *level;
        char *method;
        char *consistency;
        char *path;
        char *uuid; /* of the VM */
        uint64_t virtual_bytes;
        uint64_t stored_bytes;
        int64_t started;
        int64_t finished;
        int64_t duration_seconds;
        int64_t freeze_milliseconds;
        char *parent;
        bool held;
        int64_t verified;
        int64_t proven;
        int64_t proof_at; /* these five as in struct point_state */
        char *proof;
        char *proof_reason;
        int64_t boot_milliseconds;
        char **proof_evidence;
        char **warnings;
        char *error;
        char *error_kind; /* of a failed job */
};
struct catalog_list {
        struct catalog_entry *items; /* newest first */
        size_t count;
};
void catalog_list_done(struct catalog_list *list);
#define _cleanup_catalog_list_ _cleanup_(catalog_list_done)

/* Records the end of a job: a published point (status ok) or a failure. Replaces rows of the same
 * job and of the same path. Failures that are 90 days older than this entry are removed, as on the
 * share. */
int catalog_record(struct catalog *catalog, const struct catalog_entry *entry,
                   struct error **err) _must_check_;
/* Makes the entry of a point on the share: its names come from its path, and its status is
 * "damaged" when its metadata cannot be read or its state marks it so. The method is the one
 * actually used. `path` is NULL for a job that made no point. The caller frees with
 * catalog_entry_done(). */
void catalog_entry_from_point(const struct point *point, struct catalog_entry *ret);
void catalog_entry_from_metadata(const struct metadata *metadata, const char *path,
                                 struct catalog_entry *ret);
/* A copy with texts of its own; the caller frees it with catalog_entry_done(). */
void catalog_entry_copy(const struct catalog_entry *from, struct catalog_entry *ret);
void catalog_entry_done(struct catalog_entry *entry);
#define _cleanup_catalog_entry_ _cleanup_(catalog_entry_done)

/* Updates the row of a point from the share, or adds it. */
int catalog_put_point(struct catalog *catalog, const struct point *point,
                      struct error **err) _must_check_;
int catalog_remove_point(struct catalog *catalog, const char *path,
                         struct error **err) _must_check_;
/* Lists the entries of `vm` (NULL: of all), with `failed` also the jobs that made no point.
 * catalog_list_done() frees. */
int catalog_list(struct catalog *catalog, const char *vm, bool failed, struct catalog_list *ret,
                 struct error **err) _must_check_;

/* Reads the pinned UUID of a VM; *ret_uuid is NULL when there is none. ret_hypervisor may be NULL.
 * The caller frees. */
int catalog_get_pin(struct catalog *catalog, const char *vm, char **ret_uuid, char **ret_hypervisor,
                    struct error **err) _must_check_;
int catalog_set_pin(struct catalog *catalog, const char *vm, const char *uuid,
                    const char *hypervisor, struct error **err) _must_check_;

/* Makes the index of points agree with the share: it removes rows of points that no longer exist,
 * adds points without a row, and corrects rows that differ from the share (held, verified, damaged
 * …). It counts what it added and removed. Jobs without a point stay. VMs without a pin then get
 * one from their newest good point. All of this is one transaction. */
int catalog_reconcile(struct catalog *catalog, const struct point_list *points, size_t *ret_added,
                      size_t *ret_removed, struct error **err) _must_check_;
/* Restores what a lost catalog held beside the points: it adds, and counts, the jobs that made no
 * point and have no row, in one transaction. */
int catalog_add_failures(struct catalog *catalog, const struct failure_list *failures,
                         size_t *ret_added, struct error **err) _must_check_;
/* A consistent copy by VACUUM INTO, durable. ERROR_REFUSED when a file of that name exists. */
int catalog_backup(struct catalog *catalog, const char *path, struct error **err) _must_check_;

/* The JSON array of `orch list --json`, newest first: the fields of the struct, and what follows
 * from them. The caller frees. */
char *catalog_list_to_json(const struct catalog_list *list);
