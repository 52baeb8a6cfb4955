/* One backup in progress: what its steps share. Steps are functions over this struct, each in the
 * file of its object (locate, checks-before, capture, copy, commit, finish); backup.c has their
 * order. */
#pragma once

#include "repository/staging.h"
#include "worker/vm/vm-job.h"

struct backup {
        struct vm_job job;
        struct staging *staging;
        char *staging_on_host;  /* the staging folder as the hypervisor sees it */
        char **not_snapshotted; /* targets of all other disks: snapshot='no' */

        enum vm_level level;      /* that is made (worker/backup/chain.h) */
        char *parent;             /* name of the point that an increment builds on */
        char *since;              /* and its checkpoint */
        bool keeps_chain;         /* a checkpoint is made for the next increment */
        uint64_t estimated_bytes; /* of an increment */
        bool skipped;             /* when_off: skip */
        bool published;
};

/* The steps, in order. Each returns 0, or -1 with an error; what it changed is on the undo
 * stack. */
int backup_plan_disks(struct backup *backup, struct error **err) _must_check_;
int backup_check_before(struct backup *backup, struct error **err) _must_check_;
int backup_stage(struct backup *backup, struct error **err) _must_check_;
int backup_check_appliance(struct backup *backup, struct error **err) _must_check_;
int backup_capture_configs(struct backup *backup, struct error **err) _must_check_;
int backup_capture(struct backup *backup, struct error **err) _must_check_;
int backup_copy(struct backup *backup, struct error **err) _must_check_;
int backup_save_configuration(struct backup *backup, struct error **err) _must_check_;
int backup_verify(struct backup *backup, struct error **err) _must_check_;
int backup_publish(struct backup *backup, struct error **err) _must_check_;
int backup_prune(struct backup *backup, struct error **err) _must_check_;

/* Frees what the backup owns. */
void backup_done(struct backup *backup);

/* Takes off the dead-man where that failed after the thaw. */
int backup_disarm(struct backup *backup, struct error **err) _must_check_;
