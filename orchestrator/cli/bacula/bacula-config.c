/* Implements bacula_config_make(). Every resource is a function that adds its text; every name and
 * command goes through add_quoted(). The comments in the text are for the one who reads
 * bacula-dir.conf: each says why a line is as it is. No time and no version is in it, so that the
 * same input gives the same bytes. */
#include "cli/bacula/bacula-config.h"

#include <string.h>

#include "base/memory.h"
#include "policies/order.h"

enum {
        NAME_MAX_BYTES = 127, /* Bacula's MAX_NAME_LENGTH, without the NUL */
        /* leaves room for what is added in what the Director's lexer takes */
        COMMAND_MAX_BYTES = 400,
        COMMAND_MAX_WORDS = 60, /* Bacula takes 100 in all */
        WAITING_AT_ONCE = 10,   /* half of the 20 that a Director runs at once by default */
};

#define JOB_PREFIX "backup-vm-"
#define SHARED_NAME "orch" /* of JobDefs, Client, FileSet, Storage, Pool, Messages */

static const char *const weekdays[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

/* FNV-1a: two names that share their first hundred bytes are told apart, nobody is kept out by
 * it. */
static unsigned checksum(const char *text)
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
        snprintf(tail, sizeof tail, "-%08x", checksum(vm));
        memcpy(name + NAME_MAX_BYTES - 9, tail, sizeof tail);
        return name;
}

/* A string of Bacula's configuration. */
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

/* A word of a command that may hold blanks: Bacula's splitting knows quotes around a whole word,
 * and no escapes within. */
static char *quote_word(const char *word)
{
        return xasprintf(strchr(word, '\'') ? "\"%s\"" : "'%s'", word);
}

/* Per cent signs stand for themselves, not for Bacula's codes. */
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

static void add_header(struct strbuf *text, const struct settings *settings,
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
        strbuf_addf(text,
                    "# Resources of the Director for orch: %s.\n"
                    "# Made from vm-list.yaml and orch.yaml; don't edit, make it again:\n"
                    "#     %s\n"
                    "# The same with `--check FILE` ends with 1 when FILE is no longer what would "
                    "be made.\n"
                    "#\n"
                    "# To use it, write it to a file and name that in bacula-dir.conf with a line "
                    "such as\n"
                    "#     @/etc/bacula/orch.conf\n"
                    "# `bacula-dir -t` tries it, `reload` in bconsole takes it up.\n"
                    "#\n",
                    config->split ? "an Admin job for each VM"
                                  : "one Admin job for the whole cycle",
                    call);
        if (settings->cycle_timezone)
                strbuf_addf(text,
                            "# The times are those of %s (cycle.timezone): the Director has to run "
                            "in that time zone.\n",
                            settings->cycle_timezone);
        else
                strbuf_add(text, "# The times are local ones: the Director has to run in the time "
                                 "zone of orch.\n");
        if (config->split)
                strbuf_addf(text,
                            "# Up to %d of these jobs wait for orch at once: the Director's "
                            "Maximum Concurrent Jobs (20 by "
                            "default) has to be larger,\n"
                            "# so that its other jobs find room beside them.\n",
                            WAITING_AT_ONCE);
}

static void add_unused(struct strbuf *text, const struct bacula_config *config)
{
        strbuf_add(text, "\n# Mandatory in every job and used by none of these: an Admin job moves "
                         "no data, so that the Director never\n"
                         "# connects to this client and storage. The passwords open nothing.\n"
                         "Client {\n"
                         "  Name = \"" SHARED_NAME "\"\n"
                         "  Address = \"127.0.0.1\"\n");
        add_quoted(text, "  Catalog", config->catalog);
        strbuf_add(text, "  Password = \"unused\"\n");
        if (config->split)
                strbuf_addf(text,
                            "  # 1, the default, would make Bacula's order that of the backups. "
                            "These wait together in orch's "
                            "queue, which goes by\n"
                            "  # priority and runs as many at once as limits.jobs allows; no more "
                            "of them, so that they don't "
                            "take every place.\n"
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
                         "jobid=N`). What has to wake somebody is "
                         "sent by orch "
                         "itself.\n"
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
                    "  # That of Bacula's jobs by default. Only jobs of one priority run together: "
                    "with another one, all other "
                    "jobs of the Director\n"
                    "  # would wait until the last VM is saved%s.\n"
                    "  Priority = 10\n",
                    config->split ? ", and two VMs of different priority for one another. The VMs' "
                                    "own order is kept by orch"
                                  : "");
        strbuf_add(text, "  # Cancelling a job in bconsole, or Max Run Time, only marks it: while "
                         "its script runs nobody tells the "
                         "script.\n");
        strbuf_add(text, config->console
                                 ? "  # So orch asks bconsole now and then (--bacula-console) and "
                                   "ends what it began; and this, for when "
                                   "orch's\n"
                                   "  # client was gone by then. It does nothing for a job that "
                                   "failed otherwise: a killed client hurts no "
                                   "backup.\n"
                                 : "  # `orch cancel --bacula-job JOBID` ends it at once; this, "
                                   "which runs when the script has ended or was "
                                   "killed, sees\n"
                                   "  # to what is left. It does nothing for a job that failed "
                                   "otherwise: a killed client hurts no "
                                   "backup.\n");
        _cleanup_free_ char *cancel =
                xasprintf("%s cancel --bacula-job %%i --bacula-status '%%e'", orch);
        add_after_script(text, cancel);
        strbuf_add(text,
                   "  # Tells of the failure without the daemon, which may be what is missing.\n");
        _cleanup_free_ char *alert = double_percents(config->alert_command);
        _cleanup_free_ char *notify = xasprintf(
                "%s notify failure --job %%n --bacula-job %%i --text 'Bacula job %%i (%%n) ended: "
                "%%e. Its log tells more: list joblog jobid=%%i'",
                alert);
        add_after_script(text, notify);
        strbuf_add(text, "}\n");
}

