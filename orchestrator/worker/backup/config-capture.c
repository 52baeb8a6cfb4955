/* The configuration of an appliance (config_capture in the inventory): a step between the
 * pre-commands and the capture of the disks. It logs in over the appliance's own SSH, makes the
 * appliance save its running configuration, and stores what the appliance reports about itself as
 * configs/ in the point. Only complete outputs are stored. `orch check` only logs in.
 *
 * on_error decides what a failure means, unless the configuration would be the point's only
 * content; then the failure is an error. */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/config/secrets.h"
#include "transports/appliance/appliance-shell.h"
#include "worker/backup/backup-internal.h"
#include "worker/backup/config-changes.h"
#include "worker/job/cancel.h"

enum { SIGN_OF_LIFE_MS = 2 * 60 * 1000 /* a worker that reports nothing is assumed to be stuck */ };

/* The data of a session; its options point into this struct. */
struct session {
        struct backup *backup;
        struct appliance_profile *profile;
        struct secret *password;
        struct secret *enable_password;
        char *key;
        struct appliance_options options;
        const char *doing;
        int64_t told_ms; /* monotonic */
};

static void session_done(struct session *session)
{
        appliance_profile_free(session->profile);
        secret_free(session->password);
        secret_free(session->enable_password);
        free(session->key);
}

static bool capture_is_given_up(void *data)
{
        struct session *session = data;
        int64_t now = clock_monotonic_ms();
        if (now - session->told_ms >= SIGN_OF_LIFE_MS) {
                session->told_ms = now;
                report_log(session->backup->job.report, "%s still goes on", session->doing);
        }
        return worker_cancelled(NULL);
}

static int find_secret(const struct secrets *secrets, const char *name, const char *key,
                       struct secret **ret, struct error **err)
{
        if (!name)
                return 0;
        *ret = secrets_get(secrets, name);
        return *ret ? 0
                    : error_set(err, ERROR_CONFIG,
                                "config_capture: %s names the secret %s, which neither the "
                                "environment nor "
                                "secrets.conf has",
                                key, name);
}

static int find_secrets(struct session *session, const struct vm_config_capture *capture,
                        struct error **err)
{
        _cleanup_(secrets_freep) struct secrets *secrets =
                secrets_load(session->backup->job.settings->directory, err);
        if (!secrets)
                return -1;
        return find_secret(secrets, capture->password_env, "password_env", &session->password,
                           err) < 0 ||
                               find_secret(secrets, capture->enable_password_env,
                                           "enable_password_env", &session->enable_password,
                                           err) < 0
                       ? -1
                       : 0;
}

static int load_profile(struct session *session, const struct vm_config_capture *capture,
                        struct error **err)
{
        const struct backup *backup = session->backup;
        _cleanup_problems_ struct problems problems = { 0 };
        session->profile = appliance_profile_load(backup->job.inventory->file, backup->job.vm->line,
                                                  capture->profile, &problems);
        return session->profile ? 0 : problems_to_error(&problems, err);
}

static void resolve_key(struct session *session, const struct vm_config_capture *capture)
{
        if (!capture->key)
                return;
        _cleanup_free_ char *directory = path_directory(session->backup->job.inventory->file);
        session->key =
                capture->key[0] == '/' ? xstrdup(capture->key) : path_join(directory, capture->key);
}

static int session_prepare(struct session *session, struct error **err)
{
        const struct vm_config_capture *capture = session->backup->job.vm->config_capture;
        session->told_ms = clock_monotonic_ms();
        if (load_profile(session, capture, err) < 0 || find_secrets(session, capture, err) < 0)
                return -1;
        resolve_key(session, capture);
        session->options = (struct appliance_options){
                .target = { .address = capture->address,
                            .port = capture->port,
                            .user = capture->user,
                            .key = session->key,
                            .known_hosts = session->backup->job.settings->ssh.known_hosts,
                            .password = session->password,
                            .algorithms = capture->algorithms,
                            .is_appliance = true },
                .enable_password = session->enable_password,
                .profile = session->profile,
                .timeout_ms = (int64_t)capture->timeout_seconds * 1000,
                .cancelled = capture_is_given_up,
                .data = session,
        };
        return 0;
}

static struct appliance_shell *log_in(struct session *session, struct error **err)
{
        const struct vm_config_capture *capture = session->backup->job.vm->config_capture;
        struct report *report = session->backup->job.report;
        session->doing = "logging in at the appliance";
        struct appliance_shell *shell = session_prepare(session, err) < 0
                                                ? NULL
                                                : appliance_shell_open(&session->options, err);
        if (shell)
                report_check(report, CHECK_BEFORE, CHECK_NAME_APPLIANCE_LOGIN, CHECK_PASS,
                             "%s@%s, prompt %s", capture->user, capture->address,
                             appliance_shell_prompt(shell));
        return shell;
}

