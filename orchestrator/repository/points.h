/* Published points on the share: finding, reading, removing. Truth is here; the catalog is an index
 * of it. */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "repository/repository.h"
#include "schema/records/metadata.h"

#define POINT_METADATA_NAME "backup-metadata.json"
#define POINT_STATE_NAME "state.json"
/* What test-restores saw: a folder of files that are no part of the point and are not
 * checksummed. */
#define POINT_PROOF_FOLDER "proof"

/* One published folder. `problem` says what is wrong with it, and `state.damaged` is true then: its
 * metadata cannot be read or is that of another point (`metadata` is NULL in these cases), a disk
 * is missing or has another length, or state.json cannot be read (it counts as held then, lest
 * retention remove what somebody wanted kept). `uncertain`: that may be the share's doing, or a
 * newer orch's, and the point be whole; nothing is to be removed for it. */
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
/* When it was started; for one whose metadata cannot be read as its name says. */
int64_t point_started(const struct point *point);
#define _cleanup_point_list_ _cleanup_(point_list_done)

/* All points of one VM under one hypervisor's folder; none is an empty list. */
int points_scan_vm(struct repository *repository, const char *hypervisor, const char *vm,
                   struct point_list *ret, struct error **err) _must_check_;
/* All points of one VM, under whichever hypervisors they lie. */
int points_scan_named(struct repository *repository, const char *vm, struct point_list *ret,
                      struct error **err) _must_check_;
/* The names of VMs that have points, sorted, each once: NULL-terminated, the caller's; NULL:
 * none. */
int points_list_vms(struct repository *repository, char ***ret, struct error **err) _must_check_;
/* All points of the share. Names that start with a dot, `metadata`, and folders that are no points
 * are skipped. */
int points_scan_all(struct repository *repository, struct point_list *ret,
                    struct error **err) _must_check_;

/* Removes one: renamed out of sight (".removing-<name>") first, then deleted. Leftover
 * ".removing-*" of that VM are deleted too. One that is not there is fine. ERROR_BUSY while
 * somebody reads it or what needs it (repository/leases.h). */
int points_remove(struct repository *repository, const char *hypervisor, const char *vm,
                  const char *name, struct error **err) _must_check_;

/* One point, by its path relative to the repository: a list of one, or an empty one where there is
 * none. */
int points_read(struct repository *repository, const char *path, struct point_list *ret,
                struct error **err) _must_check_;

/* Replaces state.json of a point, given by its path relative to the repository. */
int points_write_state(struct repository *repository, const char *path,
                       const struct point_state *state, struct error **err) _must_check_;
/* Reads state.json, has `change` change it, and writes it, while no other process or host does the
 * same in this repository: so that a verification doesn't undo a hold that came meanwhile. One that
 * is nonsense counts as held, as in a scan; one of a newer orch, or that the share does not give
 * out, is an error and stays as it is. *ret (may be NULL) is what was written; the caller's.
 * ERROR_BUSY when others keep it locked for 10 s. */
int points_change_state(struct repository *repository, const char *path,
                        void (*change)(struct point_state *state, void *data), void *data,
                        struct point_state *ret, struct error **err) _must_check_;

/* Writes one file of what a test-restore saw into the point's folder proof, in place of an older
 * one; data NULL: only removes that. */
int points_write_proof(struct repository *repository, const char *path, const char *name,
                       const void *data, size_t length, struct error **err) _must_check_;

/* Re-reads checksums.sha256 of a point and hashes every file. ERROR_CORRUPT names the first bad
 * file and what is wrong with it, also one that the metadata lists and the checksums don't. */
int points_verify_checksums(struct repository *repository, const char *path,
                            struct error **err) _must_check_;

/* SHA-256 over what stat tells of a point's files (its path relative to the repository), lower-case
 * hex, which the caller frees: as long as it is the one in state.json, nobody has touched them
 * since they were read back. NULL with an error when it cannot be made. */
char *points_stat_digest(struct repository *repository, const char *path,
                         struct error **err) _must_check_;

/* How much of a point points_verify() reads. The second and third are the halves of the first. */
enum points_depth {
        POINTS_WHOLE,
        /* all but the content of the disks: their headers and structure are looked at */
        POINTS_BUT_DISKS,
        POINTS_DISKS_ONLY, /* that content against its checksums, and nothing else */
};

struct staging_progress;
/* Reads a whole point back: every checksum, the metadata, the XML against it, `qemu-img check` of
 * each image, and the parent that it builds on (there, older, not damaged, of the same sizes;
 * parents are not read themselves: verify the oldest first). `list` has all points of its VM, as
 * scanned. *ret_damage is what is wrong, a sentence each, none when the point is whole
 * (strv_free()). -1 when that could not be found out: ERROR_CANCELLED, or a share or tool that
 * failed. *ret_bytes, set always, is what was read. */
int points_verify(struct repository *repository, const struct point *point,
                  const struct point_list *list, enum points_depth depth,
                  const struct staging_progress *progress, uint64_t *ret_bytes, char ***ret_damage,
                  struct error **err) _must_check_;

/* The point that `wanted` means: a name, the unique beginning of one, "latest" or NULL for the
 * newest that is not damaged. The list is newest first and may have points of other VMs. NULL and
 * ERROR_CONFIG when there is none. Points into the list. */
const struct point *points_choose(const struct point_list *list, const char *vm, const char *wanted,
                                  struct error **err) _must_check_;

/* The point of that name beside another one: of the same VM, under the same hypervisor's folder;
 * such is a parent. NULL when the list has none. Points into the list. */
const struct point *points_find_beside(const struct point_list *list, const struct point *sibling,
                                       const char *name);

/* Reads one of a point's files: `path` is the point's, relative to the repository, `name` is
 * relative to the point. NUL-terminated, the caller frees. ERROR_CORRUPT when it is larger than
 * `max_bytes` or no regular file; the error's errnum is ENOENT when there is none. */
char *points_read_file(struct repository *repository, const char *path, const char *name,
                       size_t max_bytes, size_t *ret_length, struct error **err) _must_check_;

/* What metadata/failed/ tells of jobs that made no point. Folders that cannot be read, or tell of
 * another job, are left out. */
struct failure_list {
        struct metadata **items; /* by job */
        size_t count;
};
int points_scan_failures(struct repository *repository, struct failure_list *ret,
                         struct error **err) _must_check_;
void failure_list_done(struct failure_list *list);
#define _cleanup_failure_list_ _cleanup_(failure_list_done)

/* Folders of jobs that made no point: metadata/failed/<job>/ gets `metadata` as
 * backup-metadata.json and `log` as backup.log. Entries older than 90 days are removed. */
int points_record_failure(struct repository *repository, const char *job,
                          const struct metadata *metadata, const char *log, int64_t now,
                          struct error **err) _must_check_;
