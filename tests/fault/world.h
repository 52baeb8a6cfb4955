/* The model: one hypervisor with one VM of two disks, its guest, its agent, its clock. It lives in
 * memory that worker processes share with the test, so that it outlives a worker that is killed, as
 * a hypervisor does. What scripts touch is real: images, markers, timers and the share are files on
 * a tmpfs at /run, in a mount namespace of the test's own.
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
#include "transports/hypervisor.h"

#define WORLD_HOST "host-1"
#define WORLD_VM "vm-1"
#define WORLD_UUID "0b9a7d1c-1111-4222-8333-444455556666"
#define WORLD_JOB "20261120-3f9a"
#define WORLD_IMAGES "/run/images"
#define WORLD_SHARE "/run/backup"
#define WORLD_STATE "/run/model" /* what the tools in tools/ read and write */

enum {
        WORLD_DISKS = 2,
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
        bool ready;
        int64_t ready_at;
        int64_t xml_follows_at; /* until then libvirt still shows what was before the pivot */
        uint64_t expected[WORLD_SLOTS];
        uint64_t at_snapshot[WORLD_SLOTS];
};

/* A copy that runs on the hypervisor, whether or not anybody waits for it. */
struct world_copy {
        bool running;
        char unit[WORLD_NAME];
        struct world_disk *disk;
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
        enum domain_state state;
        pid_t qemu;
        struct world_disk disks[WORLD_DISKS];
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
/* Puts everything as it was at the beginning; files too. */
void world_reset(void);

void world_violation(const char *format, ...) _printf_(1, 2);
void world_trace(const char *format, ...) _printf_(1, 2);

/* Lets time pass: the guest writes, timers fire, copies end, commits become ready. */
void world_advance(int64_t milliseconds);
/* Compares the files with what is known: timers armed and disarmed, a guest thawed by a script,
 * overlays unlinked. After each command. */
void world_look(void);

struct world_disk *world_disk_find(const char *target);
struct world_disk *world_disk_of_base(const char *path);
bool world_disk_is_read(const struct world_disk *disk); /* by a copy */
void world_freeze(void);
void world_thaw(void);
void world_power_off(void);
/* The guest's QEMU, as the process table shows it: a process with its UUID in the command line,
 * which scripts look for. */
void world_start_qemu(void);
void world_end_qemu(void);
bool world_timer_is_armed(void);
/* Every write that the guest made is read through its disks. */
void world_check_writes(void);
/* The XML as libvirt shows it now. The caller frees. */
char *world_xml(bool inactive);

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
void image_flatten_to(const char *path, const char *target);
void image_make_partial(const char *path);

/* Ends a copy: it was stopped, or has come to its end. */
void world_end_copy(struct world_copy *copy);

/* Runs a program for real. Its exit status. */
int world_spawn(const char *const argv[], const char *extra_environment, char **ret_output,
                char **ret_errors);
/* What `qemu-img convert` leaves when its time has come. */
void world_finish_copy(struct world_copy *copy);
