/* Published points on the share: finding, reading, removing. The share is authoritative; the
 * catalog is an index of it. */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "repository/repository.h"
#include "schema/records/metadata.h"

#define POINT_METADATA_NAME "backup-metadata.json"
#define POINT_STATE_NAME "state.json"
/* The folder with the evidence of test-restores. Its files are not part of the point and have no
 * checksums. */
#define POINT_PROOF_FOLDER "proof"

/* One published folder. `problem` is NULL or describes what is wrong with it; `state.damaged` is
 * true then. The metadata cannot be read or belong to another point (`metadata` is NULL in these
 * cases), a disk is missing or has another length, or state.json cannot be read (the point then
 * counts as held, so that retention removes nothing that a user wanted to keep). `uncertain`: the
 * share or a newer orch may be the cause, and the point may be intact; nothing may be removed
 * because of it. */
struct point {
        char *hypervisor;
        char *vm;
        char *name;
        char *path; /* relative to the repository */
        struct metadata *metadata;
        struct point_state state;
        char *problem;
        bool uncertain;
};

struct point_list {
        struct point *items; /* newest first by metadata `started` */
        size_t count;
};
void point_list_done(struct point_list *list);
/* The start of the backup in epoch seconds; taken from the folder's name when the metadata cannot
 * be read. */
int64_t point_started(const struct point *point);
#define _cleanup_point_list_ _cleanup_(point_list_done)

/* All points of one VM in one hypervisor's folder; an empty list when there are none. */
int points_scan_vm(struct repository *repository, const char *hypervisor, const char *vm,
                   struct point_list *ret, struct error **err) _must_check_;
/* All points of one VM in the folders of all hypervisors. */
int points_scan_named(struct repository *repository, const char *vm, struct point_list *ret,
                      struct error **err) _must_check_;
/* The names of VMs that have points, sorted, each once: NULL-terminated, freed by the caller
 * (strv_free()); NULL: none. */
int points_list_vms(struct repository *repository, char ***ret, struct error **err) _must_check_;
/* All points of the share. Names that start with a dot, `metadata`, and folders that are not points
 * are skipped. */
int points_scan_all(struct repository *repository, struct point_list *ret,
                    struct error **err) _must_check_;

/* Removes one point: it is renamed to ".removing-<name>" first, then deleted. Leftover
 * ".removing-*" folders of that VM are deleted too. A missing point is no error. ERROR_BUSY while a
 * lease covers it, or a point that needs it (repository/leases.h). */
int points_remove(struct repository *repository, const char *hypervisor, const char *vm,
                  const char *name, struct error **err) _must_check_;

/* Reads one point by its path relative to the repository: a list of one, or an empty list when it
 * does not exist. */
int points_read(struct repository *repository, const char *path, struct point_list *ret,
                struct error **err) _must_check_;

/* Replaces state.json of a point durably; `path` is relative to the repository. */
int points_write_state(struct repository *repository, const char *path,
                       const struct point_state *state, struct error **err) _must_check_;
/* Reads state.json, calls `change`, and writes the result, under a lock that excludes all other
 * processes and hosts in this repository: so a verification cannot undo a hold that was set
 * meanwhile. A state.json that cannot be parsed counts as held, as in a scan. One of a newer orch,
 * or one that the share cannot deliver, is an error and stays unchanged. *ret (may be NULL) is the
 * written state, owned by the caller. ERROR_BUSY when others keep the lock for 10 s. */
int points_change_state(struct repository *repository, const char *path,
                        void (*change)(struct point_state *state, void *data), void *data,
                        struct point_state *ret, struct error **err) _must_check_;

/* Writes one file of a test-restore's evidence into the point's folder proof and replaces an older
 * one; `data` NULL: it only removes the file. */
int points_write_proof(struct repository *repository, const char *path, const char *name,
                       const void *data, size_t length, struct error **err) _must_check_;

/* Reads checksums.sha256 of a point and hashes every file. ERROR_CORRUPT names the first bad file
 * and its problem; a file that the metadata lists and the checksums do not is bad too. */
int points_verify_checksums(struct repository *repository, const char *path,
                            struct error **err) _must_check_;

/* SHA-256 over the stat data of a point's files (`path` is relative to the repository), in
 * lower-case hex, which the caller frees. As long as it equals the one in state.json, no file has
 * changed since the point was verified. NULL with an error when it cannot be computed. */
char *points_stat_digest(struct repository *repository, const char *path,
                         struct error **err) _must_check_;

/* How much of a point points_verify() reads. The second and the third together are the first. */
enum points_depth {
        POINTS_WHOLE,
        /* all but the content of the disks; their headers and structure are checked */
        POINTS_BUT_DISKS,
        POINTS_DISKS_ONLY, /* the content of the disks against its checksums, and nothing else */
};

struct staging_progress;
/* Verifies a whole point: every checksum, the metadata, the XML against them, `qemu-img check` of
 * each image, and its parent (it exists, is older, is not damaged, has the same disk sizes).
 * Parents are not read themselves: verify the oldest point first. `list` holds all points of its
 * VM, as scanned. *ret_damage gets one sentence for each problem, and is empty when the point is
 * intact (strv_free()). Returns -1 when the check could not be completed: ERROR_CANCELLED, or a
 * failure of the share or of a tool. *ret_bytes, always set, is the number of bytes read. */
int points_verify(struct repository *repository, const struct point *point,
                  const struct point_list *list, enum points_depth depth,
                  const struct staging_progress *progress, uint64_t *ret_bytes, char ***ret_damage,
                  struct error **err) _must_check_;

/* Finds the point that `wanted` selects: a name, a unique prefix of one, "latest" or NULL for the
 * newest that is not damaged. The list is sorted newest first and may hold points of other VMs.
 * NULL and ERROR_CONFIG when no point matches. The list keeps ownership. */
const struct point *points_choose(const struct point_list *list, const char *vm, const char *wanted,
                                  struct error **err) _must_check_;

/* The point of that name in the same folder as another one (same VM, same hypervisor), as a parent
 * is. NULL when the list has none. The list keeps ownership. */
const struct point *points_find_beside(const struct point_list *list, const struct point *sibling,
                                       const char *name);

/* Reads one file of a point: `path` is the point's, relative to the repository; `name` is relative
 * to the point. The result is NUL-terminated; the caller frees. ERROR_CORRUPT when it is larger
 * than `max_bytes` or not a regular file; the error's errnum is ENOENT when it does not exist. */
char *points_read_file(struct repository *repository, const char *path, const char *name,
                       size_t max_bytes, size_t *ret_length, struct error **err) _must_check_;

/* The records in metadata/failed/ of jobs that made no point. Folders that cannot be read, or that
 * hold the record of another job, are left out. */
struct failure_list {
        struct metadata **items; /* by job */
        size_t count;
};
int points_scan_failures(struct repository *repository, struct failure_list *ret,
                         struct error **err) _must_check_;
void failure_list_done(struct failure_list *list);
#define _cleanup_failure_list_ _cleanup_(failure_list_done)

/* Records a job that made no point: metadata/failed/<job>/ gets `metadata` as backup-metadata.json
 * and `log` as backup.log. Records older than 90 days are removed. */
int points_record_failure(struct repository *repository, const char *job,
                          const struct metadata *metadata, const char *log, int64_t now,
                          struct error **err) _must_check_;
