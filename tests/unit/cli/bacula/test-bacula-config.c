/* Bacula's resources out of inventory and settings: what is in them, what is refused, and what a
 * comparison tells. That a Director takes them is tested with a Director
 * (tests/integration/test_bacula.py). */
#include "cli/bacula/bacula-config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

#define VM(name, priority, schedule)                                                 \
        "  - { name: " name ", hypervisor: h, method: snapshot, priority: " priority \
        ", schedule: " schedule ", keep_last: 3 }\n"

static const struct bacula_config cycle = { .command = "orch",
                                            .alert_command = "orch",
                                            .catalog = "MyCatalog" };
static const struct bacula_config split = {
        .split = true, .command = "orch", .alert_command = "orch", .catalog = "MyCatalog"
};

static char *make(const char *vms, const struct bacula_config *config, struct error **err)
{
        _cleanup_problems_ struct problems problems = { 0 };
        static const char settings_text[] = "repository: { path: /mnt/backup }\ncycle: { start: "
                                            "\"Fri 21:05\", timezone: UTC }\n";
        _cleanup_free_ char *text = xasprintf("vms:\n%s", vms);
        _cleanup_(inventory_freep) struct inventory *inventory =
                inventory_parse(text, strlen(text), "vm-list.yaml", &problems);
        _cleanup_(settings_freep) struct settings *settings = settings_parse(
                settings_text, strlen(settings_text), "/etc/orch/orch.yaml", &problems);
        _cleanup_free_ char *said = problems_format(&problems);
        cr_assert_eq(problems.n_errors, 0, "%s", said);
        return bacula_config_make(inventory, settings, config, err);
}

static char *made(const char *vms, const struct bacula_config *config)
{
        _cleanup_error_ struct error *error = NULL;
        char *text = make(vms, config, &error);
        cr_assert(text, "%s", error_message(error));
        return text;
}

static void assert_has(const char *text, const char *wanted)
{
        cr_assert(strstr(text, wanted), "no\n%s\nin\n%s", wanted, text);
}

static void assert_has_not(const char *text, const char *unwanted)
{
        cr_assert_not(strstr(text, unwanted), "%s\nin\n%s", unwanted, text);
}

static size_t count(const char *text, const char *what)
{
        size_t n = 0;
        for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
                n++;
        return n;
}

Test(bacula_config, a_cycle_is_one_job_on_the_weekly_schedule)
{
        _cleanup_free_ char *text = made(VM("a", "1", "weekly") VM("b", "2", "monthly"), &cycle);
        assert_has(text, "Schedule {\n  Name = \"orch-weekly\"\n  Run = fri at 21:05\n}\n");
        assert_has(text, "Job {\n  Name = \"orch-run\"\n  JobDefs = \"orch\"\n  Schedule = "
                         "\"orch-weekly\"\n");
        assert_has(text, "    Command = \"orch run --attach --bacula-job %i\"\n");
        assert_has(text, "in UTC (cycle.timezone)");
        cr_assert_eq(count(text, "\nJob {"), 1);
        cr_assert_eq(count(text, "\nSchedule {"), 1);
        cr_assert_eq(count(text, "RunsWhen = Before"), 1);
        cr_assert_eq(count(text, "RunsOnClient = No"), 3);
        assert_has_not(text, "RunsOnClient = Yes");
        cr_assert_eq(count(text, "FailJobOnError = Yes"), 1);
}

Test(bacula_config, a_cycle_with_daily_vms_runs_daily)
{
        _cleanup_free_ char *text = made(VM("a", "1", "weekly") VM("b", "2", "daily"), &cycle);
        assert_has(text, "  Name = \"orch-daily\"\n  Run = daily at 21:05\n");
        assert_has(text, "  Schedule = \"orch-daily\"\n");
        assert_has_not(text, "orch-weekly");
}

Test(bacula_config, split_is_a_job_for_each_vm_in_the_order_of_priority)
{
        _cleanup_free_ char *text =
                made(VM("Web.1_x-y", "9", "weekly") VM("db", "1", "daily")
                             VM("two", "5", "biweekly") VM("four", "5", "monthly"),
                     &split);
        const char *const jobs[] = { "backup-vm-db", "backup-vm-four", "backup-vm-two",
                                     "backup-vm-Web.1_x-y", NULL };
        const char *at = text;
        for (size_t i = 0; jobs[i]; i++) {
                _cleanup_free_ char *line = xasprintf("\nJob {\n  Name = \"%s\"\n", jobs[i]);
                cr_assert((at = strstr(at, line)), "%s in %s", line, text);
        }
        cr_assert_eq(count(text, "\nJob {"), 4);
        assert_has(text, "    Command = \"orch backup vm Web.1_x-y --if-due --bacula-job %i\"\n");
        assert_has(text, "  Name = \"orch-daily\"\n  Run = daily at 21:05\n");
        assert_has(text, "  Name = \"orch-weekly\"\n  Run = fri at 21:05\n");
        assert_has(text, "  Name = \"orch-biweekly\"\n  Run = fri at 21:05\n");
        assert_has(text, "  Name = \"orch-monthly\"\n  Run = 1st fri at 21:05\n");
        cr_assert_eq(count(text, "Priority = "), 1, "all of one Priority");
        assert_has(text, "  Maximum Concurrent Jobs = 10\n");
}

