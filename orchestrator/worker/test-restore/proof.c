/* Watches the domain of a test-restore until there is a verdict, then runs its tests
 * (worker/test-restore/test-restore-internal.h). policies/boot-verdict.h decides on the
 * observations. A guest may write anything to its console: the amount is capped, and the text is
 * only searched. */
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/test-traces.h"
#include "worker/job/cancel.h"
#include "worker/test-restore/scripts.h"
#include "worker/test-restore/test-restore-internal.h"

enum {
        LOOK_MS = 60 * 1000,
        INTERVAL_MS = 500,
        AGENT_INTERVAL_MS = 2000,
        SIGN_OF_LIFE_MS = 60 * 1000,
        CONSOLE_KEPT_BYTES = 256 * 1024,
        CONSOLE_CHUNK_BYTES = 128 * 1024,
};

#define GIB ((uint64_t)1024 * 1024 * 1024)

struct look {
        char *state; /* NULL: the domain no longer exists */
        bool held;
        int64_t cpu_ms;
        uint64_t read_bytes;
        unsigned resets;
        uint64_t free_bytes;
        uint64_t console_bytes;
};

/* Parses a line of `virsh domstats`: "  vcpu.0.time=123", "  block.1.rd.bytes=456". */
static void take_statistic(struct look *look, const char *line)
{
        line += strspn(line, " ");
        const char *value = strchr(line, '=');
        if (!value)
                return;
        _cleanup_free_ char *name = xstrndup(line, (size_t)(value - line));
        uint64_t number = strtoull(value + 1, NULL, 10);
        /* The time that the guest waited for a processor counts too, so that a busy guest does not
         * look idle on an overloaded host. */
        if (str_starts_with(name, "vcpu.") &&
            (str_ends_with(name, ".time") || str_ends_with(name, ".delay")))
                look->cpu_ms += (int64_t)(number / 1000000);
        else if (str_starts_with(name, "block.") && str_ends_with(name, ".rd.bytes"))
                look->read_bytes += number;
}

static void look_take_line(struct look *look, const char *line)
{
        const char *value = strchr(line, ' ');
        value = value ? value + 1 : "";
        if (str_starts_with(line, "state ")) {
                xstrdup_replace(&look->state, value);
        } else if (str_starts_with(line, "holder ")) {
                look->held = true;
        } else if (str_starts_with(line, "resets ")) {
                look->resets = (unsigned)strtoul(value, NULL, 10);
        } else if (str_starts_with(line, "free ")) {
                char *end = NULL;
                uint64_t blocks = strtoull(value, &end, 10);
                look->free_bytes = blocks * strtoull(end, NULL, 10);
        } else if (str_starts_with(line, "console ")) {
                look->console_bytes = strtoull(value, NULL, 10);
        } else {
                take_statistic(look, line);
        }
}

static int look_at(struct test_restore *test, struct look *ret, struct error **err)
{
        _cleanup_free_ char *console = test_traces_console(test->name);
        const char *const argv[] = { "sh",        "-c",       look_at_domain_script,
                                     "orch-look", test->name, test->work,
                                     console,     NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(test->job.host, argv, LOOK_MS, &output, err) < 0)
                return -1;
        char *rest = NULL;
        for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
                look_take_line(ret, line);
        return 0;
}

/* Text that is searched, without its NULs. */
static void take_console(const char *data, size_t length, void *pointer)
{
        struct test_restore *test = pointer;
        test->console_offset += length;
        for (size_t i = 0; i < length; i++)
                strbuf_add_char(&test->console, data[i] ? data[i] : ' ');
        if (test->console.length > CONSOLE_KEPT_BYTES)
                strbuf_consume(&test->console, test->console.length - CONSOLE_KEPT_BYTES);
}

/* Reads the next part of the console. A file that became shorter was started anew, because virtlogd
 * keeps files small. */
static int read_console(struct test_restore *test, uint64_t bytes, struct error **err)
{
        if (bytes < test->console_offset)
                test->console_offset = 0;
        if (bytes == test->console_offset)
                return 0;
        if (bytes - test->console_offset > CONSOLE_CHUNK_BYTES)
                test->console_offset = bytes - CONSOLE_CHUNK_BYTES;
        _cleanup_free_ char *console = test_traces_console(test->name);
        _cleanup_free_ char *from = xasprintf("%llu", (unsigned long long)test->console_offset + 1);
        _cleanup_free_ char *most = xasprintf("%d", CONSOLE_CHUNK_BYTES);
        const char *const argv[] = { "sh", "-c", read_console_script, "orch-console", console, from,
                                     most, NULL };
        struct exec_options options = { .timeout_ms = LOOK_MS,
                                        .max_output = CONSOLE_CHUNK_BYTES,
                                        .on_output = take_console,
                                        .data = test };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        return test->job.host->ops->exec(test->job.host, argv, &options, &result, err);
}