static int session_store(struct session *session, const struct appliance_capture *capture,
                         const char *text, struct error **err)
{
        struct backup *backup = session->backup;
        _cleanup_free_ char *file = xasprintf("configs/%s", capture->file);
        uint64_t bytes = 0;
        if (staging_write_file(backup->staging, file, 0600, text, strlen(text), err) < 0)
                return -1;
        _cleanup_free_ char *sha256 = staging_hash_file(backup->staging, file, NULL, &bytes, err);
        if (!sha256)
                return -1;
        struct metadata_config *config = metadata_add_config(backup->job.metadata);
        config->file = TAKE_PTR(file);
        config->stored_bytes = bytes;
        return 0;
}

/* *texts are the texts of metadata->configs, in the same order. */
static int capture_all(struct session *session, char ***texts, struct error **err)
{
        _cleanup_(appliance_shell_freep) struct appliance_shell *shell = log_in(session, err);
        if (!shell)
                return -1;
        const struct appliance_profile *profile = session->profile;
        session->doing = profile->save_command ? profile->save_command : "";
        if (session->backup->job.vm->config_capture->write_memory &&
            appliance_shell_save(shell, err) < 0)
                return -1;
        for (size_t i = 0; i < profile->n_captures; i++) {
                _cleanup_free_ char *text = NULL;
                session->doing = profile->captures[i].command;
                if (appliance_shell_capture(shell, &profile->captures[i], &text, err) < 0 ||
                    session_store(session, &profile->captures[i], text, err) < 0)
                        return -1;
                strv_add(texts, text);
        }
        return 0;
}

/* Whether a failure ends the job. If not, it was reported and is no longer an error. */
static int settle_failure(struct backup *backup, enum check_name check, struct error *error,
                          struct error **err)
{
        enum command_on_error on_error = backup->job.vm->config_capture->on_error;
        bool fails = on_error == COMMAND_ON_ERROR_FAIL || backup->job.vm->config_only ||
                     error->kind == ERROR_CANCELLED;
        error_prefix(&error, "the configuration of %s", backup->job.vm->name);
        report_check(backup->job.report, CHECK_BEFORE, check, fails ? CHECK_FAIL : CHECK_WARN, "%s",
                     error->message);
        if (fails)
                return error_propagate(err, error);
        if (on_error == COMMAND_ON_ERROR_WARN)
                report_warning(backup->job.report, "%s", error->message);
        error_free(error);
        return 0;
}

int backup_check_appliance(struct backup *backup, struct error **err)
{
        if (!backup->job.vm->config_capture)
                return 0;
        report_step(backup->job.report, STEP_NAME_APPLIANCE);
        _cleanup_(session_done) struct session session = { .backup = backup };
        struct error *error = NULL;
        _cleanup_(appliance_shell_freep) struct appliance_shell *shell = log_in(&session, &error);
        if (!shell && settle_failure(backup, CHECK_NAME_APPLIANCE_LOGIN, error, err) < 0)
                return -1;
        report_step_end(backup->job.report, STEP_DONE, shell ? "the login works" : NULL);
        return 0;
}

int backup_capture_configs(struct backup *backup, struct error **err)
{
        if (!backup->job.vm->config_capture)
                return 0;
        report_step(backup->job.report, STEP_NAME_APPLIANCE);
        _cleanup_(session_done) struct session session = { .backup = backup };
        _cleanup_strv_ char **texts = NULL;
        struct error *error = NULL;
        if (capture_all(&session, &texts, &error) < 0) {
                if (settle_failure(backup, CHECK_NAME_CONFIGS_CAPTURED, error, err) < 0)
                        return -1;
                report_step_end(backup->job.report, STEP_SKIPPED, "%zu files",
                                backup->job.metadata->n_configs);
        } else {
                _cleanup_free_ char *size =
                        format_bytes(metadata_stored_bytes(backup->job.metadata));
                report_check(backup->job.report, CHECK_BEFORE, CHECK_NAME_CONFIGS_CAPTURED,
                             CHECK_PASS, "%zu files, %s, complete", backup->job.metadata->n_configs,
                             size);
        }
        if (backup->job.metadata->n_configs &&
            config_changes_note(backup, session.profile, texts, err) < 0)
                return -1;
        report_step_end(backup->job.report, STEP_DONE, "%zu files",
                        backup->job.metadata->n_configs);
        return 0;
}
