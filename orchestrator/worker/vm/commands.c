/* Pre- and post-backup commands, and the test commands of a test-restore. A string is run by `sh
 * -c` on the hypervisor; a mapping says where its argv runs: on the hypervisor, in this worker's
 * own container, or in the guest through its agent. All have no stdin, a deadline after which they
 * are killed, and the same variables that describe their job.
 *
 * A cancel ends a pre command. It does not end post commands: they reverse what a pre command did,
 * so they always run. A worker that was killed leaves its staging folder behind; the recovery that
 * removes the folder runs the post commands. */
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "transports/guest-exec.h"
#include "worker/job/cancel.h"
#include "worker/job/names.h"
#include "worker/vm/vm-job.h"

enum {
        MAX_OUTPUT_BYTES = 64 * 1024,
        MAX_OUTPUT_LINES = 200,
        LONGEST_LABEL = 100,
        LONGEST_VARIABLE = 2000,
        SIGN_OF_LIFE_MS = 2 * 60 * 1000, /* a worker that reports nothing is assumed to be stuck */
};

/* A command of one phase, about to run. */
struct run {
        struct vm_job *job;
        const struct vm_command *command;
        const char *phase; /* "pre", "post", "test" */
        const char *kind;  /* for messages: "pre-backup command" */
        const char *id;    /* of the job that it is part of */
        char *label;
        char **variables;   /* "ORCH_VM=…" */
        char **argv;        /* the command without its variables */
        int64_t started_ms; /* monotonic */
        int64_t told_ms;
};

static void run_done(struct run *run)
{
        free(run->label);
        strv_free(run->variables);
        strv_free(run->argv);
}

static void add_variable(char ***variables, const char *name, const char *value)
{
        _cleanup_free_ char *clean = str_one_line(value ? value : "", LONGEST_VARIABLE);
        strv_addf(variables, "%s=%s", name, clean);
}

static char **list_variables(const struct vm_job *job, const char *id, const char *phase,
                             const char *verdict, const struct error *failure)
{
        char **variables = NULL;
        add_variable(&variables, "ORCH_PHASE", phase);
        add_variable(&variables, "ORCH_VM", job->vm->name);
        add_variable(&variables, "ORCH_DOMAIN",
                     streq(phase, "test") ? job->info.name : job->vm->domain);
        add_variable(&variables, "ORCH_HYPERVISOR",
                     job->host_entry ? job->host_entry->name : job->home);
        add_variable(&variables, "ORCH_JOB", id);
        add_variable(&variables, "ORCH_POINT", job->point);
        add_variable(&variables, "ORCH_LEVEL", job->metadata->level);
        add_variable(&variables, "ORCH_METHOD", vm_method_name(job->method));
        add_variable(&variables, "ORCH_VERDICT", verdict);
        add_variable(&variables, "ORCH_ERROR", failure ? failure->message : NULL);
        return variables;
}

static char **list_argv(const struct vm_command *command)
{
        if (!command->shell)
                return strv_copy(command->argv);
        char **argv = NULL;
        strv_add(&argv, "sh");
        strv_add(&argv, "-c");
        strv_add(&argv, command->shell);
        return argv;
}

static void add_all(char ***strv, char *const *more)
{
        for (size_t i = 0; more && more[i]; i++)
                strv_add(strv, more[i]);
}

/* Called while the command runs. */
static bool command_is_given_up(void *data)
{
        struct run *run = data;
        int64_t now = clock_monotonic_ms();
        if (now - run->told_ms >= SIGN_OF_LIFE_MS) {
                run->told_ms = now;
                _cleanup_free_ char *since = format_duration_ms(now - run->started_ms);
                report_log(run->job->report, "%s '%s' has been running for %s", run->kind,
                           run->label, since);
        }
        return !streq(run->phase, "post") && worker_cancelled(NULL);
}

static int64_t timeout_ms(const struct run *run)
{
        return (int64_t)run->command->timeout_seconds * 1000;
}

