/* backup-metadata.json ("format": 1, schema/backup-metadata.schema.json) and state.json: what is
 * known of a restore point.
 *
 * The metadata is written once, before the point is published, and is covered by the checksums.
 * state.json holds what is learnt later and is not. Both are read back strictly: wrong types and
 * missing required fields are ERROR_CORRUPT, a newer major format is ERROR_REFUSED, fields that are
 * not known are kept out but tolerated. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct metadata_disk {
        char *target;
        char *file;          /* in the point's folder: "prod-db-01-vda.qcow2" */
        char *source_path;   /* on the hypervisor */
        char *source_format; /* "qcow2", "raw" */
        char *source_type;   /* "file", "block" */
        char *bus;
        char *backing_file; /* the relative backing path of an increment; NULL for a full */
        char *sha256;       /* lower-case hex */
        uint64_t virtual_bytes;
        uint64_t stored_bytes;    /* length of the file in the point */
        uint64_t allocated_bytes; /* what the source took up on the hypervisor */
};

struct metadata_excluded_disk {
        char *target;
        char *reason;
};

/* What became of a file of an appliance's configuration since the point before. */
enum config_change { CONFIG_FIRST, CONFIG_UNCHANGED, CONFIG_CHANGED };

struct metadata_config {
        char *file; /* "configs/running-config.txt" */
        uint64_t stored_bytes;
        enum config_change change;
        uint64_t lines_added;
        uint64_t lines_removed;
};

enum check_phase { CHECK_BEFORE, CHECK_AFTER };
enum check_verdict { CHECK_PASS, CHECK_WARN, CHECK_FAIL, CHECK_SKIP };

struct metadata_check {
        enum check_phase phase;
        char *name; /* "vm-running", … */
        enum check_verdict verdict;
        char *measured; /* "312.4 GiB free, 50.0 GiB needed"; never NULL */
};

struct metadata {
        int format; /* 1 */
        char *orch_version;
        char *repository_uuid;
        char *vm;
        char *domain;
        char *uuid;
        char *hypervisor; /* home in the inventory */
        char *ran_on;     /* where it was found */
        char *point;      /* folder name */
        char *job;
        char *trigger;     /* "cycle", "adhoc" */
        char *method;      /* asked for */
        char *method_used; /* after a fallback */
        char *level;       /* "full", … as achieved */
        char *parent;      /* point name or NULL */
        char *consistency; /* "filesystem", "crash", "offline" */
        int64_t started;   /* epoch seconds, UTC */
        int64_t finished;
        int64_t snapshot_at;         /* the snapshot time */
        int64_t freeze_milliseconds; /* 0: not frozen */
        char *compression;
        char *machine;
        char *arch;
        char *libvirt_version;
        char *qemu_version;
        char *host_kernel; /* may be NULL */
        char **networks;
        /* As in schema/libvirt/domain-xml.h; NULL in older points, too. */
        char **boot_order;
        char *nvram_file; /* in the point's folder, or NULL */
        char *nvram_path; /* where it lies on the hypervisor, or NULL */
        char *tpm_folder; /* or NULL */
        bool autostart;   /* it started with its host: no part of the XML */
        struct metadata_disk *disks;
        size_t n_disks;
        struct metadata_excluded_disk *excluded;
        size_t n_excluded;
        struct metadata_config *configs; /* of an appliance */
        size_t n_configs;
        char *configs_compared_with; /* the point that `change` speaks of; or NULL */
        char *configs_diff;          /* "configs/changes.diff"; NULL: nothing changed */
        struct metadata_check *checks;
        size_t n_checks;
        char **warnings;
        char *error;      /* NULL in a published point; set in metadata/failed/<job>/ */
        char *error_kind; /* of a job that failed: "timeout", …; may be NULL */
        char *status;     /* "ok", "failed", "cancelled" */
};

struct metadata *metadata_new(void);
struct metadata *metadata_free(struct metadata *metadata);
DEFINE_FREEP(struct metadata, metadata_free)

struct metadata_disk *metadata_add_disk(struct metadata *metadata);
void metadata_add_excluded(struct metadata *metadata, const char *target, const char *reason);
void metadata_add_check(struct metadata *metadata, enum check_phase phase, const char *name,
                        enum check_verdict verdict, const char *measured);
struct metadata_config *metadata_add_config(struct metadata *metadata);
/* NULL: there is none of that name. */
const struct metadata_config *metadata_find_config(const struct metadata *metadata,
                                                   const char *file);
uint64_t metadata_virtual_bytes(const struct metadata *metadata);
uint64_t metadata_stored_bytes(const struct metadata *metadata); /* of disks and configurations */

/* The JSON text, indented, ends with a newline; the caller frees. */
char *metadata_format(const struct metadata *metadata);
/* Reads it back. The caller frees. */
struct metadata *metadata_parse(const char *text, size_t length, struct error **err) _must_check_;

const char *check_verdict_name(enum check_verdict verdict); /* "pass", "warn", "fail", "skip" */
const char *check_phase_name(enum check_phase phase);       /* "before", "after" */

/* state.json. Times are epoch seconds; 0: never. A missing file is a state of all zeros. */
struct point_state {
        bool held;
        char *held_reason; /* or NULL */
        int64_t verified;  /* last time that verification passed */
        /* points_stat_digest() when the point was last read back whole; or NULL */
        char *stat_digest;
        int64_t proven; /* when it was seen booting; 0 again once it did not */
        bool damaged;
        char *damage; /* what is wrong; or NULL */
        /* The last test-restore that came to a verdict; proof_at 0: none has. */
        int64_t proof_at;
        char *proof; /* "booted", "tests-failed", "not-bootable" */
        char *proof_reason;
        char *proof_job;
        int64_t boot_milliseconds; /* from the start to the first sign that it was up */
        char **proof_evidence;     /* what was seen, strongest first */
};

char *point_state_format(const struct point_state *state);
/* The same as an object; a new reference. */
json_t *point_state_to_json(const struct point_state *state);
int point_state_from_json(json_t *json, struct point_state *ret, struct error **err) _must_check_;
int point_state_parse(const char *text, size_t length, struct point_state *ret,
                      struct error **err) _must_check_;
void point_state_done(struct point_state *state);
#define _cleanup_point_state_ _cleanup_(point_state_done)
