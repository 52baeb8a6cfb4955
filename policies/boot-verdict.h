/* Is the machine that was started from a restore point up? Pure: what was seen comes in as numbers
 * and words.
 *
 * In the order of their strength: the guest agent answers; the pattern that was asked for is on the
 * console; without either, the disks have become quiet and the processors steady after something
 * was loaded from the disks. Against all of them: it ended, it resets itself over and over, its
 * console tells of a failure that ends a boot, or nothing was ever loaded from its disks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Looks are half a second apart and more: this many reach back further than the ten seconds that
 * are asked for below. */
enum { BOOT_SAMPLES_MAX = 64, BOOT_TROUBLE_MAX = 160 };

/* What the machine has used so far, moment by moment; the newest BOOT_SAMPLES_MAX count. Start with
 * zeros. */
struct boot_activity {
        struct {
                int64_t at_ms;
                int64_t cpu_ms; /* of all its processors */
                uint64_t read_bytes;
        } samples[BOOT_SAMPLES_MAX];
        size_t count;
        int64_t last_read_ms; /* when something had been read since the sample before */
        struct {
                /* the load has been about the same, and almost nothing was read, since then */
                int64_t since_ms;
                uint64_t read_bytes;
                double load;      /* in its first slice */
                int64_t slice_ms; /* begin of the slice that is being measured */
                int64_t slice_cpu_ms;
        } steady;
};
void boot_activity_add(struct boot_activity *activity, int64_t at_ms, int64_t cpu_ms,
                       uint64_t read_bytes);
/* Whether disks and processors have settled: almost nothing was read and the load of the processors
 * was low for ten seconds, or about the same for a minute (some appliances poll their network at
 * full load, and a kernel that unpacks itself is busy for a while, too). */
bool boot_activity_settled(const struct boot_activity *activity);

struct boot_sight {
        int64_t up_ms;                  /* since its start */
        int64_t deadline_ms;            /* how long it may take */
        const char *ended;              /* "shut off", "crashed", …; NULL: it runs */
        unsigned resets;                /* since its start */
        char trouble[BOOT_TROUBLE_MAX]; /* see boot_trouble(); "": none */
        bool agent_expected;            /* it answered when the point was made */
        bool agent_answers;
        bool pattern_wanted;
        bool pattern_seen;
        /* its kernel is a file of the host's: nothing need come from its disks */
        bool kernel_from_host;
        struct boot_activity activity;
};

enum boot_outcome { BOOT_WAIT, BOOT_UP, BOOT_NOT_BOOTABLE };
struct boot_verdict {
        enum boot_outcome outcome;
        char reason[240]; /* a sentence; of BOOT_WAIT: what is waited for */
};
struct boot_verdict boot_decide(const struct boot_sight *sight);

/* Whether a console said what means the end of a boot ("Kernel panic - not syncing: …", "No
 * bootable device", …): the text, to the end of its line, in printable ASCII. */
bool boot_trouble(const char *console, char ret[BOOT_TROUBLE_MAX]);
