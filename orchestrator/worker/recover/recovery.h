/* One recovery of one VM: the state that its parts share (recover.c defines their order). Each part
 * inspects the actual state, reports its findings, and repairs what is ours unless `dry_run`. It
 * records the first problem, and does not keep the other parts from running. */
#pragma once

#include "base/error.h"
#include "worker/host/deadman.h"
#include "worker/vm/vm-job.h"

struct recovery {
        struct vm_job *job;
        bool dry_run;
        char *short_uuid; /* of the repository; whatever carries it is ours */
        /* borrows everything but its disks, which are those on our overlays, for commit_all() */
        struct vm_job leftover;
        char **jobs; /* interrupted jobs of ours that concern this VM */
        struct deadman_traces deadmen;
        bool thaw_waits;         /* the guest is paused and has to be thawed once it runs */
        struct domain_xml *live; /* NULL for a VM that is off */
        struct domain_xml *inactive;
        size_t repaired; /* number of repairs, in a dry run of those that would be made */
        struct error *problem;
};

/* Frees what the recovery owns; `recovery` itself is the caller's. */
void recovery_done(struct recovery *recovery);
/* Reports a repair and counts it: a warning, or in a dry run a log line that begins with "would:
 * ". */
void recovery_says(struct recovery *recovery, const char *format, ...) _printf_(2, 3);
/* Takes over `error`. The first one becomes the recovery's error, later ones are warnings. NULL is
 * ignored. */
void recovery_fails(struct recovery *recovery, struct error *error);

/* Reads both XMLs, lists the disks on our overlays, and reports foreign overlays. */
int recover_read_disks(struct recovery *recovery, struct error **err) _must_check_;
/* Commits the overlays that are in use. */
void recover_overlays(struct recovery *recovery);
/* Overlay files that no disk uses: removes those that were seen committed or hold no data that
 * their base lacks; keeps and reports the others. */
void recover_orphans(struct recovery *recovery);

/* Removes test domains of this VM that interrupted jobs left on its home, with `kept_too` also
 * those that were kept. *ret_count: the number that was removed, or in a dry run would be. */
int recover_tests(struct vm_job *job, bool kept_too, size_t *ret_count,
                  struct error **err) _must_check_;

/* Stops copies and commands of our interrupted jobs that still run on the hypervisor. */
void recover_units(struct recovery *recovery);
/* Restores the power state that an interrupted job changed. */
void recover_power(struct recovery *recovery);
/* Removes the backup job, scratch files and checkpoints of interrupted increments. */
void recover_chain(struct recovery *recovery);
/* Finds watchdog timers, and the freezes that they were armed for. */
int recover_find_freezes(struct recovery *recovery, struct error **err) _must_check_;
void recover_freezes(struct recovery *recovery);
/* The same for freezes on hypervisors that the VM has left. Call it after recover_freezes(). */
void recover_moved_freezes(struct recovery *recovery);
/* Thaws the guest if it reports frozen, and reports that. */
int recover_thaw(struct recovery *recovery, struct error **err) _must_check_;

/* For a recovery: restores the power state that an interrupted job of this repository changed. With
 * `dry_run` it only reports. *ret_text describes the repair that was (or would be) made, NULL:
 * none; the caller frees. ERROR_BUSY while a guest may still be about to shut down. */
int recover_power_intents(struct vm_job *job, const char *short_uuid, bool dry_run, char **ret_text,
                          struct error **err) _must_check_;

/* For a recovery: ends the backup job of an interrupted increment, and removes its scratch files
 * and the checkpoints of jobs that made no point. `says` is called with a description of each;
 * `dry_run` changes nothing. */
int recover_chain_traces(struct vm_job *job, const char *short_uuid, bool dry_run,
                         void (*says)(void *data, const char *text), void *data,
                         struct error **err) _must_check_;
