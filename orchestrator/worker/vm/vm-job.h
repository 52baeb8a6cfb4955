/* One job on one VM: the state that a backup, a recovery, a restore and a test-restore have in
 * common, and that the functions of worker/vm use. Each of those jobs embeds one as its first
 * member, so that an undo entry can take a pointer to either. */
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
        /* the source's path as recorded before the snapshot; it is copied, and the commit goes into
         * it */
        char *base;
        char *format; /* of base */
        bool is_block;
        char **chain; /* base and what backs it, top first */
        char *overlay;
        char *file; /* in the restore point's folder */
        uint64_t virtual_bytes;
        uint64_t allocated_bytes;
        bool committed; /* the pivot was witnessed in live and inactive XML */
        /* For an increment only: */
        char *scratch; /* the file on the hypervisor that QEMU writes it to; NULL: none is made */
        char *parent_file; /* in the parent's folder; NULL: this disk is backed up completely */
};

/* Fields are owned and freed by vm_job_done(), unless marked as borrowed. */
struct vm_job {
        const struct job_request *request; /* borrowed, as are the next four */
        const struct settings *settings;
        const struct inventory *inventory;
        const struct inventory_vm *vm; /* NULL: it is not in the inventory */
        struct report *report;
        struct undo_stack undo;
        int64_t begun_ms; /* on the monotonic clock */

        struct repository *repository;
        char *home;              /* name of the VM's home hypervisor: the folder on the share */
        struct hypervisor *host; /* where it was found, or where it is being made */
        const struct inventory_hypervisor *host_entry; /* borrowed */
        const char *host_repository; /* the share as that host sees it; borrowed */
        char *tag;                   /* worker/job/names.h */

        char *uuid;
        struct domain_info info;
        bool running;     /* at present, as far as it is known */
        bool was_running; /* when it was located: the state that its owner wants */
        char *live_xml;   /* before the snapshot; inactive XML of a VM that is off */
        struct domain_xml *live;
        /* hypervisors that it has left and that have traces of freezes by jobs of ours; NULL:
         * none */
        char **traces_elsewhere;
        struct vm_disk *disks;
        size_t n_disks;

        enum vm_method method; /* in force after a fallback */
        struct deadman deadman;
        bool snapshot_taken;
        bool shutdown_sent;           /* the guest was asked to power off (worker/vm/power.h) */
        struct deadline reconnect_by; /* of vm_job_ensure_connection(); at_ms 0: not waiting yet */
        struct metadata *metadata;    /* of the point that the job makes */
        char *point;                  /* name of the folder that was published; NULL: none yet */
};

/* Frees what a disk owns. */
void vm_disk_done(struct vm_disk *disk);
/* Frees what the job owns. */
void vm_job_done(struct vm_job *job);
/* The longest time, in seconds, that the guest may be frozen or paused: the VM's setting, else the
 * global one. */
unsigned vm_job_thaw_deadline_seconds(const struct vm_job *job);
/* The wall-clock time, but never before the job's start: if the clock was set back meanwhile, the
 * start time plus the job's duration. */
int64_t vm_job_end_time(const struct vm_job *job);

/* Locates the VM on the hypervisors of the inventory; fills in `host`, `uuid`, `info` and the
 * fields that depend on them. */
int vm_job_locate(struct vm_job *job, struct error **err) _must_check_;
/* The steps of a backup that only need the VM: its pre-backup commands, and moving it back to its
 * own disks. */
int vm_job_pre_commands(struct vm_job *job, struct error **err) _must_check_;
int vm_job_commit(struct vm_job *job, struct error **err) _must_check_;

/* Thaws until the guest reports `thawed`, even on a hypervisor that it was migrated to meanwhile.
 * Also 0 if the guest is shut off, because its next start begins thawed. ERROR_BUSY if it is in a
 * saved image. An agent that does not answer for more than 20 s is left to the watchdog timer,
 * because the VM's disks may be waiting to be committed. */
int vm_job_thaw(struct vm_job *job, struct error **err) _must_check_;

/* Sets ERROR_BUSY: the guest, which may be frozen, is in a saved image. Returns -1. */
int vm_job_refuse_saved(const struct vm_job *job, struct error **err);

/* The undo of a freeze: thaws the guest, and disarms the watchdog timer once `thawed` was seen.
 * `data` is the job. */
int vm_job_undo_freeze(void *data, struct error **err) _must_check_;

/* A connection to the hypervisor of the inventory, other than job->host, that runs the VM now.
 * NULL: none of those that can be reached runs it. The caller frees it. */
struct hypervisor *vm_job_find_moved(struct vm_job *job);

/* Runs the post-backup commands, whatever the outcome of the job. They receive its verdict ("ok",
 * "failed", "cancelled") and the reason (NULL: none). Failures are warnings; -1 with the first
 * error of a command whose on_error is `fail`. */
int vm_job_post_commands(struct vm_job *job, const char *verdict, const struct error *failure,
                         struct error **err) _must_check_;

/* The same in a recovery, for a job whose worker did not get to run them; the verdict is
 * "interrupted". */
void vm_job_post_commands_of_interrupted(struct vm_job *job, const char *id);

/* Runs one test command of a test-restore, whose guest is the job's `uuid` and `info.name`.
 * ERROR_REFUSED if it ended with a status other than 0. */
int vm_job_run_test_command(struct vm_job *job, const struct vm_command *command,
                            struct error **err) _must_check_;

/* Reads the live XML again into *ret. */
int vm_job_read_xml(struct vm_job *job, bool inactive, struct domain_xml **ret,
                    struct error **err) _must_check_;

/* Ensures a working connection, for undoing and after long operations: queries the domain, and
 * reconnects if that fails. All the undoing of a job may wait two minutes in total for its
 * hypervisor, so that a host that is gone for good does not delay the next VM; a recovery does the
 * rest later. */
int vm_job_ensure_connection(struct vm_job *job, struct error **err) _must_check_;