/* --if-due would skip it whenever it is run: a job without a backup that ends well. */
Test(bacula_config, a_manual_vm_has_no_schedule_and_is_always_backed_up_when_run)
{
        _cleanup_free_ char *text = made(VM("hand", "1", "manual"), &split);
        assert_has(text, "    Command = \"orch backup vm hand --bacula-job %i\"\n");
        assert_has_not(text, "Schedule");
        assert_has_not(text, "--if-due");
}

Test(bacula_config, a_failure_is_told_without_the_daemon_and_a_cancel_ends_what_was_begun)
{
        const struct bacula_config config = {
                .command = "podman exec orch orch",
                .alert_command = "podman run --rm 100%",
                .console = "/etc/bac ula/it's.conf",
                .catalog = "My Catalog",
        };
        _cleanup_free_ char *text = made(VM("a", "1", "weekly"), &config);
        assert_has(text,
                   "    RunsOnSuccess = No\n    RunsOnFailure = Yes\n    FailJobOnError = No\n"
                   "    Command = \"podman exec orch orch cancel --bacula-job %i --bacula-status "
                   "'%e'\"\n");
        assert_has(text, "    Command = \"podman run --rm 100%% notify failure --job %n "
                         "--bacula-job %i --text 'Bacula job %i (%n) "
                         "ended: %e. ");
        assert_has(text, "    Command = \"podman exec orch orch run --attach --bacula-job %i "
                         "--bacula-console "
                         "\\\"/etc/bac ula/it's.conf\\\"\"\n");
        assert_has(text, "  Catalog = \"My Catalog\"\n");
        assert_has(
                text,
                "#     orch bacula config --cycle --command 'podman exec orch orch' --catalog 'My "
                "Catalog' "
                "--alert-command 'podman run --rm 100%' --console '/etc/bac ula/it'\\''s.conf'\n");
}

Test(bacula_config, the_same_input_gives_the_same_bytes)
{
        _cleanup_free_ char *first = made(VM("a", "1", "weekly") VM("b", "1", "weekly"), &split);
        _cleanup_free_ char *second = made(VM("b", "1", "weekly") VM("a", "1", "weekly"), &split);
        cr_assert_str_eq(first, second);
}

static char *long_name(char last)
{
        char *name = xasprintf("%0120d", 7);
        name[119] = last;
        return name;
}

Test(bacula_config, names_fit_into_bacula_and_stay_different)
{
        _cleanup_free_ char *just = xasprintf("%0117d", 7);
        _cleanup_free_ char *whole = bacula_job_name(just);
        cr_assert_str_eq(whole + strlen("backup-vm-"), just);
        _cleanup_free_ char *a = long_name('a');
        _cleanup_free_ char *b = long_name('b');
        _cleanup_free_ char *job_a = bacula_job_name(a);
        _cleanup_free_ char *job_b = bacula_job_name(b);
        cr_assert_eq(strlen(job_a), 127);
        cr_assert_eq(strlen(job_b), 127);
        cr_assert_str_neq(job_a, job_b);
        _cleanup_free_ char *again = bacula_job_name(a);
        cr_assert_str_eq(job_a, again);

        /* A VM that is named like another's shortened job. */
        _cleanup_free_ char *vms = xasprintf(VM("%s", "1", "weekly") VM("%s", "1", "weekly"), a,
                                             job_a + strlen("backup-vm-"));
        _cleanup_error_ struct error *error = NULL;
        cr_assert_null(make(vms, &split, &error));
        cr_assert(strstr(error->message, "rename one of the two"), "%s", error->message);
}