static bool pattern_is_in(const struct test_restore *test)
{
        regex_t pattern;
        if (!test->console.data || regcomp(&pattern, test->job.vm->boot_pattern,
                                           REG_EXTENDED | REG_NOSUB | REG_NEWLINE) != 0)
                return false;
        bool found = regexec(&pattern, test->console.data, 0, NULL, 0) == 0;
        regfree(&pattern);
        return found;
}

static void search_console(struct test_restore *test)
{
        if (!*test->sight.trouble && test->console.data)
                (void)boot_trouble(test->console.data, test->sight.trouble);
        if (test->sight.pattern_wanted && !test->sight.pattern_seen && pattern_is_in(test)) {
                test->sight.pattern_seen = true;
                test->pattern_ms = clock_monotonic_ms() - test->started_ms;
        }
}

static int proof_ask_agent(struct test_restore *test, struct error **err)
{
        enum agent_state state = AGENT_ABSENT;
        _cleanup_error_ struct error *error = NULL;
        if (test->job.host->ops->agent_state(test->job.host, test->job.uuid, &state, &error) < 0) {
                /* The domain may just have ended; the next poll shows that. */
                if (error->kind == ERROR_UNREACHABLE || error->kind == ERROR_TIMEOUT)
                        return error_propagate(err, TAKE_PTR(error));
                return 0;
        }
        if (state == AGENT_ANSWERS) {
                test->sight.agent_answers = true;
                test->agent_ms = clock_monotonic_ms() - test->started_ms;
        }
        return 0;
}

/* The domain writes to its own overlays, which must not use up the room that running VMs need. */
static int proof_check_room(const struct test_restore *test, const struct look *look,
                            struct error **err)
{
        uint64_t low = (uint64_t)test->job.settings->checks.hypervisor_low_water_gib * GIB;
        if (look->free_bytes >= low)
                return 0;
        _cleanup_free_ char *room = format_bytes(look->free_bytes);
        return error_set(
                err, ERROR_NOSPACE,
                "the test of %s is given up: %s has only %s left in %s (low-water mark: %u GiB)",
                test->job.vm->name, test->job.host->name, room, test->job.host_entry->scratch,
                test->job.settings->checks.hypervisor_low_water_gib);
}

/* libvirt destroys the domain when its holder ends, so a missing domain then says nothing about the
 * guest. */
static int check_holder(const struct test_restore *test, const struct look *look,
                        struct error **err)
{
        if (look->state || look->held || test->options.keep)
                return 0;
        return error_set(err, ERROR_UNREACHABLE,
                         "the test domain is gone, and so is the virsh that held it: libvirt on %s "
                         "was restarted, or somebody ended "
                         "it; nothing is known about the point",
                         test->job.host->name);
}

static void take_look(struct test_restore *test, const struct look *look)
{
        struct boot_sight *sight = &test->sight;
        sight->up_ms = clock_monotonic_ms() - test->started_ms;
        sight->resets = look->resets;
        if (look->state && str_starts_with(look->state, "running")) {
                boot_activity_add(&sight->activity, sight->up_ms, look->cpu_ms, look->read_bytes);
                return;
        }
        test->ended = str_one_line(str_empty(look->state) ? "powered off" : look->state, 60);
        sight->ended = test->ended;
}

static int look_once(struct test_restore *test, struct error **err)
{
        struct look look = { 0 };
        int r = look_at(test, &look, err);
        if (r == 0 &&
            (check_holder(test, &look, err) < 0 || proof_check_room(test, &look, err) < 0 ||
             read_console(test, look.console_bytes, err) < 0))
                r = -1;
        if (r == 0)
                take_look(test, &look);
        free(look.state);
        search_console(test);
        return r;
}

