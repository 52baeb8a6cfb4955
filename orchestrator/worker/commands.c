/* Pre- and post-backup commands (design §6): a string is run by `sh -c` on the hypervisor with stdin null. A pre command that fails
 * fails the job; a post command warns. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/backup-internal.h"

static int run_one(struct backup *backup, const struct vm_command *command, const char *phase, const char *verdict,
                   struct error **err)
{
        if (command->on != COMMAND_ON_HYPERVISOR)
                return error_set(err, ERROR_CONFIG,
                                 "commands on the %s are not available in this version: use a string, which runs on the hypervisor",
                                 command->on == COMMAND_ON_GUEST ? "guest" : "orchestrator");
        _cleanup_strv_ char **argv = NULL;
        strv_add(&argv, "env");
        strv_addf(&argv, "ORCH_VM=%s", backup->vm->name);
        strv_addf(&argv, "ORCH_JOB=%s", backup->request->job);
        strv_addf(&argv, "ORCH_POINT=%s", backup->point ? backup->point : "");
        strv_addf(&argv, "ORCH_LEVEL=%s", vm_level_name(VM_LEVEL_FULL));
        strv_addf(&argv, "ORCH_VERDICT=%s", verdict);
        if (command->shell) {
                strv_add(&argv, "sh");
                strv_add(&argv, "-c");
                strv_add(&argv, command->shell);
        }
        for (size_t i = 0; !command->shell && command->argv[i]; i++)
                strv_add(&argv, command->argv[i]);
        _cleanup_free_ char *unit = xasprintf("%s-%s-command", backup->tag, phase);
        struct exec_options options = { .timeout_ms = (int64_t)command->timeout_seconds * 1000,
                                        .unit = unit,
                                        .cancelled = streq(phase, "pre") ? worker_cancelled : NULL };
        _cleanup_exec_result_ struct exec_result result = { 0 };
        const char *text = command->shell ? command->shell : command->argv[0];
        if (backup->host->ops->exec(backup->host, (const char *const *)argv, &options, &result, err) < 0)
                return error_prefix(err, "%s-backup command '%s'", phase, text);
        if (result.output && *result.output)
                report_log(backup->report, "%s-backup command '%s' said: %s", phase, text, result.output);
        if (result.errors && *result.errors)
                report_log(backup->report, "%s-backup command '%s' said (stderr): %s", phase, text, result.errors);
        if (result.status != 0)
                return error_set(err, ERROR_REFUSED, "%s-backup command '%s' ended with status %d on %s%s%s", phase, text,
                                 result.status, backup->host->name, str_empty(result.errors) ? "" : ": ",
                                 str_empty(result.errors) ? "" : result.errors);
        return 0;
}

int backup_pre_commands(struct backup *backup, struct error **err)
{
        for (size_t i = 0; i < backup->vm->n_pre_backup_commands; i++) {
                const struct vm_command *command = &backup->vm->pre_backup_commands[i];
                _cleanup_error_ struct error *error = NULL;
                if (run_one(backup, command, "pre", "", &error) == 0)
                        continue;
                if (command->on_error == COMMAND_ON_ERROR_FAIL || error->kind == ERROR_CANCELLED)
                        return error_propagate(err, TAKE_PTR(error));
                if (command->on_error == COMMAND_ON_ERROR_WARN)
                        report_warning(backup->report, "%s", error->message);
        }
        return 0;
}

void backup_post_commands(struct backup *backup, const char *verdict)
{
        if (!backup->host || backup->request->action != JOB_BACKUP || !backup->vm->n_post_backup_commands)
                return;
        report_step(backup->report, "post-commands");
        for (size_t i = 0; i < backup->vm->n_post_backup_commands; i++) {
                const struct vm_command *command = &backup->vm->post_backup_commands[i];
                _cleanup_error_ struct error *error = NULL;
                if (run_one(backup, command, "post", verdict, &error) < 0 && command->on_error != COMMAND_ON_ERROR_IGNORE)
                        report_warning(backup->report, "%s", error->message);
        }
        report_step_end(backup->report, STEP_DONE, NULL);
}
