/* Implements policies/boot-verdict.h.
 *
 * Firmware that finds nothing to boot reads a few sectors; any boot loader with its kernel has
 * megabytes. The number of bytes read therefore distinguishes a machine that idles at its
 * firmware's prompt from one that idles at its own login, without the screen. */
#include "policies/boot-verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

enum {
        SETTLED_MS = 10 * 1000,
        STEADY_MS = 60 * 1000,
        SLICE_MS = 5 * 1000,
        NOTHING_READ_MS = 45 * 1000,
        RESETS_MAX = 3, /* firmware and boot loaders reset once or twice on a new machine */
};
static const uint64_t loaded_bytes = 1024 * 1024;
static const uint64_t quiet_bytes = 1024 * 1024;
static const double idle_load = 0.30;
static const double steady_load = 0.25; /* of the load itself */

static void begin_steady(struct boot_activity *activity, int64_t at_ms, uint64_t read_bytes,
                         double load)
{
        activity->steady.since_ms = at_ms;
        activity->steady.read_bytes = read_bytes;
        activity->steady.load = load;
}

/* The load is measured in slices of some seconds, so that a scheduler's jitter does not count as a
 * change. */
static void follow_load(struct boot_activity *activity, int64_t at_ms, int64_t cpu_ms,
                        uint64_t read_bytes)
{
        int64_t elapsed = at_ms - activity->steady.slice_ms;
        if (activity->count == 0 || elapsed >= SLICE_MS) {
                double load = elapsed > 0 ? (double)(cpu_ms - activity->steady.slice_cpu_ms) /
                                                    (double)elapsed
                                          : 0;
                double change = load > activity->steady.load ? load - activity->steady.load
                                                             : activity->steady.load - load;
                if (activity->count == 0 || change > steady_load * activity->steady.load)
                        begin_steady(activity, at_ms, read_bytes, load);
                activity->steady.slice_ms = at_ms;
                activity->steady.slice_cpu_ms = cpu_ms;
        }
        if (read_bytes - activity->steady.read_bytes > quiet_bytes)
                begin_steady(activity, at_ms, read_bytes, activity->steady.load);
}

void boot_activity_add(struct boot_activity *activity, int64_t at_ms, int64_t cpu_ms,
                       uint64_t read_bytes)
{
        size_t n = activity->count;
        if (n == 0 || read_bytes > activity->samples[n - 1].read_bytes)
                activity->last_read_ms = at_ms;
        follow_load(activity, at_ms, cpu_ms, read_bytes);
        if (n == BOOT_SAMPLES_MAX) {
                memmove(activity->samples, activity->samples + 1,
                        (n - 1) * sizeof activity->samples[0]);
                n--;
        }
        activity->samples[n].at_ms = at_ms;
        activity->samples[n].cpu_ms = cpu_ms;
        activity->samples[n].read_bytes = read_bytes;
        activity->count = n + 1;
}

/* Processors in use between a sample and the one before. */
static double load_at(const struct boot_activity *activity, size_t i)
{
        int64_t elapsed = activity->samples[i].at_ms - activity->samples[i - 1].at_ms;
        int64_t used = activity->samples[i].cpu_ms - activity->samples[i - 1].cpu_ms;
        return elapsed > 0 ? (double)used / (double)elapsed : 0;
}

static bool is_idle(const struct boot_activity *activity)
{
        size_t last = activity->count - 1;
        size_t first = last;
        while (first > 0 &&
               activity->samples[last].at_ms - activity->samples[first].at_ms < SETTLED_MS)
                first--;
        if (activity->samples[last].at_ms - activity->samples[first].at_ms < SETTLED_MS ||
            activity->samples[last].read_bytes - activity->samples[first].read_bytes > quiet_bytes)
                return false;
        for (size_t i = first + 1; i <= last; i++)
                if (load_at(activity, i) > idle_load)
                        return false;
        return true;
}

bool boot_activity_settled(const struct boot_activity *activity)
{
        if (activity->count < 3)
                return false;
        int64_t now_ms = activity->samples[activity->count - 1].at_ms;
        return is_idle(activity) || now_ms - activity->steady.since_ms >= STEADY_MS;
}

static uint64_t read_so_far(const struct boot_sight *sight)
{
        return sight->activity.count ? sight->activity.samples[sight->activity.count - 1].read_bytes
                                     : 0;
}

static bool boot_has_loaded(const struct boot_sight *sight)
{
        return sight->kernel_from_host || read_so_far(sight) >= loaded_bytes;
}

static _printf_(2, 3) struct boot_verdict
        boot_verdict_make(enum boot_outcome outcome, const char *format, ...)
{
        struct boot_verdict ret = { .outcome = outcome };
        va_list ap;
        va_start(ap, format);
        vsnprintf(ret.reason, sizeof ret.reason, format, ap);
        va_end(ap);
        return ret;
}

