/* One backup in progress: the state that its steps share. Steps are functions over this struct,
 * each in the file of its object (locate, checks-before, capture, copy, commit, finish); backup.c
 * defines their order. */
#pragma once

#include "repository/staging.h"
#include "worker/vm/vm-job.h"

struct backup {
        struct vm_job job;
        struct staging *staging;
        char *staging_on_host;  /* the staging folder as the hypervisor sees it */
        char **not_snapshotted; /* targets of all other disks: snapshot='no' */

        enum vm_level level;      /* of this backup (worker/backup/chain.h) */
        char *parent;             /* an increment's parent point */
        char *since;              /* the parent's checkpoint */
        bool keeps_chain;         /* this backup makes a checkpoint for the next increment */
        uint64_t estimated_bytes; /* of the increment */
        bool skipped;             /* the VM is off and when_off is skip */
        bool published;
};

/* The steps, in order. Each returns 0, or -1 with an error; its changes are on the undo stack. */
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

/* Disarms the watchdog timer if that failed after the thaw. */
int backup_disarm(struct backup *backup, struct error **err) _must_check_;