/* Reports the state of the boot by the strongest sign. */
static void tell_signs(struct test_restore *test)
{
        const struct boot_sight *sight = &test->sight;
        if (sight->agent_answers)
                test_restore_saw(test, CHECK_NAME_AGENT, CHECK_PASS,
                                 "answered %.1f s after the start",
                                 (double)test->agent_ms / 1000.0);
        else if (sight->agent_expected)
                test_restore_saw(test, CHECK_NAME_AGENT, CHECK_FAIL,
                                 "answered when the point was made, and not now");
        else
                test_restore_saw(test, CHECK_NAME_AGENT, CHECK_SKIP, "%s",
                                 test->has_channel ? "none answered, nor when the point was made"
                                                   : "the VM has no channel for one");
        if (sight->pattern_seen)
                test_restore_saw(test, CHECK_NAME_BOOT_PATTERN, CHECK_PASS,
                                 "on the console %.1f s after the start",
                                 (double)test->pattern_ms / 1000.0);
        else if (sight->pattern_wanted)
                test_restore_saw(test, CHECK_NAME_BOOT_PATTERN, CHECK_FAIL,
                                 "never on the console: %s", test->job.vm->boot_pattern);
        bool settled = boot_activity_settled(&sight->activity);
        uint64_t read = sight->activity.count
                                ? sight->activity.samples[sight->activity.count - 1].read_bytes
                                : 0;
        _cleanup_free_ char *read_text = format_bytes(read);
        test_restore_saw(test, CHECK_NAME_ACTIVITY, CHECK_PASS, "%s read from its disks; %s%s",
                         read_text,
                         settled ? "disks quiet, processors steady"
                                 : "not settled yet when the verdict was reached",
                         sight->kernel_from_host
                                 ? "; its kernel is a file of the host's, not part of the point"
                                 : "");
        test_restore_saw(test, CHECK_NAME_CONSOLE, *sight->trouble ? CHECK_FAIL : CHECK_PASS,
                         "%s; %u resets", *sight->trouble ? sight->trouble : "no failure told",
                         sight->resets);
}

static void proof_conclude(struct test_restore *test, const struct boot_verdict *verdict)
{
        int64_t first = test->sight.up_ms;
        if (test->agent_ms >= 0 && test->agent_ms < first)
                first = test->agent_ms;
        if (test->pattern_ms >= 0 && test->pattern_ms < first)
                first = test->pattern_ms;
        test->has_verdict = true;
        test->booted = verdict->outcome == BOOT_UP;
        test->ended_early = !test->booted;
        test->tests_passed = test->booted;
        test->up_ms = test->booted ? first : 0;
        test->reason = xstrdup(verdict->reason);
        tell_signs(test);
        if (test->booted)
                report_step_end(test->job.report, STEP_DONE, "up after %.1f s: %s",
                                (double)first / 1000.0, verdict->reason);
        else
                report_step_end(test->job.report, STEP_FAILED, "%s", verdict->reason);
}

int test_restore_watch(struct test_restore *test, struct error **err)
{
        int64_t agent_due_ms = 0;
        int64_t told_ms = clock_monotonic_ms();
        for (;;) {
                if (worker_check_cancelled(err) < 0 || look_once(test, err) < 0)
                        return -1;
                int64_t now = clock_monotonic_ms();
                if (test->has_channel && !test->sight.agent_answers && !test->sight.ended &&
                    now >= agent_due_ms) {
                        if (proof_ask_agent(test, err) < 0)
                                return -1;
                        agent_due_ms = clock_monotonic_ms() + AGENT_INTERVAL_MS;
                }
                struct boot_verdict verdict = boot_decide(&test->sight);
                if (verdict.outcome != BOOT_WAIT) {
                        proof_conclude(test, &verdict);
                        return 0;
                }
                if (now - told_ms >= SIGN_OF_LIFE_MS) {
                        told_ms = now;
                        report_log(test->job.report, "%lld s after the start: waiting for %s",
                                   (long long)test->sight.up_ms / 1000, verdict.reason);
                }
                usleep(INTERVAL_MS * 1000); /* the boot deadline bounds the loop */
        }
}

static char *command_text(const struct vm_command *command)
{
        _cleanup_free_ char *words =
                command->shell ? xstrdup(command->shell) : strv_join(command->argv, " ");
        return str_one_line(words, 100);
}

int test_restore_run_tests(struct test_restore *test, struct error **err)
{
        const struct inventory_vm *vm = test->job.vm;
        for (size_t i = 0; i < vm->n_test_commands; i++) {
                const struct vm_command *command = &vm->test_commands[i];
                _cleanup_free_ char *text = command_text(command);
                _cleanup_error_ struct error *error = NULL;
                if (vm_job_run_test_command(&test->job, command, &error) == 0) {
                        test_restore_saw(test, CHECK_NAME_TEST_COMMAND, CHECK_PASS, "'%s' passed",
                                         text);
                        continue;
                }
                if (error->kind == ERROR_CANCELLED ||
                    (error->kind == ERROR_UNREACHABLE && command->on != COMMAND_ON_GUEST))
                        return error_propagate(err, TAKE_PTR(error));
                bool counts = command->on_error == COMMAND_ON_ERROR_FAIL;
                test_restore_saw(test, CHECK_NAME_TEST_COMMAND, counts ? CHECK_FAIL : CHECK_WARN,
                                 "%s", error->message);
                if (!counts)
                        continue;
                if (test->tests_passed)
                        xstrdup_replace(&test->reason, error->message);
                test->tests_passed = false;
        }
        report_step_end(test->job.report, test->tests_passed ? STEP_DONE : STEP_FAILED,
                        "%zu test commands", vm->n_test_commands);
        return 0;
}
