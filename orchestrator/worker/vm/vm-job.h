/* One job on one VM: what a backup, a recovery, a restore and a test-restore have in common, and
 * what the functions of worker/vm work on. Each of those jobs embeds one as its first member, so
 * that an undo entry may take either. */
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "repository/repository.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/libvirt/domain-xml.h"
#include "schema/records/messages.h"
#include "schema/records/metadata.h"
#include "transports/hypervisor.h"
#include "worker/host/deadman.h"
#include "worker/job/report.h"
#include "worker/job/undo.h"

/* One disk that a job works on. */
struct vm_disk {
        char *target;
        char *bus;
        /* the source's path as recorded before the snapshot: what is copied, and what the commit
         * goes into */
        char *base;
        char *format; /* of base */
        bool is_block;
        char **chain; /* base and what backs it, top first */
        char *overlay;
        char *file; /* in the restore point's folder */
        uint64_t virtual_bytes;
        uint64_t allocated_bytes;
        bool committed; /* the pivot was witnessed in live and inactive XML */
        /* Of an increment: */
        char *scratch;     /* where QEMU writes it on the hypervisor; NULL: none is made */
        char *parent_file; /* in the parent's folder; NULL: all of this disk is written */
};

/* What is not said to be borrowed is owned, and freed by vm_job_done(). */
struct vm_job {
        const struct job_request *request; /* borrowed, as the next four */
        const struct settings *settings;
        const struct inventory *inventory;
        const struct inventory_vm *vm; /* NULL: the inventory does not have it */
        struct report *report;
        struct undo_stack undo;
        int64_t begun_ms; /* on the monotonic clock */

        struct repository *repository;
        char *home;              /* name of the VM's home hypervisor: the folder on the share */
        struct hypervisor *host; /* where it was found, or where it is made */
        const struct inventory_hypervisor *host_entry; /* borrowed */
        const char *host_repository; /* the share as that host sees it; borrowed */
        char *tag;                   /* worker/job/names.h */

        char *uuid;
        struct domain_info info;
        bool running;     /* now, as far as it is known */
        bool was_running; /* when it was found: what its owner wants */
        char *live_xml;   /* before the snapshot; inactive XML of a VM that is off */
        struct domain_xml *live;
        /* hypervisors that it has left, with traces of freezes by jobs of ours; NULL: none */
        char **traces_elsewhere;
        struct vm_disk *disks;
        size_t n_disks;

        enum vm_method method; /* in force after a fallback */
        struct deadman deadman;
        bool snapshot_taken;
        bool shutdown_sent;           /* the guest was asked to power off (worker/vm/power.h) */
        struct deadline reconnect_by; /* of vm_job_ensure_connection(); at_ms 0: not waiting yet */
        struct metadata *metadata;    /* of what the job makes */
        char *point;                  /* name of the folder that was published; NULL: none yet */
};

/* Frees what a disk owns. */
void vm_disk_done(struct vm_disk *disk);
/* Frees what the job owns. */
void vm_job_done(struct vm_job *job);
/* How long the guest may stand still, the VM's or the settings', in seconds. */
unsigned vm_job_thaw_deadline_seconds(const struct vm_job *job);
/* The wall clock, but not before the job's start: where it was set back meanwhile, the start and
 * what the job took. */
int64_t vm_job_end_time(const struct vm_job *job);

/* Finds the VM on the hypervisors of the inventory; fills in `host`, `uuid`, `info` and what
 * follows from them. */
int vm_job_locate(struct vm_job *job, struct error **err) _must_check_;
/* The steps of a backup that need nothing but the VM: its pre-backup commands, and bringing it back
 * to its own disks. */
int vm_job_pre_commands(struct vm_job *job, struct error **err) _must_check_;
int vm_job_commit(struct vm_job *job, struct error **err) _must_check_;

/* Thaws until the guest says `thawed`, on the hypervisor that it was moved to meanwhile, too. 0
 * also when it is off: its next start begins thawed. ERROR_BUSY when it waits in a saved image. An
 * agent that is mute for longer than 20 s is left to the dead-man, because disks may be waiting to
 * be put back. */
int vm_job_thaw(struct vm_job *job, struct error **err) _must_check_;

/* ERROR_BUSY: its guest, perhaps frozen, waits in a saved image. Returns -1. */
int vm_job_refuse_saved(const struct vm_job *job, struct error **err);

/* The undo of a freeze: thaw, and disarm once that was seen. `data` is the job. */
int vm_job_undo_freeze(void *data, struct error **err) _must_check_;

/* A connection to another hypervisor of the inventory than job->host that runs the VM now; NULL:
 * none that can be asked does. The caller frees it. */
struct hypervisor *vm_job_find_moved(struct vm_job *job);

/* Run whatever happened, and told the verdict ("ok", "failed", "cancelled") and its reason (NULL:
 * none). Failures are warnings; -1 with the first one of a command whose on_error is `fail`. */
int vm_job_post_commands(struct vm_job *job, const char *verdict, const struct error *failure,
                         struct error **err) _must_check_;

/* The same for a job whose worker did not come to them, told "interrupted"; by a recovery. */
void vm_job_post_commands_of_interrupted(struct vm_job *job, const char *id);

/* One test command of a test-restore, whose guest is the job's `uuid` and `info.name`.
 * ERROR_REFUSED when it ended with another status than 0. */
int vm_job_run_test_command(struct vm_job *job, const struct vm_command *command,
                            struct error **err) _must_check_;

/* Reads the live XML again into *ret. */
int vm_job_read_xml(struct vm_job *job, bool inactive, struct domain_xml **ret,
                    struct error **err) _must_check_;

/* A connection that works, for undoing, and after what has taken long: asks for the domain, and
 * reconnects when that fails. All the undoing of a job has two minutes to wait for its hypervisor
 * together, so that a host that is gone for good does not hold up the next VM; recovery then does
 * the rest. */
int vm_job_ensure_connection(struct vm_job *job, struct error **err) _must_check_;
