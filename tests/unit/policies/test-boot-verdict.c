/* Whether a machine is up, by what is seen of it over time. */
#include "policies/boot-verdict.h"

#include <criterion/criterion.h>
#include <string.h>

#define MIB ((uint64_t)1024 * 1024)

/* Seconds of a machine's life, one sample each: `load` in percent of a processor, `read` bytes in
 * each second. */
static void live(struct boot_sight *sight, int seconds, int load, uint64_t read)
{
        struct boot_activity *activity = &sight->activity;
        int64_t cpu_ms = activity->count ? activity->samples[activity->count - 1].cpu_ms : 0;
        uint64_t bytes = activity->count ? activity->samples[activity->count - 1].read_bytes : 0;
        for (int i = 0; i < seconds; i++) {
                cpu_ms += load * 10;
                bytes += read;
                sight->up_ms += 1000;
                boot_activity_add(activity, sight->up_ms, cpu_ms, bytes);
        }
}

static void expect(const struct boot_sight *sight, enum boot_outcome outcome, const char *part)
{
        struct boot_verdict verdict = boot_decide(sight);
        cr_assert_eq(verdict.outcome, outcome, "%d: %s", verdict.outcome, verdict.reason);
        cr_assert(strstr(verdict.reason, part), "%s", verdict.reason);
}

static struct boot_sight started(void)
{
        return (struct boot_sight){ .deadline_ms = 300 * 1000 };
}

Test(boot_verdict, an_agent_that_answers_is_enough)
{
        struct boot_sight sight = started();
        sight.agent_expected = true;
        live(&sight, 3, 100, MIB);
        expect(&sight, BOOT_WAIT, "guest agent");
        sight.agent_answers = true;
        expect(&sight, BOOT_UP, "agent answers");
}

Test(boot_verdict, an_agent_that_is_expected_is_waited_for_however_quiet_the_machine)
{
        struct boot_sight sight = started();
        sight.agent_expected = true;
        live(&sight, 5, 100, 10 * MIB);
        live(&sight, 60, 2, 0);
        expect(&sight, BOOT_WAIT, "guest agent");
        live(&sight, 300, 2, 0);
        expect(&sight, BOOT_NOT_BOOTABLE, "guest agent, which answered when the point was made");
}

Test(boot_verdict, the_pattern_is_wanted_beside_the_agent)
{
        struct boot_sight sight = started();
        sight.agent_answers = sight.pattern_wanted = true;
        live(&sight, 3, 100, MIB);
        expect(&sight, BOOT_WAIT, "boot_pattern");
        sight.pattern_seen = true;
        expect(&sight, BOOT_UP, "and the boot_pattern");
        sight.agent_answers = false;
        expect(&sight, BOOT_UP, "the boot_pattern is on the console");
}

Test(boot_verdict, without_either_the_machine_has_to_settle)
{
        struct boot_sight sight = started();
        live(&sight, 20, 95, 2 * MIB);
        expect(&sight, BOOT_WAIT, "quiet");
        live(&sight, 5, 3, 0);
        expect(&sight, BOOT_WAIT, "quiet");
        live(&sight, 8, 3, 0);
        expect(&sight, BOOT_UP, "40 MiB were read");
}

Test(boot_verdict, full_but_steady_load_is_settled_and_a_restless_one_is_not)
{
        struct boot_sight sight = started();
        live(&sight, 10, 60, 4 * MIB);
        live(&sight, 40, 100, 0);
        expect(&sight, BOOT_WAIT, "quiet"); /* a kernel that unpacks itself looks like that */
        live(&sight, 40, 100, 0);
        expect(&sight, BOOT_UP, "steady");
        sight = started();
        for (int i = 0; i < 12; i++) {
                live(&sight, 6, 40, 4 * MIB);
                live(&sight, 6, 100, 0);
        }
        expect(&sight, BOOT_WAIT, "quiet");
}

Test(boot_verdict, a_machine_that_goes_on_reading_is_not_settled)
{
        struct boot_sight sight = started();
        live(&sight, 60, 5, MIB);
        expect(&sight, BOOT_WAIT, "quiet");
        live(&sight, 300, 5, MIB);
        expect(&sight, BOOT_NOT_BOOTABLE, "timed out after");
}

