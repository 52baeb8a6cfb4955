/* The model: one hypervisor with one VM of two disks, its guest, its agent, its clock; beside it
 * the machine that a restore makes. It lives in memory that worker processes share with the test,
 * so that it outlives a worker that is killed, as a hypervisor does. What scripts touch is real:
 * images, markers, timers and the share are files on a tmpfs at /run, in a mount namespace of the
 * test's own.
 *
 * Time is the model's: it moves with each call and each pause of the worker (clock.c) and never by
 * itself, so that every run of the same fault is the same run, and two minutes of patience take no
 * time.
 *
 * The world knows what must not happen and notes it as a violation when it does. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "transports/hypervisor.h"

#define WORLD_HOST "host-1"
#define WORLD_VM "vm-1"
#define WORLD_UUID "0b9a7d1c-1111-4222-8333-444455556666"
#define WORLD_JOB "20261120-3f9a"
#define WORLD_IMAGES "/run/images"
#define WORLD_SHARE "/run/backup"
#define WORLD_NVRAM_FOLDER "/var/lib/libvirt/qemu/nvram"
#define WORLD_NVRAM WORLD_NVRAM_FOLDER "/vm-1_VARS.fd"
#define WORLD_STATE "/run/model" /* what the tools in tools/ read and write */

enum {
        WORLD_DOMAINS = 2, /* the VM, and one beside it */
        WORLD_DISKS = 2,
        WORLD_XML = 8 * 1024,
        WORLD_SLOTS = 16,
        WORLD_CHAIN = 4,
        WORLD_PATH = 160,
        WORLD_NAME = 96,
        WORLD_UNITS = 4,
        WORLD_VIOLATIONS = 12,
        WORLD_TRACE = 256 * 1024,
        WORLD_VIRTUAL_BYTES = 1024 * 1024,
        WORLD_THAW_DEADLINE_S = 20,
        WORLD_COPY_MS = 12 * 1000,
        WORLD_CALLS = 4096,
};

struct world_disk {
        char target[8];
        char base[WORLD_PATH]; /* the original, which every job has to leave it on */
        char format[8];
        char chain[WORLD_CHAIN][WORLD_PATH]; /* what QEMU has open, top first */
        char formats[WORLD_CHAIN][8];
        size_t n_chain;
        char overlay[WORLD_PATH]; /* made by a snapshot and still there; "" when there is none */
        /* all that is in the overlay is in the base: pivoted, or committed while off */
        bool merged;
        bool seen_live; /* and the worker was told so by the live XML */
        bool seen_inactive;
        bool committing;
        bool pulling;
        bool ready;
        int64_t ready_at;
        int64_t xml_follows_at; /* until then libvirt still shows what was before the pivot */
        uint64_t expected[WORLD_SLOTS];
        uint64_t at_snapshot[WORLD_SLOTS];
        uint64_t at_definition[WORLD_SLOTS];
};

/* A domain of libvirt's, with the guest that runs in it. */
struct world_domain {
        bool defined;
        char uuid[40];
        char name[WORLD_NAME];
        enum domain_state state;
        bool autostart;
        int64_t off_at; /* it was asked to shut down and will be off then; 0: it was not */
        int64_t started_at;
        struct world_disk disks[WORLD_DISKS];
        char xml[WORLD_XML]; /* without its disks, which belong at disks_at */
        size_t disks_at;
};

/* A copy that runs on the hypervisor, whether or not anybody waits for it. */
struct world_copy {
        bool running;
        char unit[WORLD_NAME];
        struct world_disk *disk; /* that is read; NULL: an image of a point is */
        char source[2 * WORLD_PATH];
        char format[8];
        char target[2 * WORLD_PATH];
        uint64_t at_start[WORLD_SLOTS];
        int64_t ends_at;
};

struct world_timer {
        char unit[WORLD_NAME]; /* "" : free */
        int64_t due;
        bool fired;
};

enum fault_kind {
        FAULT_NONE,
        FAULT_ERROR,       /* the call fails and does nothing */
        FAULT_LOST,        /* the call is made, then its answer is lost */
        FAULT_DOWN,        /* this connection breaks and stays so until it is opened again */
        FAULT_OUTAGE,      /* no connection works for 45 s */
        FAULT_GONE,        /* nor ever again, as long as this worker lives */
        FAULT_CANCEL,      /* SIGTERM */
        FAULT_KILL,        /* SIGKILL: everything before the call is done, it is not */
        FAULT_LATE_FREEZE, /* the agent stalls over the freeze, which happens when it wakes */
        FAULT_POWER_OFF,   /* the guest powers itself off before the call */
};

struct fault {
        enum fault_kind kind;
        enum error_kind error;
        unsigned at; /* 1: the first call */
        int64_t stall_ms;
};

struct world {
        int64_t now_ms;
        int64_t days; /* by which the clock on the wall is ahead */
        /* [0] the VM: whatever bears WORLD_UUID. [1] another */
        struct world_domain domains[WORLD_DOMAINS];
        /* the VM's definition as it was taken away last; not defined: it never was */
        struct world_domain original;
        bool replaced;   /* what bears WORLD_UUID has not the disks of the original */
        bool may_define; /* a restore may define, start and shut off */
        pid_t qemu;
        unsigned n_qemus; /* that were started ever */
        uint64_t writes;