Test(bacula_config, what_bacula_could_not_take_is_refused)
{
        _cleanup_free_ char *too_long = xasprintf("%0401d", 1);
        const struct {
                const char *command, *alert, *console, *catalog, *says;
        } cases[] = {
                { "", "orch", NULL, "MyCatalog", "--command" },
                { "   ", "orch", NULL, "MyCatalog", "--command" },
                { "orch\nrm", "orch", NULL, "MyCatalog", "--command" },
                { too_long, "orch", NULL, "MyCatalog", "at most 400 bytes" },
                { "a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a "
                  "a a a a a a a a a a a a a a a a "
                  "a a a a a",
                  "orch", NULL, "MyCatalog", "60 words" },
                { "orch", "\x1b[2J", NULL, "MyCatalog", "--alert-command" },
                { "orch", "orch", "", "MyCatalog", "--console" },
                { "orch", "orch", "a'b\"c", "MyCatalog", "--console" },
                { "orch", "orch", too_long, "MyCatalog", "--console" },
                { "orch", "orch", NULL, "", "--catalog" },
                { "orch", "orch", NULL, "a\"b", "--catalog" },
                { "orch", "orch", NULL, too_long, "--catalog" },
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const struct bacula_config config = { false, cases[i].command, cases[i].alert,
                                                      cases[i].console, cases[i].catalog };
                _cleanup_error_ struct error *error = NULL;
                cr_assert_null(make(VM("a", "1", "weekly"), &config, &error), "case %zu", i);
                cr_assert_eq(error->kind, ERROR_CONFIG);
                cr_assert(strstr(error->message, cases[i].says), "case %zu: %s", i, error->message);
        }
}

Test(bacula_config, quotes_and_backslashes_of_a_command_reach_bacula)
{
        const struct bacula_config config = { .command = "sh \"a b\" c\\d",
                                              .alert_command = "orch",
                                              .catalog = "c" };
        _cleanup_free_ char *text = made(VM("a", "1", "weekly"), &config);
        assert_has(text, "    Command = \"sh \\\"a b\\\" c\\\\d run --attach --bacula-job %i\"\n");
}

static void assert_reports(const char *wanted, const char *found, const char *const lines[])
{
        _cleanup_strv_ char **report = bacula_config_compare(wanted, found);
        for (size_t i = 0; lines[i]; i++) {
                cr_assert(i < strv_length(report), "nothing said of: %s", lines[i]);
                cr_assert_str_eq(report[i], lines[i]);
        }
        size_t n = 0;
        while (lines[n])
                n++;
        cr_assert_eq(strv_length(report), n);
}
#define ASSERT_REPORTS(wanted, found, ...) \
        assert_reports(wanted, found, (const char *const[]){ __VA_ARGS__, NULL })

Test(bacula_config, a_comparison_names_the_resources_that_differ)
{
        _cleanup_free_ char *wanted = made(VM("a", "1", "weekly") VM("b", "1", "daily"), &split);
        _cleanup_free_ char *same = xstrdup(wanted);
        cr_assert_null(bacula_config_compare(wanted, same));
        _cleanup_free_ char *one_less = made(VM("a", "1", "weekly"), &split);
        ASSERT_REPORTS(wanted, one_less, "Schedule \"orch-daily\" is missing",
                       "Job \"backup-vm-b\" is missing");
        _cleanup_free_ char *other =
                made(VM("a", "1", "weekly") VM("b", "1", "daily") VM("c", "9", "daily"), &split);
        ASSERT_REPORTS(wanted, other, "Job \"backup-vm-c\" is no longer generated");
        memcpy(strstr(same, "Priority = 10"), "Priority = 99", 13);
        ASSERT_REPORTS(
                wanted, same,
                "JobDefs \"orch\" differs: it has `Priority = 99`, expected `Priority = 10`");
        _cleanup_free_ char *comment = xasprintf("%s# mine\n", wanted);
        _cleanup_strv_ char **of_comment = bacula_config_compare(wanted, comment);
        cr_assert_eq(strv_length(of_comment), 1);
        cr_assert(str_starts_with(of_comment[0],
                                  "comments or the order of resources differ, first on line "),
                  "%s", of_comment[0]);
        static const char *const strange[] = { "", "Job {", "Job {\n}\n}\nX {\n", "}\n{\n",
                                               "A {\n  Name = \n}\n" };
        for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
                _cleanup_strv_ char **report = bacula_config_compare(wanted, strange[i]);
                cr_assert(report, "%s", strange[i]);
        }
}

Test(bacula_config, a_long_comparison_is_cut)
{
        struct strbuf vms = { 0 };
        for (int i = 0; i < 100; i++)
                strbuf_addf(&vms, VM("vm-%03d", "1", "weekly"), i);
        _cleanup_free_ char *text = strbuf_take(&vms);
        _cleanup_free_ char *wanted = made(text, &split);
        _cleanup_strv_ char **report = bacula_config_compare(wanted, "");
        cr_assert_eq(strv_length(report), 20);
        cr_assert(str_ends_with(report[19], "more differences"), "%s", report[19]);
}
