/* One recovery of one VM: what its parts share (recover.c has their order). Each part looks at
 * reality, tells what it finds, puts right what is ours unless `dry_run`, and remembers the first
 * problem without keeping the others from their work. */
#pragma once

#include "base/error.h"
#include "worker/host/deadman.h"
#include "worker/vm/vm-job.h"

struct recovery {
        struct vm_job *job;
        bool dry_run;
        char *short_uuid; /* of the repository: what carries it is ours */
        /* borrows all but its disks: those on our overlays, for commit_all() */
        struct vm_job leftover;
        char **jobs; /* interrupted jobs of ours that had to do with this VM */
        struct deadman_traces deadmen;
        bool thaw_waits;         /* the guest is paused: to be thawed once it runs */
        struct domain_xml *live; /* of a VM that is off: NULL */
        struct domain_xml *inactive;
        size_t repaired; /* what was, or in a dry run would be, put right */
        struct error *problem;
};

/* Frees what the recovery owns; `recovery` itself is the caller's. */
void recovery_done(struct recovery *recovery);
/* Tells what is being put right: a warning; in a dry run a line with "would: " in front. Counts
 * it. */
void recovery_says(struct recovery *recovery, const char *format, ...) _printf_(2, 3);
/* Takes over `error`: the first one is the recovery's, later ones are warnings. NULL is fine. */
void recovery_fails(struct recovery *recovery, struct error *error);

/* Both XMLs, the disks on our overlays, foreign ones told. */
int recover_read_disks(struct recovery *recovery, struct error **err) _must_check_;
/* Commits the overlays that are in use. */
void recover_overlays(struct recovery *recovery);
/* Overlay files that no disk uses: removed where they were seen committed or hold nothing that
 * their base has not; else kept and told. */
void recover_orphans(struct recovery *recovery);

/* Removes test domains of this VM that interrupted jobs left on its home, with `kept_too` also
 * those that were to stay; *ret_count: how many were, or in a dry run would be. */
int recover_tests(struct vm_job *job, bool kept_too, size_t *ret_count,
                  struct error **err) _must_check_;

/* Copies and commands of our interrupted jobs that still run there. */
void recover_units(struct recovery *recovery);
/* The power state that an interrupted job changed. */
void recover_power(struct recovery *recovery);
/* A backup job, scratch files and checkpoints of interrupted increments. */
void recover_chain(struct recovery *recovery);
/* Dead-men and the freezes that they stand for. */
int recover_find_freezes(struct recovery *recovery, struct error **err) _must_check_;
void recover_freezes(struct recovery *recovery);
/* The same for freezes on hypervisors that the VM has left. After recover_freezes(). */
void recover_moved_freezes(struct recovery *recovery);
/* Thaws the guest when it says frozen, and tells it. */
int recover_thaw(struct recovery *recovery, struct error **err) _must_check_;

/* For a recovery: puts the power state back that an interrupted job of this repository changed.
 * `dry_run` only tells. *ret_text is what was (or would be) put right, NULL: nothing; the caller
 * frees. ERROR_BUSY while a guest may still be about to shut down. */
int recover_power_intents(struct vm_job *job, const char *short_uuid, bool dry_run, char **ret_text,
                          struct error **err) _must_check_;

/* For a recovery: ends the backup job of an interrupted increment, removes its scratch files and
 * the checkpoints of jobs that made no point. `says` gets each of them in words; `dry_run` changes
 * nothing. */
int recover_chain_traces(struct vm_job *job, const char *short_uuid, bool dry_run,
                         void (*says)(void *data, const char *text), void *data,
                         struct error **err) _must_check_;