        bool frozen;
        int64_t frozen_since;
        bool frozen_at_snapshot;
        bool snapshotted;
        bool thawed_seen; /* the worker was told "thawed" since the last freeze was sent */
        bool freeze_sent;
        int64_t mute_until; /* the agent answers nothing before */
        bool freeze_pending;
        struct world_timer timers[WORLD_UNITS];
        struct world_copy copies[WORLD_UNITS];

        int64_t network_back_at;
        unsigned network_epoch; /* connections of an earlier one are dead */
        /* the connection breaks in the middle of the copy that is begun now */
        bool break_copy;

        struct fault fault;
        struct fault then; /* takes its place once it has struck */
        unsigned calls;
        bool changing[WORLD_CALLS]; /* which calls changed something */
        bool on_share[WORLD_CALLS]; /* which calls were to the share */

        char violations[WORLD_VIOLATIONS][256];
        unsigned n_violations;
        char trace[WORLD_TRACE];
        size_t trace_length;
};

extern struct world *world; /* one, in shared memory */

void world_new(void);
/* Puts everything on the hypervisor as it was at the beginning; files too. */
void world_reset(void);
/* And the share: a repository without a point. */
void world_empty_share(void);
/* One with one point of the VM, by the name of its folder. */
void world_keep_point(const char *point);

void world_violation(const char *format, ...) _printf_(1, 2);
void world_trace(const char *format, ...) _printf_(1, 2);

/* Lets time pass: the guest writes, timers fire, copies end, commits become ready. */
void world_advance(int64_t milliseconds);
/* Compares the files with what is known: timers armed and disarmed, a guest thawed by a script,
 * overlays unlinked. After each command. */
void world_look(void);

/* What bears WORLD_UUID. */
static inline struct world_domain *world_vm(void)
{
        return &world->domains[0];
}
/* By UUID, or by name where that is NULL; NULL: it is not defined. */
struct world_domain *world_domain_find(const char *uuid, const char *name);
/* Defines it, or gives one that is there another definition of the same disks. NULL: why not. */
struct world_domain *world_domain_define(const char *xml, struct error **err);
void world_domain_undefine(struct world_domain *domain);
int world_domain_start(struct world_domain *domain, struct error **err);
/* No guest, no freeze, no block job from now on. */
void world_domain_end(struct world_domain *domain);

struct world_disk *world_disk_find(const char *uuid, const char *target);
struct world_disk *world_disk_of_base(const char *path);
bool world_disk_is_read(const struct world_disk *disk); /* by a copy */
void world_freeze(void);
void world_thaw(void);
/* The guest's QEMU, as the process table shows it: a process with its UUID in the command line,
 * which scripts look for. */
void world_start_qemu(void);
void world_end_qemu(void);
bool world_timer_is_armed(void);
/* Every write that the guest made is read through its disks. */
void world_check_writes(void);
/* The XML as libvirt shows it now. The caller frees. */
char *world_xml(const struct world_domain *domain, bool inactive);

/* Image files: a header, WORLD_SLOTS numbers (0: not allocated here), an end mark. */
void image_make(const char *path, const char *format, const char *backing,
                const char *backing_format);
bool image_exists(const char *path);
void image_write(const char *path, size_t slot, uint64_t value);
/* What is read through it and all that backs it. False: one of them is missing or incomplete. */
bool image_read(const char *path, uint64_t slots[WORLD_SLOTS]);
bool image_backing(const char *path, char backing[WORLD_PATH], char format[8]);
/* Puts what is allocated in `overlay` into `base`. */
void image_merge(const char *overlay, const char *base);
void image_flatten_to(const char *path, const char *target, const char *format);
/* The format that it is of; false: it is not whole. */
bool image_format(const char *path, char format[8]);
void image_make_partial(const char *path);

/* Ends a copy: it was stopped, or has come to its end. */
void world_end_copy(struct world_copy *copy);

/* What is on the hypervisor, and which points and staging folders are on the share, as one number.
 */
uint64_t world_digest(void);
void world_add_to_digest(uint64_t *digest, const void *data, size_t length);

/* The whole world, put aside (save.c); world_drop() frees it. */
struct saved_world *world_save(void);
void world_load(const struct saved_world *saved);
void world_drop(struct saved_world *saved);
/* Removes all files, but what runs. */
void world_empty(void);

void world_forget_answers(void);
/* Runs a program for real, or does again what it did when everything was as it is now (scripts.c).
 * Its exit status. */
int world_run(const char *const argv[], char **ret_output, char **ret_errors);
/* Runs it in any case. */
int world_spawn(const char *const argv[], const char *extra_environment, char **ret_output,
                char **ret_errors);
/* What `qemu-img convert` leaves when its time has come. */
void world_finish_copy(struct world_copy *copy);
