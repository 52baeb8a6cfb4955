/* Has a machine that was started from a restore point booted? Pure: the observations come in as
 * numbers and words.
 *
 * The signs of a boot, strongest first: the guest agent answers; the configured pattern is on the
 * console; without either, disks and processors have settled after something was loaded from the
 * disks. These signs of a failure override all of them: the machine ended, it resets itself
 * repeatedly, its console shows an error that ends a boot, or nothing was ever loaded from its
 * disks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Samples are at least half a second apart, so this many cover more than the ten seconds that
 * boot_activity_settled() needs. */
enum { BOOT_SAMPLES_MAX = 64, BOOT_TROUBLE_MAX = 160 };

/* What the machine has used so far, sample by sample; the newest BOOT_SAMPLES_MAX are kept. Start
 * with zeros. */
struct boot_activity {
        struct {
                int64_t at_ms;
                int64_t cpu_ms; /* of all its processors */
                uint64_t read_bytes;
        } samples[BOOT_SAMPLES_MAX];
        size_t count;
        int64_t last_read_ms; /* time of the last sample that showed new reads */
        struct {
                /* since then the load has been about the same, and almost nothing was read */
                int64_t since_ms;
                uint64_t read_bytes;
                double load;      /* in its first slice */
                int64_t slice_ms; /* begin of the current slice */
                int64_t slice_cpu_ms;
        } steady;
};
void boot_activity_add(struct boot_activity *activity, int64_t at_ms, int64_t cpu_ms,
                       uint64_t read_bytes);
/* Whether disks and processors have settled: almost nothing was read, and the processors' load was
 * low for ten seconds or about the same for a minute. The minute covers appliances that poll their
 * network at full load; a kernel that unpacks itself is busy for less than that. */
bool boot_activity_settled(const struct boot_activity *activity);

struct boot_sight {
        int64_t up_ms;                  /* since its start */
        int64_t deadline_ms;            /* how long it may take */
        const char *ended;              /* "shut off", "crashed", …; NULL: it runs */
        unsigned resets;                /* since its start */
        char trouble[BOOT_TROUBLE_MAX]; /* see boot_trouble(); "": none */
        bool agent_expected;            /* the agent answered when the point was made */
        bool agent_answers;
        bool pattern_wanted;
        bool pattern_seen;
        /* its kernel is a file of the host: a boot may read nothing from the disks */
        bool kernel_from_host;
        struct boot_activity activity;
};

enum boot_outcome { BOOT_WAIT, BOOT_UP, BOOT_NOT_BOOTABLE };
struct boot_verdict {
        enum boot_outcome outcome;
        char reason[240]; /* why; for BOOT_WAIT: what is still missing */
};
struct boot_verdict boot_decide(const struct boot_sight *sight);

/* Whether the console's text shows an error that ends a boot ("Kernel panic - not syncing: …", "No
 * bootable device", …). `ret` gets that line from the error on, in printable ASCII. */
bool boot_trouble(const char *console, char ret[BOOT_TROUBLE_MAX]);