static int run_on_hypervisor(struct run *run, struct exec_result *ret, struct error **err)
{
        struct hypervisor *host = run->job->host;
        _cleanup_strv_ char **argv = NULL;
        strv_add(&argv, "env");
        add_all(&argv, run->variables);
        add_all(&argv, run->argv);
        _cleanup_free_ char *tag = names_tag(repository_short_uuid(run->job->repository), run->id);
        _cleanup_free_ char *unit = xasprintf("%s-%s-command", tag, run->phase);
        struct exec_options options = {
                .timeout_ms = timeout_ms(run),
                .max_output = MAX_OUTPUT_BYTES,
                .unit = unit,
                .cancelled = command_is_given_up,
                .data = run,
        };
        return host->ops->exec(host, (const char *const *)argv, &options, ret, err);
}

static int run_in_guest(struct run *run, struct exec_result *ret, struct error **err)
{
        struct exec_options options = { .timeout_ms = timeout_ms(run),
                                        .max_output = MAX_OUTPUT_BYTES,
                                        .cancelled = command_is_given_up,
                                        .data = run };
        return guest_exec(run->job->host, run->job->uuid, (const char *const *)run->argv,
                          (const char *const *)run->variables, &options, ret, err);
}

/* The environment is built from scratch, because the worker's own may hold secrets. */
static int run_here(struct run *run, struct exec_result *ret, struct error **err)
{
        static const char *const inherited[] = { "PATH", "HOME", "LANG", "LC_ALL", "TZ" };
        _cleanup_strv_ char **argv = NULL;
        strv_add(&argv, "env");
        strv_add(&argv, "-i");
        for (size_t i = 0; i < ARRAY_LENGTH(inherited); i++)
                if (getenv(inherited[i]))
                        strv_addf(&argv, "%s=%s", inherited[i], getenv(inherited[i]));
        add_all(&argv, run->variables);
        add_all(&argv, run->argv);
        struct child_options options = { .timeout_ms = timeout_ms(run),
                                         .max_output = MAX_OUTPUT_BYTES,
                                         .cancelled = command_is_given_up,
                                         .data = run };
        struct child_result result = { 0 };
        if (child_run((const char *const *)argv, &options, &result, err) < 0)
                return -1;
        *ret = (struct exec_result){ .status = result.status,
                                     .output = result.output,
                                     .errors = result.errors };
        return 0;
}

static const char *place_of(const struct run *run)
{
        switch (run->command->on) {
        case COMMAND_ON_ORCHESTRATOR:
                return "the orchestrator";
        case COMMAND_ON_GUEST:
                return "the guest";
        case COMMAND_ON_HYPERVISOR:
                break;
        }
        return run->job->host_entry->name;
}

static int command_execute(struct run *run, struct exec_result *ret, struct error **err)
{
        if (run->command->on == COMMAND_ON_ORCHESTRATOR)
                return run_here(run, ret, err);
        if (!run->job->host)
                return error_set(
                        err, ERROR_UNREACHABLE,
                        "it was not run: the job ended before the VM was found on a hypervisor");
        return run->command->on == COMMAND_ON_GUEST ? run_in_guest(run, ret, err)
                                                    : run_on_hypervisor(run, ret, err);
}

/* Logs the output line by line, so that the log is readable. The amount is capped, so that a
 * command that prints without end does not fill the log. */
static void log_output(const struct run *run, const char *text)
{
        struct report *report = run->job->report;
        size_t n = 0;
        for (const char *line = text; line && *line; n++) {
                size_t length = strcspn(line, "\n");
                if (n < MAX_OUTPUT_LINES)
                        report_log(report, "%s '%s': %.*s", run->kind, run->label, (int)length,
                                   line);
                line += length + (line[length] == '\n');
        }
        if (n > MAX_OUTPUT_LINES)
                report_log(report, "%s '%s': … and %zu more lines", run->kind, run->label,
                           n - MAX_OUTPUT_LINES);
}

static int run_to_end(struct run *run, struct error **err)
{
        _cleanup_exec_result_ struct exec_result result = { 0 };
        if (command_execute(run, &result, err) < 0)
                return error_prefix(err, "%s '%s'", run->kind, run->label);
        log_output(run, result.output);
        log_output(run, result.errors);
        if (result.status == 0)
                return 0;
        _cleanup_free_ char *reason =
                str_one_line(str_empty(result.errors) ? result.output : result.errors, 300);
        return error_set(err, ERROR_REFUSED, "%s '%s' ended with status %d on %s%s%s", run->kind,
                         run->label, result.status, place_of(run), *reason ? ": " : "", reason);
}

