/* One restore in progress: what its steps share. Steps are functions over this struct, each in the
 * file of its object; restore.c has their order. Whatever is changed on a hypervisor is in the
 * journal before, and restore_roll_back() undoes it from there alone, for a failure, a cancel and a
 * crash alike. */
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

/* How the machine that the point shows stands to the hypervisors of the inventory. */
enum original_state {
        ORIGINAL_GONE,    /* none of them has it */
        ORIGINAL_PRESENT, /* one has it: it may be running or off */
        ORIGINAL_UNKNOWN, /* none that answers has it, but not all answer */
};

/* One disk of the point that is restored. */
struct restore_disk {
        const struct metadata_disk *saved;
        char *image;  /* as the hypervisor sees it */
        char *format; /* of the new disk */
        char *temporary;
        char *path;
        /* of an instant one: the images that it stands on, as the hypervisor sees them, nearest
         * first */
        char **layers;
        char *replaced; /* the original's file that gives way; NULL: none */
        uint64_t needed_bytes;
};

/* Firmware state: a file (NVRAM) or a folder (TPM). */
struct restore_firmware {
        const char *what; /* "NVRAM"; NULL: the point has none */
        char *saved;      /* as the hypervisor sees it */
        char *temporary;
        char *path;
        bool replaces; /* something lies at path: it is set aside */
};

struct restore {
        /* `host` and `host_entry` are the target, `uuid` is the new domain's; what concerns disks,
         * freezing and power is unused */
        struct vm_job job;
        struct restore_options options;

        struct point_list points; /* of the VM */
        const struct point *point;
        const struct metadata *metadata; /* of the point */
        char **chain;                    /* names: the point, then its parents */
        struct lease *lease;
        /* the disks' checksums, beside the copy; NULL: they were read before */
        struct restore_reading *reading;
        char *xml_text; /* as saved */
        struct domain_xml *xml;

        enum original_state original;
        /* by another machine, since the original is gone */
        bool addresses_taken;
        /* of an unknown one: which hypervisor does not answer */
        char *unknown_because;
        const struct inventory_hypervisor *original_entry; /* of a present one */
        struct hypervisor *original_host;
        struct domain_info original_info;
        char *original_xml_text; /* its definition, when it is replaced */
        struct domain_xml *original_xml;