/* The failures that end the test, whatever other signs there are. */
static struct boot_verdict boot_find_failure(const struct boot_sight *sight)
{
        double seconds = (double)sight->up_ms / 1000.0;
        if (*sight->trouble)
                return boot_verdict_make(BOOT_NOT_BOOTABLE, "its console shows: %s",
                                         sight->trouble);
        if (sight->ended)
                return boot_verdict_make(BOOT_NOT_BOOTABLE, "it ended by itself within %.0f s (%s)",
                                         seconds, sight->ended);
        if (sight->resets > RESETS_MAX)
                return boot_verdict_make(BOOT_NOT_BOOTABLE,
                                         "it resets itself repeatedly (%u times in %.0f s)",
                                         sight->resets, seconds);
        if (!boot_has_loaded(sight) &&
            sight->up_ms - sight->activity.last_read_ms >= NOTHING_READ_MS)
                return boot_verdict_make(
                        BOOT_NOT_BOOTABLE,
                        "its firmware found nothing to boot: %llu KiB were read from its "
                        "disks, nothing in the last %d s",
                        (unsigned long long)read_so_far(sight) / 1024, NOTHING_READ_MS / 1000);
        return boot_verdict_make(BOOT_WAIT, "running");
}

/* Decides by the weakest kind of proof, for machines without a stronger one. */
static struct boot_verdict judge_activity(const struct boot_sight *sight)
{
        if (!boot_has_loaded(sight))
                return boot_verdict_make(BOOT_WAIT, "data loaded from its disks (%llu KiB so far)",
                                         (unsigned long long)read_so_far(sight) / 1024);
        if (!boot_activity_settled(&sight->activity))
                return boot_verdict_make(BOOT_WAIT,
                                         "its disks to become quiet and its processors steady");
        return boot_verdict_make(BOOT_UP,
                                 "its disks are quiet and its processors steady after %llu MiB "
                                 "were read; no failure on the console, no reset loop",
                                 (unsigned long long)read_so_far(sight) / 1024 / 1024);
}

static struct boot_verdict boot_judge_signs(const struct boot_sight *sight)
{
        bool agent_counts = sight->agent_expected || sight->agent_answers;
        if (sight->agent_expected && !sight->agent_answers)
                return boot_verdict_make(BOOT_WAIT,
                                         "its guest agent, which answered when the point was made");
        if (sight->pattern_wanted && !sight->pattern_seen)
                return boot_verdict_make(BOOT_WAIT, "its boot_pattern on the console");
        if (agent_counts && sight->pattern_wanted)
                return boot_verdict_make(
                        BOOT_UP, "the guest agent answers, and the boot_pattern is on the console");
        if (agent_counts)
                return boot_verdict_make(BOOT_UP, "the guest agent answers");
        return sight->pattern_wanted
                       ? boot_verdict_make(BOOT_UP, "the boot_pattern is on the console")
                       : judge_activity(sight);
}

struct boot_verdict boot_decide(const struct boot_sight *sight)
{
        struct boot_verdict failure = boot_find_failure(sight);
        if (failure.outcome != BOOT_WAIT)
                return failure;
        struct boot_verdict now = boot_judge_signs(sight);
        if (now.outcome != BOOT_WAIT || sight->up_ms < sight->deadline_ms)
                return now;
        return boot_verdict_make(BOOT_NOT_BOOTABLE, "timed out after %.0f s waiting for %s",
                                 (double)sight->up_ms / 1000.0, now.reason);
}

static void boot_copy_line(const char *from, char ret[BOOT_TROUBLE_MAX])
{
        size_t n = 0;
        for (; n + 1 < BOOT_TROUBLE_MAX && from[n] && from[n] != '\r' && from[n] != '\n'; n++)
                ret[n] = from[n] >= ' ' && from[n] <= '~' ? from[n] : '.';
        while (n && ret[n - 1] == ' ')
                n--;
        ret[n] = '\0';
}

bool boot_trouble(const char *console, char ret[BOOT_TROUBLE_MAX])
{
        static const char *const texts[] = {
                "Kernel panic - not syncing",
                "Unable to mount root fs",
                "You are in emergency mode",
                "Entering emergency mode",
                "Generating \"/run/initramfs/rdsosreport.txt\"",
                "No bootable device",
                "No bootable option or device was found",
                "No bootable medium",
                "Missing operating system",
                "Operating system not found",
                "BOOTMGR is missing",
                "INACCESSIBLE_BOOT_DEVICE",
                "grub rescue>",
        };
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                const char *found = strstr(console, texts[i]);
                if (found) {
                        boot_copy_line(found, ret);
                        return true;
                }
        }
        return false;
}
