/* One restore in progress: the state that its steps share. Steps are functions over this struct,
 * each in the file of its object; restore.c defines their order. Every change to a hypervisor is
 * written to the journal first, and restore_roll_back() undoes it from the journal alone, after a
 * failure, a cancel or a crash. */
#pragma once

#include "base/error.h"
#include "repository/leases.h"
#include "repository/points.h"
#include "repository/repository.h"
#include "repository/restores.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/libvirt/domain-rewrite.h"
#include "schema/libvirt/domain-xml.h"
#include "schema/records/messages.h"
#include "schema/records/restore-options.h"
#include "transports/hypervisor.h"
#include "worker/job/report.h"
#include "worker/job/undo.h"
#include "worker/vm/vm-job.h"

enum { RESTORE_COMMAND_MS = 120 * 1000, RESTORE_KEEP_DAYS = 7 };

/* What the hypervisors of the inventory say about the machine that the point shows. */
enum original_state {
        ORIGINAL_GONE,    /* no hypervisor has it */
        ORIGINAL_PRESENT, /* one hypervisor has it, running or shut off */
        ORIGINAL_UNKNOWN, /* no hypervisor that answers has it, but some do not answer */
};

/* One disk of the restored point. */
struct restore_disk {
        const struct metadata_disk *saved;
        char *image;  /* as the hypervisor sees it */
        char *format; /* of the new disk */
        char *temporary;
        char *path;
        /* instant only: the images that back it, as the hypervisor sees them, nearest first */
        char **layers;
        char *replaced; /* the original's file that is set aside; NULL: none */
        uint64_t needed_bytes;
};

/* Firmware state: a file (NVRAM) or a folder (TPM). */
struct restore_firmware {
        const char *what; /* "NVRAM"; NULL: the point has none */
        char *saved;      /* as the hypervisor sees it */
        char *temporary;
        char *path;
        bool replaces; /* path exists: its content is set aside */
};

struct restore {
        /* `host` and `host_entry` are the target, `uuid` is the new domain's; the fields for disks,
         * freezing and power are unused */
        struct vm_job job;
        struct restore_options options;

        struct point_list points; /* of the VM */
        const struct point *point;
        const struct metadata *metadata; /* of the point */
        char **chain;                    /* names: the point, then its parents */
        struct lease *lease;
        /* the disks' checksums, verified beside the copy; NULL: verified before */
        struct restore_reading *reading;
        char *xml_text; /* as saved */
        struct domain_xml *xml;

        enum original_state original;
        /* by another machine, after the original was removed */
        bool addresses_taken;
        /* ORIGINAL_UNKNOWN only: the hypervisor that does not answer */
        char *unknown_because;
        const struct inventory_hypervisor *original_entry; /* ORIGINAL_PRESENT only */
        struct hypervisor *original_host;
        struct domain_info original_info;
        char *original_xml_text; /* the original's definition, if it is replaced */
        struct domain_xml *original_xml;

        /* for hypervisors that are not in the inventory; the target's is the first */
        struct inventory_hypervisor own_entries[3];
        char *name;       /* of the domain that is made */
        bool new_machine; /* the original is a different machine and may stay */
        char *folder;     /* for disks that cannot return to their old folder */
        struct restore_disk *disks;
        size_t n_disks;
        struct restore_firmware nvram;
        struct restore_firmware tpm;
        char **models; /* instant only: the security models of the host */
        char **eject;  /* targets of drives whose image does not exist on the hypervisor */
        char **keep;   /* disks of a replaced VM that are left unchanged */
        char *definition;

        struct restore_journal *journal; /* NULL: nothing was changed yet */
        int journal_fd;
        bool dry_run;
};

/* Frees what the restore owns; `restore` itself is the caller's. */
void restore_done(struct restore *restore);

/* The steps, in order. Each returns 0, or -1 with an error. */
int restore_choose_point(struct restore *restore, struct error **err) _must_check_;
int restore_verify_point(struct restore *restore, struct error **err) _must_check_;
int restore_find_original(struct restore *restore, struct error **err) _must_check_;
int restore_choose_target(struct restore *restore, struct error **err) _must_check_;
int restore_plan(struct restore *restore, struct error **err) _must_check_;
int restore_check(struct restore *restore, struct error **err) _must_check_;
int restore_begin(struct restore *restore, struct error **err) _must_check_; /* the journal */
int restore_copy(struct restore *restore, struct error **err) _must_check_;
int restore_compare(struct restore *restore, struct error **err) _must_check_;
int restore_stop_original(struct restore *restore, struct error **err) _must_check_;
int restore_move(struct restore *restore, struct error **err) _must_check_;
int restore_define(struct restore *restore, struct error **err) _must_check_;
int restore_start(struct restore *restore, struct error **err) _must_check_;
/* Inspects the machine that is to be replaced once more, right before it is shut off: no other
 * operation has begun on it, and its files are those that will be set aside. Records its present
 * definition as the one to put back. */
int restore_look_again(struct restore *restore, struct error **err) _must_check_;
/* Checks, while the machine is taken apart, that nobody has started it. */
int restore_check_off(const struct restore *restore, struct error **err) _must_check_;
/* The disks' checksums are verified beside the copy: restore_verify_point() begins this,
 * restore_end_reading() reports and judges the result. No file is moved into place before that. */
int restore_begin_reading(struct restore *restore, struct error **err) _must_check_;
int restore_end_reading(struct restore *restore, struct error **err) _must_check_;
/* For struct convert: whether the reading has found damage, or has failed. `data` is the struct
 * restore. */
bool restore_reading_failed(void *data, struct error **ret_reason);
/* Stops the reading wherever it is. False if a hung share blocks it: the thread is then abandoned,
 * together with the repository and the points that it uses. */