        /* of hypervisors that the inventory doesn't have: the target's is the first */
        struct inventory_hypervisor own_entries[3];
        char *name;       /* of the domain that is made */
        bool new_machine; /* another one than the original, which may be there */
        char *folder;     /* for disks that have no better place */
        struct restore_disk *disks;
        size_t n_disks;
        struct restore_firmware nvram;
        struct restore_firmware tpm;
        char **models; /* security models of the host, for an instant one */
        char **eject;  /* drives whose image the hypervisor hasn't */
        char **keep;   /* disks of a replaced VM that stay as they are */
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
/* The machine that is to be replaced, right before it is shut off: nothing has begun on it, and its
 * files are those that will be set aside. What to put back is what it is now. */
int restore_look_again(struct restore *restore, struct error **err) _must_check_;
/* And while it is taken apart: nobody has started it. */
int restore_check_off(const struct restore *restore, struct error **err) _must_check_;
/* The disks' checksums beside the copy: begun by restore_verify_point(), told and judged by
 * restore_end_reading(). Nothing is put in its place before that. */
int restore_begin_reading(struct restore *restore, struct error **err) _must_check_;
int restore_end_reading(struct restore *restore, struct error **err) _must_check_;
/* For struct convert: whether it has found damage, or failed, meanwhile. `data` is the struct
 * restore. */
bool restore_reading_failed(void *data, struct error **ret_reason);
/* Ends it wherever it is. False when the share holds it: it is left behind then, and with it the
 * repository and the points. */
bool restore_stop_reading(struct restore *restore) _must_check_;
/* A point of the chain by its index there, that which is restored being the first. */
const struct point *restore_chain_point(const struct restore *restore, size_t index);
/* ERROR_CORRUPT that names `problem` and the next older good point; `bad`: the point that was just
 * found damaged, NULL: none. Returns -1. */
int restore_refuse_point(const struct restore *restore, const struct point *bad,
                         const char *problem, struct error **err);
/* The error for a point of the chain that is not whole; -1. */
int restore_refuse_damaged(struct restore *restore, const struct point *point, char *const *damage,
                           struct error **err);
/* Ends the step: so much was read, and all of it is as published. */
void restore_tell_checksums(struct restore *restore, enum check_phase phase, uint64_t bytes);
/* For an instant one, in the place of copying: what each disk stands on, and the overlays. */
int restore_find_layers(struct restore *restore, struct error **err) _must_check_;
int restore_lay_overlays(struct restore *restore, struct error **err) _must_check_;
int restore_copy_firmware(struct restore *restore, struct error **err) _must_check_;
/* Its end: pulls until nothing stands on the share. What fails here undoes nothing: the machine
 * runs. */
int restore_pull(struct restore *restore, struct error **err) _must_check_;
/* For what ends before its pull does: the step "pull" is the one that fails, by which the daemon
 * knows to take it up again. Returns -1. */
int restore_leave_pulling(struct restore *restore, struct error **err);
int restore_complete(struct restore *restore, struct error **err) _must_check_;
/* After all that: whether the started guest answers. */
int restore_await(struct restore *restore, struct error **err) _must_check_;
int restore_export(struct restore *restore, struct error **err) _must_check_;

/* The disk or firmware file that this restore puts at the target of a disk; NULL: none. */
const struct restore_disk *restore_find_disk(const struct restore *restore, const char *target);
/* The domain's XML for the paths planned; the notes go to the report. */
int restore_make_definition(struct restore *restore, bool tell, struct error **err) _must_check_;
/* Whether the definition gets no network card at all. */
bool restore_drops_cards(const struct restore *restore);
/* What lies at each path on a host: 'f' a file, 'd' a folder, 'b' a block device, 'o' something
 * else, '-' nothing. One character each; the caller frees. */
char *restore_look(struct hypervisor *host, char *const *paths, struct error **err) _must_check_;
/* The next phase, on the share before anything of it is done. */
int restore_enter_phase(struct restore *restore, enum restore_phase phase,
                        struct error **err) _must_check_;

/* Undoes a restore by its journal alone. The journal's lock is held; its phase goes back with what
 * is undone, and it is removed at the end. Both hosts may be the same object; `original_host` is
 * NULL when nothing is replaced. */
int restore_roll_back(struct repository *repository, struct restore_journal *journal,
                      struct hypervisor *host, struct hypervisor *original_host,
                      struct report *report, struct error **err) _must_check_;
/* The new files into place, never over one that is there; what `journal` wants aside is renamed
 * before. Both only change what isn't done yet. */
int restore_set_aside(const struct restore_journal *journal, struct hypervisor *host,
                      struct error **err) _must_check_;
int restore_move_items(const struct restore_journal *journal, struct hypervisor *host,
                       struct error **err) _must_check_;
/* The reverses. Items: removes the temporary ones, and the others where they are ours. */
int restore_remove_items(const struct restore_journal *journal, struct hypervisor *host,
                         struct error **err) _must_check_;
int restore_put_back(const struct restore_journal *journal, struct hypervisor *host,
                     struct error **err) _must_check_;
/* Removes what was set aside, once its time is over. */
int restore_remove_asides(const struct restore_journal *journal, struct hypervisor *host,
                          struct error **err) _must_check_;

/* The layers of a disk for schema/libvirt/domain-rewrite.h; the caller frees, the texts are the
 * disk's. */
struct rewrite_layer *restore_rewrite_layers(const struct restore_disk *disk, size_t *ret_count);
/* The definition with what lets QEMU read the point; the caller frees. */
char *restore_borrowed(const struct restore *restore, const char *definition,
                       struct error **err) _must_check_;
/* What an instant restore holds of its point; nothing for another. */
int restore_drop_lease(struct repository *repository, const struct restore_journal *journal,
                       struct error **err) _must_check_;
/* Says that it still needs its point. */
int restore_renew_lease(struct repository *repository, const struct restore_journal *journal,
                        struct error **err) _must_check_;
/* Ends an instant restore whose disks stand alone: the lease, and the journal or its phase. */
int restore_close_pulled(struct repository *repository, struct restore_journal *journal,
                         struct error **err) _must_check_;
/* ERROR_BUSY while the machine of that UUID stands on a point; `what` is not done before that is
 * over. */
int restore_refuse_pulled(struct repository *repository, const char *uuid, const char *what,
                          struct error **err) _must_check_;
/* Takes the pull of an instant restore up again: starts what does not run, or ends it all. The step
 * "pull" ends as skipped while it goes on. `share`: where `host` has it. */
int restore_resume_pull(struct repository *repository, struct restore_journal *journal,
                        struct hypervisor *host, const char *share, uint64_t bandwidth_mib_s,
                        bool dry_run, struct report *report, struct error **err) _must_check_;
