/* Implements bacula_config_make(). A function for each resource adds its text; every name and
 * command goes through add_quoted(). The generated comments are for the reader of bacula-dir.conf:
 * each gives the reason for a line. The text contains no time and no version, so that the same
 * input gives the same bytes. */
#include "cli/bacula/bacula-config.h"

#include <string.h>

#include "base/memory.h"
#include "policies/order.h"

enum {
        NAME_MAX_BYTES = 127, /* Bacula's MAX_NAME_LENGTH, without the NUL */
        /* leaves room for the arguments that are added, within the limit of the Director's lexer */
        COMMAND_MAX_BYTES = 400,
        COMMAND_MAX_WORDS = 60, /* Bacula accepts 100 in all */
        WAITING_AT_ONCE = 10,   /* half of the 20 jobs that a Director runs at once by default */
};

#define JOB_PREFIX "backup-vm-"
#define SHARED_NAME "orch" /* of JobDefs, Client, FileSet, Storage, Pool, Messages */

static const char *const weekdays[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

/* FNV-1a. It distinguishes names that share their first hundred bytes; it is not a protection. */
static unsigned text_checksum(const char *text)
{
        unsigned sum = 2166136261U;
        for (; *text; text++)
                sum = (sum ^ (unsigned char)*text) * 16777619U;
        return sum;
}

char *bacula_job_name(const char *vm)
{
        char *name = xasprintf(JOB_PREFIX "%s", vm);
        if (strlen(name) <= NAME_MAX_BYTES)
                return name;
        char tail[10];
        snprintf(tail, sizeof tail, "-%08x", text_checksum(vm));
        memcpy(name + NAME_MAX_BYTES - 9, tail, sizeof tail);
        return name;
}

/* Adds a line `key = "value"`, quoted for Bacula's configuration. */
static void add_quoted(struct strbuf *text, const char *key, const char *value)
{
        strbuf_addf(text, "%s = \"", key);
        for (; *value; value++) {
                if (*value == '"' || *value == '\\')
                        strbuf_add_char(text, '\\');
                strbuf_add_char(text, *value);
        }
        strbuf_add(text, "\"\n");
}

/* Quotes a word of a command that may contain blanks: Bacula accepts quotes around a whole word,
 * but no escapes inside. */
static char *quote_word(const char *word)
{
        return xasprintf(strchr(word, '\'') ? "\"%s\"" : "'%s'", word);
}

/* Doubles per cent signs, which would otherwise begin Bacula's codes. */
static char *double_percents(const char *text)
{
        struct strbuf doubled = { 0 };
        for (; *text; text++)
                strbuf_add(&doubled, *text == '%' ? "%%" : (char[]){ *text, '\0' });
        return strbuf_take(&doubled);
}

static void add_option(const char **words, size_t *n, const char *name, const char *value)
{
        words[(*n)++] = name;
        words[(*n)++] = value;
}

static void add_file_header(struct strbuf *text, const struct settings *settings,
                            const struct bacula_config *config)
{
        const char *words[13] = { "orch", "bacula", "config",
                                  config->split ? "--split" : "--cycle" };
        size_t n = 4;
        add_option(words, &n, "--command", config->command);
        add_option(words, &n, "--catalog", config->catalog);
        if (!streq(config->alert_command, config->command))
                add_option(words, &n, "--alert-command", config->alert_command);
        if (config->console)
                add_option(words, &n, "--console", config->console);
        _cleanup_free_ char *call = shell_join(words);
        strbuf_addf(
                text,
                "# Resources of the Director for orch: %s.\n"
                "# Generated from vm-list.yaml and orch.yaml. Do not edit it; generate it again:\n"
                "#     %s\n"
                "# The same command with `--check FILE` exits with 1 when FILE is out of date.\n"
                "#\n"
                "# To use it, write it to a file and include that in bacula-dir.conf with a line "
                "such as\n"
                "#     @/etc/bacula/orch.conf\n"
                "# `bacula-dir -t` checks it, `reload` in bconsole activates it.\n"
                "#\n",
                config->split ? "an Admin job for each VM" : "one Admin job for the whole cycle",
                call);
        if (settings->cycle_timezone)
                strbuf_addf(text,
                            "# The times are in %s (cycle.timezone): the Director has to run in "
                            "that time zone.\n",
                            settings->cycle_timezone);
        else
                strbuf_add(text, "# The times are local: the Director has to run in the same time "
                                 "zone as orch.\n");
        if (config->split)
                strbuf_addf(text,
                            "# Up to %d of these jobs wait for orch at once. The Director's "
                            "Maximum Concurrent Jobs\n"
                            "# (20 by default) has to be larger, so that its other jobs can run "
                            "beside them.\n",
                            WAITING_AT_ONCE);
}

static void add_unused(struct strbuf *text, const struct bacula_config *config)
{
        strbuf_add(text, "\n# Bacula requires these resources in every job, but none of these jobs "
                         "uses them: an Admin\n"
                         "# job moves no data, so the Director never connects to this client and "
                         "storage. The\n"
                         "# passwords give access to nothing.\n"
                         "Client {\n"
                         "  Name = \"" SHARED_NAME "\"\n"
                         "  Address = \"127.0.0.1\"\n");
        add_quoted(text, "  Catalog", config->catalog);
        strbuf_add(text, "  Password = \"unused\"\n");
        if (config->split)
                strbuf_addf(text,
                            "  # With 1, the default, Bacula's order would decide. Instead the "
                            "jobs wait together in\n"
                            "  # orch's queue, which is ordered by priority and runs as many as "
                            "limits.jobs allows. The\n"
                            "  # number is limited so that they do not take all of the Director's "
                            "places.\n"
                            "  Maximum Concurrent Jobs = %d\n",
                            WAITING_AT_ONCE);
        strbuf_add(text, "}\n\n"
                         "FileSet {\n"
                         "  Name = \"" SHARED_NAME "\"\n"
                         "}\n\n"
                         "Storage {\n"
                         "  Name = \"" SHARED_NAME "\"\n"
                         "  Address = \"127.0.0.1\"\n"
                         "  Password = \"unused\"\n"
                         "  Device = \"unused\"\n"
                         "  Media Type = \"unused\"\n");
        if (config->split)
                strbuf_addf(text, "  Maximum Concurrent Jobs = %d\n", WAITING_AT_ONCE);
        strbuf_add(text, "}\n\n"
                         "Pool {\n"
                         "  Name = \"" SHARED_NAME "\"\n"
                         "  Pool Type = Backup\n"
                         "}\n\n"
                         "# Each line that orch prints goes into the job log (`list joblog "
                         "jobid=N`). orch itself\n"
                         "# sends the alerts.\n"
                         "Messages {\n"
                         "  Name = \"" SHARED_NAME "\"\n"
                         "  catalog = all\n"
                         "  console = all, !skipped, !saved\n"
                         "}\n");
}

static void add_after_script(struct strbuf *text, const char *command)
{
        strbuf_add(text, "  RunScript {\n"
                         "    RunsWhen = After\n"
                         "    RunsOnClient = No\n"
                         "    RunsOnSuccess = No\n"
                         "    RunsOnFailure = Yes\n"
                         "    FailJobOnError = No\n"
                         "  ");
        add_quoted(text, "  Command", command);
        strbuf_add(text, "  }\n");
}

static void add_job_defaults(struct strbuf *text, const struct bacula_config *config,
                             const char *orch)
{
        strbuf_addf(text,
                    "\nJobDefs {\n"
                    "  Name = \"" SHARED_NAME "\"\n"
                    "  Type = Admin\n"
                    "  Client = \"" SHARED_NAME "\"\n"
                    "  FileSet = \"" SHARED_NAME "\"\n"
                    "  Storage = \"" SHARED_NAME "\"\n"
                    "  Pool = \"" SHARED_NAME "\"\n"
                    "  Messages = \"" SHARED_NAME "\"\n"
                    "  # Bacula's default. Only jobs of the same priority run together: with "
                    "another value, all\n"
                    "  # other jobs of the Director would wait until the last VM is backed up%s.\n"
                    "  Priority = 10\n",
                    config->split ? ",\n  # and VMs of different priority would wait for each "
                                    "other. orch orders the VMs itself"
                                  : "");
        strbuf_add(text, "  # A cancel in bconsole, and Max Run Time, only mark the job: Bacula "
                         "does not signal a\n"
                         "  # running script.\n");
        strbuf_add(text,
                   config->console
                           ? "  # So orch polls bconsole (--bacula-console) and cancels what it "
                             "started. This script\n"
                             "  # does the same if orch's client had ended before. It does nothing "
                             "for a job that failed\n"
                             "  # for another reason: a killed client does not stop a backup.\n"
                           : "  # `orch cancel --bacula-job JOBID` cancels it at once. This script "
                             "runs when the main\n"
                             "  # script has ended or was killed, and cancels what is still "
                             "running. It does nothing for\n"
                             "  # a job that failed for another reason: a killed client does not "
                             "stop a backup.\n");
        _cleanup_free_ char *cancel =
                xasprintf("%s cancel --bacula-job %%i --bacula-status '%%e'", orch);
        add_after_script(text, cancel);
        strbuf_add(text, "  # Reports the failure. This works without the daemon, which may be "
                         "what failed.\n");
        _cleanup_free_ char *alert = double_percents(config->alert_command);
        _cleanup_free_ char *notify =
                xasprintf("%s notify failure --job %%n --bacula-job %%i --text 'Bacula job %%i "
                          "(%%n) ended: %%e. For its log: list joblog jobid=%%i'",
                          alert);
        add_after_script(text, notify);
        strbuf_add(text, "}\n");
}

static const char *schedule_comment(enum vm_schedule schedule, bool split)
{
        if (schedule == VM_SCHEDULE_BIWEEKLY)
                return "# Every week: Bacula counts the weeks of the year, and their parity breaks "
                       "in a year of 53\n"
                       "# weeks; orch counts 14 days. In the weeks between, --if-due finds nothing "
                       "to do, unless\n"
                       "# the last backup failed.\n";
        if (schedule == VM_SCHEDULE_MONTHLY)
                return "# The first such weekday of the month, as in orch.\n";
        if (!split && schedule == VM_SCHEDULE_DAILY)
                return "# Daily, because there are daily VMs. orch backs up what is due: a weekly "
                       "VM once a week.\n";
        return split ? ""
                     : "# orch backs up what is due: a biweekly or monthly VM not every time.\n";
}

static void add_schedule(struct strbuf *text, const struct settings *settings,
                         enum vm_schedule schedule, bool split)
{
        const struct week_time *start = &settings->cycle_start;
        const char *weekday = weekdays[start->weekday];
        strbuf_addf(text, "\n%sSchedule {\n  Name = \"orch-%s\"\n  Run = %s%s at %02d:%02d\n}\n",
                    schedule_comment(schedule, split), vm_schedule_name(schedule),
                    schedule == VM_SCHEDULE_MONTHLY ? "1st " : "",
                    schedule == VM_SCHEDULE_DAILY ? "daily" : weekday, start->hour, start->minute);
}

/* Adds the script that does the work. The comments with its reasons are added once in a file. */
static void add_main_script(struct strbuf *text, const char *command, bool with_reasons)
{
        strbuf_addf(text,
                    "  RunScript {\n    RunsWhen = Before%s\n    RunsOnClient = No%s\n    "
                    "FailJobOnError = Yes%s\n  ",
                    with_reasons ? "     # an Admin job does no other work" : "",
                    with_reasons ? "     # with Yes, the default, an Admin job skips its script, "
                                   "yet ends with \"Admin OK\""
                                 : "",
                    with_reasons ? "  # orch's exit status is the job's: 0 gives T, anything else E"
                                 : "");
        add_quoted(text, "  Command", command);
        strbuf_add(text, "  }\n");
}

static void add_console(struct strbuf *command, const struct bacula_config *config)
{
        if (!config->console)
                return;
        _cleanup_free_ char *plain = double_percents(config->console);
        _cleanup_free_ char *word = quote_word(plain);
        strbuf_addf(command, " --bacula-console %s", word);
}

static void add_cycle_job(struct strbuf *text, const struct bacula_config *config, const char *orch,
                          enum vm_schedule schedule)
{
        _cleanup_strbuf_ struct strbuf command = { 0 };
        strbuf_addf(&command, "%s run --attach --bacula-job %%i", orch);
        add_console(&command, config);
        strbuf_addf(text,
                    "\n# --attach: if a cycle runs already (the Director was restarted, or an "
                    "operator started\n# one), this job follows it and takes its verdict.\n"
                    "Job {\n  Name = \"orch-run\"\n  JobDefs = \"" SHARED_NAME
                    "\"\n  Schedule = \"orch-%s\"\n",
                    vm_schedule_name(schedule));
        add_main_script(text, command.data, true);
        strbuf_add(text, "}\n");
}

static void add_vm_job(struct strbuf *text, const struct bacula_config *config, const char *orch,
                       const struct inventory_vm *vm, bool first)
{
        bool manual = vm->schedule == VM_SCHEDULE_MANUAL;
        _cleanup_strbuf_ struct strbuf command = { 0 };
        strbuf_addf(&command, "%s backup vm %s%s --bacula-job %%i", orch, vm->name,
                    manual ? "" : " --if-due");
        add_console(&command, config);
        strbuf_add(text,
                   manual ? "\n# schedule: manual. It is never due; start it by hand.\nJob {\n"
                          : "\nJob {\n");
        _cleanup_free_ char *name = bacula_job_name(vm->name);
        add_quoted(text, "  Name", name);
        strbuf_add(text, "  JobDefs = \"" SHARED_NAME "\"\n");
        if (!manual)
                strbuf_addf(text, "  Schedule = \"orch-%s\"\n", vm_schedule_name(vm->schedule));
        add_main_script(text, command.data, first);
        strbuf_add(text, "}\n");
}

/* Adds the jobs in orch's own order, because Bacula starts them in the order of the file. */
static int add_split(struct strbuf *text, const struct inventory *inventory,
                     const struct settings *settings, const struct bacula_config *config,
                     const char *orch, struct error **err)
{
        _cleanup_free_ const struct inventory_vm **vms = xcalloc(inventory->n_vms + 1, sizeof *vms);
        _cleanup_strv_ char **names = NULL;
        bool used[VM_SCHEDULE_MANUAL + 1] = { false };
        for (size_t i = 0; i < inventory->n_vms; i++) {
                vms[i] = &inventory->vms[i];
                used[vms[i]->schedule] = true;
                _cleanup_free_ char *name = bacula_job_name(vms[i]->name);
                if (strv_contains(names, name))
                        return error_set(err, ERROR_CONFIG,
                                         "the job of VM %s would have the same name as another "
                                         "VM's job, %s: rename one of the two VMs",
                                         vms[i]->name, name);
                strv_add(&names, name);
        }
        qsort(vms, inventory->n_vms, sizeof *vms, order_compare);
        for (enum vm_schedule schedule = VM_SCHEDULE_DAILY; schedule < VM_SCHEDULE_MANUAL;
             schedule++)
                if (used[schedule])
                        add_schedule(text, settings, schedule, true);
        for (size_t i = 0; i < inventory->n_vms; i++)
                add_vm_job(text, config, orch, vms[i], i == 0);
        return 0;
}

static void add_cycle_resources(struct strbuf *text, const struct inventory *inventory,
                                const struct settings *settings, const struct bacula_config *config,
                                const char *orch)
{
        enum vm_schedule schedule = VM_SCHEDULE_WEEKLY;
        for (size_t i = 0; i < inventory->n_vms; i++)
                if (inventory->vms[i].schedule == VM_SCHEDULE_DAILY)
                        schedule = VM_SCHEDULE_DAILY;
        add_schedule(text, settings, schedule, false);
        add_cycle_job(text, config, orch, schedule);
}

static bool is_printable(const char *text)
{
        for (; *text; text++)
                if ((unsigned char)*text < ' ' || *text == 0x7f)
                        return false;
        return true;
}

static int check_command(const char *option, const char *command, struct error **err)
{
        size_t words = 0;
        for (const char *word = command + strspn(command, " "); *word; word += strspn(word, " ")) {
                word += strcspn(word, " ");
                words++;
        }
        if (words == 0 || !is_printable(command))
                return error_set(err, ERROR_CONFIG,
                                 "%s: expected a program and its first arguments on one line",
                                 option);
        if (strlen(command) > COMMAND_MAX_BYTES || words > COMMAND_MAX_WORDS)
                return error_set(err, ERROR_CONFIG,
                                 "%s: at most %d bytes and %d words, the most that Bacula accepts",
                                 option, COMMAND_MAX_BYTES, COMMAND_MAX_WORDS);
        return 0;
}

static bool is_name_for_bacula(const char *name)
{
        size_t length = strlen(name);
        return length && length <= NAME_MAX_BYTES &&
               strspn(name,
                      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:.-_ ") ==
                       length;
}

static int check_names(const struct bacula_config *config, struct error **err)
{
        if (check_command("--command", config->command, err) < 0 ||
            check_command("--alert-command", config->alert_command, err) < 0)
                return -1;
        if (!is_name_for_bacula(config->catalog))
                return error_set(err, ERROR_CONFIG,
                                 "--catalog: expected the name of the Director's Catalog resource, "
                                 "as in bacula-dir.conf");
        if (config->console && (!*config->console || !is_printable(config->console) ||
                                strlen(config->console) > COMMAND_MAX_BYTES ||
                                (strchr(config->console, '\'') && strchr(config->console, '"'))))
                return error_set(err, ERROR_CONFIG,
                                 "--console: expected the path of bconsole.conf, at most %d bytes, "
                                 "with at most one kind of quotes",
                                 COMMAND_MAX_BYTES);
        return 0;
}

char *bacula_config_make(const struct inventory *inventory, const struct settings *settings,
                         const struct bacula_config *config, struct error **err)
{
        if (check_names(config, err) < 0)
                return NULL;
        _cleanup_strbuf_ struct strbuf text = { 0 };
        _cleanup_free_ char *orch = double_percents(config->command);
        add_file_header(&text, settings, config);
        add_unused(&text, config);
        add_job_defaults(&text, config, orch);
        if (!config->split)
                add_cycle_resources(&text, inventory, settings, config, orch);
        else if (add_split(&text, inventory, settings, config, orch, err) < 0)
                return NULL;
        return strbuf_take(&text);
}
