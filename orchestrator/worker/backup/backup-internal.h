/* One backup in progress: what its steps share. Steps are functions over this struct, each in the
 * file of its object (locate, checks-before, capture, copy, commit, finish); backup.c has their
 * order. */
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "repository/repository.h"
#include "repository/staging.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/libvirt/domain-xml.h"
#include "schema/records/messages.h"
#include "schema/records/metadata.h"
#include "transports/hypervisor.h"
#include "worker/host/deadman.h"
#include "worker/job/report.h"
#include "worker/job/undo.h"

/* One disk that goes into the point. */
struct backup_disk {
        char *target;
        char *bus;
        /* the source's path as recorded before the snapshot: what is copied, and what the commit
         * goes into */
        char *base;
        char *format; /* of base */
        bool is_block;
        char **chain; /* base and what backs it, top first */
        char *overlay;
        char *file; /* in the point's folder */
        uint64_t virtual_bytes;
        uint64_t allocated_bytes;
        bool committed; /* the pivot was witnessed in live and inactive XML */
        /* Of an increment: */
        char *scratch;     /* where QEMU writes it on the hypervisor; NULL: none is made */
        char *parent_file; /* in the parent's folder; NULL: all of this disk is written */
};

struct backup {
        const struct job_request *request;
        const struct settings *settings;
        const struct inventory *inventory;
        const struct inventory_vm *vm;
        struct report *report;
        struct undo_stack undo;
        int64_t begun_ms; /* on the monotonic clock */

        struct repository *repository;
        struct staging *staging;
        char *home;              /* name of the VM's home hypervisor: the folder on the share */
        struct hypervisor *host; /* where it was found */
        const struct inventory_hypervisor *host_entry;
        const char *host_repository; /* the share as that host sees it */
        char *staging_on_host;       /* the staging folder as that host sees it */
        char *tag;                   /* worker/job/names.h */

        char *uuid;
        struct domain_info info;
        bool running;     /* now, as far as it is known */
        bool was_running; /* when it was found: what its owner wants */
        char *live_xml;   /* before the snapshot; inactive XML of a VM that is off */
        /* hypervisors that it has left, with traces of freezes by jobs of ours; NULL: none */
        char **traces_elsewhere;
        struct domain_xml *live;
        struct backup_disk *disks;
        size_t n_disks;
        char **not_snapshotted; /* targets of all other disks: snapshot='no' */

        enum vm_method method;    /* in force after a fallback */
        enum vm_level level;      /* that is made (worker/backup/chain.h) */
        char *parent;             /* name of the point that an increment builds on */
        char *since;              /* and its checkpoint */
        bool keeps_chain;         /* a checkpoint is made for the next increment */
        uint64_t estimated_bytes; /* of an increment */
        struct deadman deadman;
        bool snapshot_taken;
        bool shutdown_sent;           /* the guest was asked to power off (worker/vm/power.h) */
        bool skipped;                 /* when_off: skip */
        struct deadline reconnect_by; /* of backup_ensure_connection(); at_ms 0: not waiting yet */
        struct metadata *metadata;
        char *point; /* published folder's name */
        bool published;
};

/* The steps, in order. Each returns 0, or -1 with an error; what it changed is on the undo
 * stack. */
int backup_locate(struct backup *backup, struct error **err) _must_check_;
int backup_repair(struct backup *backup, struct error **err) _must_check_;
int backup_plan_disks(struct backup *backup, struct error **err) _must_check_;
int backup_check_before(struct backup *backup, struct error **err) _must_check_;
int backup_stage(struct backup *backup, struct error **err) _must_check_;
int backup_pre_commands(struct backup *backup, struct error **err) _must_check_;
int backup_check_appliance(struct backup *backup, struct error **err) _must_check_;
int backup_capture_configs(struct backup *backup, struct error **err) _must_check_;
int backup_capture(struct backup *backup, struct error **err) _must_check_;
int backup_copy(struct backup *backup, struct error **err) _must_check_;
int backup_commit(struct backup *backup, struct error **err) _must_check_;
int backup_save_configuration(struct backup *backup, struct error **err) _must_check_;
int backup_verify(struct backup *backup, struct error **err) _must_check_;
int backup_publish(struct backup *backup, struct error **err) _must_check_;
int backup_prune(struct backup *backup, struct error **err) _must_check_;

/* How long the guest may stand still, the VM's or the settings'. */
unsigned backup_thaw_deadline_seconds(const struct backup *backup);
/* The wall clock, but not before the job's start: where it was set back meanwhile, the start and
 * what the job took. */
int64_t backup_end_time(const struct backup *backup);

/* Frees what a disk owns. */
void backup_disk_done(struct backup_disk *disk);

/* Frees what the backup owns. */
void backup_done(struct backup *backup);

/* Takes off the dead-man where that failed after the thaw. */
int backup_disarm(struct backup *backup, struct error **err) _must_check_;

/* Thaws until the guest says `thawed`, on the hypervisor that it was moved to meanwhile, too. 0
 * also when it is off: its next start begins thawed. ERROR_BUSY when it waits in a saved image. An
 * agent that is mute for longer than 20 s is left to the dead-man, because disks may be waiting to
 * be put back. */
int backup_thaw(struct backup *backup, struct error **err) _must_check_;
/* ERROR_BUSY: its guest, perhaps frozen, waits in a saved image. Returns -1. */
int backup_refuse_saved(const struct backup *backup, struct error **err);
/* The undo of a freeze: thaw, and disarm once that was seen. `data` is the backup. */
int backup_undo_freeze(void *data, struct error **err) _must_check_;

/* A connection to another hypervisor of the inventory than backup->host that runs the VM now; NULL:
 * none that can be asked does. The caller frees it. */
struct hypervisor *backup_find_moved(struct backup *backup);

/* Run whatever happened, and told the verdict ("ok", "failed", "cancelled") and its reason (NULL:
 * none). Failures are warnings; -1 with the first one of a command whose on_error is `fail`. */
int backup_post_commands(struct backup *backup, const char *verdict, const struct error *failure,
                         struct error **err) _must_check_;

/* The same for a job whose worker did not come to them, told "interrupted"; by a recovery. */
void backup_post_commands_of_interrupted(struct backup *backup, const char *job);

/* One test command of a test-restore, whose guest is the backup's `uuid` and `info.name`.
 * ERROR_REFUSED when it ended with another status than 0. */
int backup_run_test_command(struct backup *backup, const struct vm_command *command,
                            struct error **err) _must_check_;

/* Reads the live XML again into *ret. */
int backup_read_xml(struct backup *backup, bool inactive, struct domain_xml **ret,
                    struct error **err) _must_check_;

/* A connection that works, for undoing, and after what has taken long: asks for the domain, and
 * reconnects when that fails. All the undoing of a job has two minutes to wait for its hypervisor
 * together, so that a host that is gone for good does not hold up the next VM; recovery then does
 * the rest. */
int backup_ensure_connection(struct backup *backup, struct error **err) _must_check_;