bool restore_stop_reading(struct restore *restore) _must_check_;
/* A point of the chain by its index; index 0 is the restored point. */
const struct point *restore_chain_point(const struct restore *restore, size_t index);
/* Sets an ERROR_CORRUPT that names `problem` and the next older good point; `bad`: the point that
 * was just found to be damaged, NULL: none. Returns -1. */
int restore_refuse_point(const struct restore *restore, const struct point *bad,
                         const char *problem, struct error **err);
/* Sets the error for a point of the chain that is not whole. Returns -1. */
int restore_refuse_damaged(struct restore *restore, const struct point *point, char *const *damage,
                           struct error **err);
/* Ends the step: reports how much was read, and that all of it is as published. */
void restore_tell_checksums(struct restore *restore, enum check_phase phase, uint64_t bytes);
/* Instant restores only, instead of copying: finds the images that back each disk, and makes the
 * overlays. */
int restore_find_layers(struct restore *restore, struct error **err) _must_check_;
int restore_lay_overlays(struct restore *restore, struct error **err) _must_check_;
int restore_copy_firmware(struct restore *restore, struct error **err) _must_check_;
/* The last step of an instant restore: pulls until no disk is backed by the share. A failure here
 * undoes nothing, because the machine runs. */
int restore_pull(struct restore *restore, struct error **err) _must_check_;
/* For an instant restore that ends before its pull does. The step "pull" is reported as the failed
 * one, so that the daemon knows to resume it. Returns -1. */
int restore_leave_pulling(struct restore *restore, struct error **err);
int restore_complete(struct restore *restore, struct error **err) _must_check_;
/* The last step: waits for the started guest to answer. */
int restore_await(struct restore *restore, struct error **err) _must_check_;
int restore_export(struct restore *restore, struct error **err) _must_check_;

/* The disk or firmware file that this restore puts at the given disk target; NULL: none. */
const struct restore_disk *restore_find_disk(const struct restore *restore, const char *target);
/* Makes the domain's XML for the planned paths; the notes go to the report. */
int restore_make_definition(struct restore *restore, bool tell, struct error **err) _must_check_;
/* Whether the definition gets no network card. */
bool restore_drops_cards(const struct restore *restore);
/* The kind of each path on a host: 'f' a file, 'd' a folder, 'b' a block device, 'o' something
 * else, '-' nothing. One character each; the caller frees. */
char *restore_look(struct hypervisor *host, char *const *paths, struct error **err) _must_check_;
/* Writes the next phase to the share, before any of its actions is done. */
int restore_enter_phase(struct restore *restore, enum restore_phase phase,
                        struct error **err) _must_check_;

/* Undoes a restore by its journal alone. The caller holds the journal's lock. The journal's phase
 * is stepped back as actions are undone, and the journal is removed at the end. Both hosts may be
 * the same object; `original_host` is NULL if nothing is replaced. */
int restore_roll_back(struct repository *repository, struct restore_journal *journal,
                      struct hypervisor *host, struct hypervisor *original_host,
                      struct report *report, struct error **err) _must_check_;
/* Moves the new files into place, never over an existing file; the files that `journal` sets aside
 * are renamed before. Both functions only change what is not done yet. */
int restore_set_aside(const struct restore_journal *journal, struct hypervisor *host,
                      struct error **err) _must_check_;
int restore_move_items(const struct restore_journal *journal, struct hypervisor *host,
                       struct error **err) _must_check_;
/* The reverse operations. Items: removes the temporary files, and the final ones if they are this
 * restore's. */
int restore_remove_items(const struct restore_journal *journal, struct hypervisor *host,
                         struct error **err) _must_check_;
int restore_put_back(const struct restore_journal *journal, struct hypervisor *host,
                     struct error **err) _must_check_;
/* Removes the files that were set aside, once they have expired. */
int restore_remove_asides(const struct restore_journal *journal, struct hypervisor *host,
                          struct error **err) _must_check_;

/* The layers of a disk for schema/libvirt/domain-rewrite.h. The caller frees the array; the strings
 * belong to the disk. */
struct rewrite_layer *restore_rewrite_layers(const struct restore_disk *disk, size_t *ret_count);
/* The definition, extended so that QEMU can read the point; the caller frees. */
char *restore_borrowed(const struct restore *restore, const char *definition,
                       struct error **err) _must_check_;
/* Drops an instant restore's lease on its point; does nothing for another restore. */
int restore_drop_lease(struct repository *repository, const struct restore_journal *journal,
                       struct error **err) _must_check_;
/* Renews that lease. */
int restore_renew_lease(struct repository *repository, const struct restore_journal *journal,
                        struct error **err) _must_check_;
/* Closes an instant restore whose disks are no longer backed by the point: drops the lease, and
 * removes the journal or sets its last phase. */
int restore_close_pulled(struct repository *repository, struct restore_journal *journal,
                         struct error **err) _must_check_;
/* ERROR_BUSY while the disks of the machine with that UUID are backed by a point; `what` is refused
 * until the pull is complete. */
int restore_refuse_pulled(struct repository *repository, const char *uuid, const char *what,
                          struct error **err) _must_check_;
/* Where the disks of an instant restore are pulled, and how. All of it is borrowed. */
struct pull_place {
        struct repository *repository;
        struct hypervisor *host; /* on which the machine is */
        const char *share;       /* the repository as that host sees it */
        uint64_t bandwidth_mib_s;
        bool dry_run; /* reports what would be done */
};
/* Resumes the pull of an instant restore: starts the pulls that do not run, or closes the restore.
 * The step "pull" ends as skipped while the pull goes on. `share`: the share's path on `host`. */
int restore_resume_pull(const struct pull_place *place, struct restore_journal *journal,
                        struct report *report, struct error **err) _must_check_;