static const char *schedule_comment(enum vm_schedule schedule, bool split)
{
        if (schedule == VM_SCHEDULE_BIWEEKLY)
                return "# Every week: Bacula counts the weeks of a year, whose parity breaks where "
                       "it has 53, orch every "
                       "fourteenth day. In the week\n"
                       "# between, --if-due finds nothing to do, unless the last backup failed.\n";
        if (schedule == VM_SCHEDULE_MONTHLY)
                return "# The first such day of the month, as orch counts.\n";
        if (!split && schedule == VM_SCHEDULE_DAILY)
                return "# Daily, as there are daily VMs. orch takes what is due: a weekly VM once "
                       "a week.\n";
        return split ? "" : "# orch takes what is due: a biweekly or monthly VM not every time.\n";
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

/* The script that does the work; its reasons are told once a file. */
static void add_main_script(struct strbuf *text, const char *command, bool with_reasons)
{
        strbuf_addf(text,
                    "  RunScript {\n    RunsWhen = Before%s\n    RunsOnClient = No%s\n    "
                    "FailJobOnError = Yes%s\n  ",
                    with_reasons ? "     # before nothing else: an Admin job has no other work"
                                 : "",
                    with_reasons ? "     # with Yes, the default, an Admin job skips its script "
                                   "and still ends with \"Admin OK\""
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
                    "\n# --attach: where a cycle runs already (the Director was restarted, "
                    "somebody began one), its log and "
                    "verdict are "
                    "this job's too.\n"
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
        strbuf_add(
                text,
                manual ? "\n# schedule: manual, so it is never due and only runs by hand.\nJob {\n"
                       : "\nJob {\n");
        _cleanup_free_ char *name = bacula_job_name(vm->name);
        add_quoted(text, "  Name", name);
        strbuf_add(text, "  JobDefs = \"" SHARED_NAME "\"\n");
        if (!manual)
                strbuf_addf(text, "  Schedule = \"orch-%s\"\n", vm_schedule_name(vm->schedule));
        add_main_script(text, command.data, first);
        strbuf_add(text, "}\n");
}

/* In orch's own order, as that is how Bacula starts them. */
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
                                         "the job of VM %s would be named as that of another, %s: "
                                         "rename one of the two",
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

static void add_cycle(struct strbuf *text, const struct inventory *inventory,
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
                                 "%s: at most %d bytes and %d words, for Bacula takes no more",
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

static int check(const struct bacula_config *config, struct error **err)
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
                                 "with one kind of quotes",
                                 COMMAND_MAX_BYTES);
        return 0;
}

char *bacula_config_make(const struct inventory *inventory, const struct settings *settings,
                         const struct bacula_config *config, struct error **err)
{
        if (check(config, err) < 0)
                return NULL;
        _cleanup_strbuf_ struct strbuf text = { 0 };
        _cleanup_free_ char *orch = double_percents(config->command);
        add_header(&text, settings, config);
        add_unused(&text, config);
        add_job_defaults(&text, config, orch);
        if (!config->split)
                add_cycle(&text, inventory, settings, config, orch);
        else if (add_split(&text, inventory, settings, config, orch, err) < 0)
                return NULL;
        return strbuf_take(&text);
}