static char *label_of(const struct vm_command *command)
{
        _cleanup_free_ char *words =
                command->shell ? xstrdup(command->shell) : strv_join(command->argv, " ");
        return str_one_line(words, LONGEST_LABEL);
}

static int run_command(struct vm_job *job, const struct vm_command *command, const char *id,
                       const char *phase, const char *verdict, const struct error *failure,
                       struct error **err)
{
        _cleanup_(run_done) struct run run = {
                .job = job,
                .command = command,
                .phase = phase,
                .id = id,
                .kind = streq(phase, "pre")    ? "pre-backup command"
                        : streq(phase, "post") ? "post-backup command"
                                               : "test command",
                .label = label_of(command),
                .variables = list_variables(job, id, phase, verdict, failure),
                .argv = list_argv(command),
                .started_ms = clock_monotonic_ms(),
                .told_ms = clock_monotonic_ms(),
        };
        return run_to_end(&run, err);
}

int vm_job_run_test_command(struct vm_job *job, const struct vm_command *command,
                            struct error **err)
{
        return run_command(job, command, job->request->job, "test", "", NULL, err);
}

int vm_job_pre_commands(struct vm_job *job, struct error **err)
{
        for (size_t i = 0; i < job->vm->n_pre_backup_commands; i++) {
                const struct vm_command *command = &job->vm->pre_backup_commands[i];
                _cleanup_error_ struct error *error = NULL;
                if (run_command(job, command, job->request->job, "pre", "", NULL, &error) == 0)
                        continue;
                if (command->on_error == COMMAND_ON_ERROR_FAIL || error->kind == ERROR_CANCELLED)
                        return error_propagate(err, TAKE_PTR(error));
                if (command->on_error == COMMAND_ON_ERROR_WARN)
                        report_warning(job->report, "%s", error->message);
                else
                        report_log(job->report, "%s (ignored)", error->message);
        }
        return 0;
}

/* All failures become one kind, because no second backup would fix the cause. */
static void remember_first(struct error **first, const struct error *error)
{
        if (!*first)
                error_set(first, ERROR_REFUSED, "%s", error->message);
}

static void run_post_commands(struct vm_job *job, const char *id, const char *verdict,
                              const struct error *failure, struct error **first)
{
        for (size_t i = 0; i < job->vm->n_post_backup_commands; i++) {
                const struct vm_command *command = &job->vm->post_backup_commands[i];
                _cleanup_error_ struct error *error = NULL;
                if (run_command(job, command, id, "post", verdict, failure, &error) == 0)
                        continue;
                if (command->on_error == COMMAND_ON_ERROR_IGNORE)
                        report_log(job->report, "%s (ignored)", error->message);
                else
                        report_warning(job->report, "%s", error->message);
                if (command->on_error == COMMAND_ON_ERROR_FAIL)
                        remember_first(first, error);
        }
}

int vm_job_post_commands(struct vm_job *job, const char *verdict, const struct error *failure,
                         struct error **err)
{
        if (job->request->action != JOB_BACKUP || !job->vm->n_post_backup_commands)
                return 0;
        _cleanup_error_ struct error *first = NULL;
        report_step(job->report, STEP_NAME_POST_COMMANDS);
        run_post_commands(job, job->request->job, verdict, failure, &first);
        report_step_end(job->report, first ? STEP_FAILED : STEP_DONE, NULL);
        return first ? error_propagate(err, TAKE_PTR(first)) : 0;
}

void vm_job_post_commands_of_interrupted(struct vm_job *job, const char *id)
{
        if (!job->vm->n_post_backup_commands)
                return;
        _cleanup_error_ struct error *reason = NULL;
        _cleanup_error_ struct error *first = NULL;
        error_set(&reason, ERROR_INTERNAL, "the job's worker was killed, or its host went down");
        report_log(job->report, "the post-backup commands of the interrupted job %s are run now",
                   id);
        run_post_commands(job, id, "interrupted", reason, &first);
}