/* The firmware's prompt: a few sectors were read, then it idles, or spins. */
Test(boot_verdict, firmware_that_finds_nothing_is_no_settled_guest)
{
        for (int load = 0; load <= 100; load += 100) {
                for (int agent = 0; agent <= 1; agent++) {
                        struct boot_sight sight = started();
                        sight.agent_expected = agent;
                        live(&sight, 1, 100, 1024);
                        live(&sight, 30, load, 0);
                        expect(&sight, BOOT_WAIT, "");
                        live(&sight, 20, load, 0);
                        expect(&sight, BOOT_NOT_BOOTABLE, "found nothing to boot");
                }
        }
}

Test(boot_verdict, a_kernel_from_the_hosts_files_need_not_come_from_the_disks)
{
        struct boot_sight sight = started();
        sight.kernel_from_host = true;
        live(&sight, 4, 100, 1024);
        live(&sight, 60, 1, 0);
        expect(&sight, BOOT_UP, "quiet");
}

Test(boot_verdict, what_ends_a_boot_ends_the_waiting)
{
        struct boot_sight sight = started();
        sight.agent_answers = true;
        live(&sight, 3, 100, MIB);
        sight.resets = 3;
        expect(&sight, BOOT_UP, "");
        sight.resets = 4;
        expect(&sight, BOOT_NOT_BOOTABLE, "resets itself repeatedly");
        sight.ended = "crashed";
        expect(&sight, BOOT_NOT_BOOTABLE, "ended by itself within 3 s (crashed)");
        cr_assert(boot_trouble("[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs "
                               "on unknown-block(0,0) ",
                               sight.trouble));
        expect(&sight, BOOT_NOT_BOOTABLE,
               "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)");
}

Test(boot_verdict, trouble_is_known_by_its_text)
{
        char found[BOOT_TROUBLE_MAX] = "";
        cr_assert_not(boot_trouble("Debian GNU/Linux 12 web ttyS0\n\nweb login: ", found));
        cr_assert_not(boot_trouble("", found));
        cr_assert_str_empty(found);
        cr_assert(boot_trouble(
                "BdsDxe: No bootable option or device was found.\r\nBdsDxe: Press any key", found));
        cr_assert_str_eq(found, "No bootable option or device was found.");
        cr_assert(boot_trouble("\033[2J grub rescue> ", found));
        cr_assert_str_eq(found, "grub rescue>");
        cr_assert(boot_trouble("Kernel panic - not syncing: \033[1m\303\251", found));
        cr_assert_str_eq(found, "Kernel panic - not syncing: .[1m..");
        char long_line[400] = "No bootable device";
        memset(long_line + 18, 'x', sizeof long_line - 1 - 18);
        cr_assert(boot_trouble(long_line, found));
        cr_assert_eq(strlen(found), BOOT_TROUBLE_MAX - 1);
}

Test(boot_activity, the_newest_samples_count)
{
        struct boot_sight sight = started();
        live(&sight, 200, 100, MIB);
        cr_assert_eq(sight.activity.count, BOOT_SAMPLES_MAX);
        cr_assert_not(boot_activity_settled(&sight.activity));
        live(&sight, BOOT_SAMPLES_MAX, 1, 0);
        cr_assert(boot_activity_settled(&sight.activity));
        cr_assert_eq(sight.activity.last_read_ms, 200 * 1000);
}

/* Looks at a quick host follow each other closely: what is remembered must still reach back far
 * enough. */
Test(boot_activity, settles_however_often_it_is_looked_at)
{
        for (int64_t interval_ms = 250; interval_ms <= 2000; interval_ms += 50) {
                struct boot_activity activity = { 0 };
                /* a jitter that is never steady, but idle */
                for (int64_t at_ms = 0; at_ms <= 30000; at_ms += interval_ms)
                        boot_activity_add(&activity, at_ms, at_ms / 50 + at_ms / 5000 % 2 * 50,
                                          64 << 20);
                cr_assert(boot_activity_settled(&activity), "a look each %lld ms",
                          (long long)interval_ms);
        }
}
