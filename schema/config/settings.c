/* Implements schema/config/settings.h. The defaults are set first, the file's keys replace them,
 * then relative paths are resolved against the file's folder: after that no path in the struct is
 * relative. Nothing of the process is changed (no TZ, no directory). */
#include "schema/config/settings.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/config/settings-internal.h"
#include "schema/config/text-checks.h"

static const char *const fstype_words[] = { "nfs", "any", NULL };
static const char *const trigger_words[] = { "external", "internal", NULL };
static const char *const log_form_words[] = { "text", "json", "journal", NULL };
static const char *const on_stop_words[] = { "cancel", "finish", NULL };

/* "Sat 12:00", "saturday 9:30". */
static bool parse_week_time(const char *text, struct week_time *ret)
{
        static const char *const days[] = { "sunday",   "monday", "tuesday", "wednesday",
                                            "thursday", "friday", "saturday" };
        size_t word = strcspn(text, " ");
        int weekday = -1;
        for (int i = 0; i < (int)ARRAY_LENGTH(days); i++)
                if ((word == 3 || word == strlen(days[i])) && strncasecmp(text, days[i], word) == 0)
                        weekday = i;
        const char *time = text + word + strspn(text + word, " ");
        size_t hour_digits = strspn(time, "0123456789");
        if (weekday < 0 || hour_digits < 1 || hour_digits > 2 || time[hour_digits] != ':')
                return false;
        const char *minutes = time + hour_digits + 1;
        if (strspn(minutes, "0123456789") != 2 || minutes[2])
                return false;
        struct week_time parsed = { .weekday = weekday,
                                    .hour = (int)strtol(time, NULL, 10),
                                    .minute = (int)strtol(minutes, NULL, 10) };
        if (parsed.hour > 23 || parsed.minute > 59)
                return false;
        *ret = parsed;
        return true;
}

static void read_week_time(const struct field_reader *reader, const struct field *field,
                           const struct yaml_node *node, void *member)
{
        const char *text = field_text(reader, field, node);
        if (text && !parse_week_time(text, member))
                field_expected(reader, field->name, node,
                               "a day and a time of the week such as \"Sat 12:00\"");
}

/* slack.summary has two members, so its field has the whole struct as member. */
static void read_summary(const struct field_reader *reader, const struct field *field,
                         const struct yaml_node *node, void *member)
{
        struct settings *settings = member;
        const char *text = field_text(reader, field, node);
        if (!text)
                return;
        settings->slack.summary_after_cycle = streq(text, "after-cycle");
        if (!settings->slack.summary_after_cycle &&
            !parse_week_time(text, &settings->slack.summary))
                field_expected(
                        reader, field->name, node,
                        "a day and a time of the week such as \"Sun 20:00\", or after-cycle");
}

/* Every field's offset is from the start of the settings: the groups are only names in the file. */
#define SETTING(member) offsetof(struct settings, member)

static const struct field repository_fields[] = {
        { "path", FIELD_TEXT, SETTING(repository_path), .required = true,
          .check = text_check_absolute_path },
        { "fstype", FIELD_WORD, SETTING(repository_fstype), .words = fstype_words },
        { NULL },
};

static const struct field cycle_fields[] = {
        { "start", FIELD_CUSTOM, SETTING(cycle_start), .read = read_week_time },
        { "timezone", FIELD_TEXT, SETTING(cycle_timezone), .check = text_check_timezone },
        { "trigger", FIELD_WORD, SETTING(cycle_trigger), .words = trigger_words },
        { NULL },
};

static const struct field limits_fields[] = {
        { "jobs", FIELD_UNSIGNED, SETTING(limits.jobs), .min = 1, .max = 64 },
        { "jobs_per_hypervisor", FIELD_UNSIGNED, SETTING(limits.jobs_per_hypervisor), .min = 1,
          .max = 64 },
        { "thaw_deadline_seconds", FIELD_UNSIGNED, SETTING(limits.thaw_deadline_seconds), .min = 1,
          .max = 300 },
        { "copy_stall_seconds", FIELD_UNSIGNED, SETTING(limits.copy_stall_seconds), .min = 1,
          .max = 86400 },
        { "bandwidth_mib_s", FIELD_UNSIGNED, SETTING(limits.bandwidth_mib_s), .min = 0,
          .max = 1000000 },
        { NULL },
};

static const struct field ssh_fields[] = {
        { "user", FIELD_TEXT, SETTING(ssh.user), .check = text_check_user },
        { "port", FIELD_UNSIGNED, SETTING(ssh.port), .min = 1, .max = 65535 },
        { "key", FIELD_TEXT, SETTING(ssh.key), .check = text_check_path },
        { "known_hosts", FIELD_TEXT, SETTING(ssh.known_hosts), .check = text_check_path },
        { NULL },
};

static const struct field checks_fields[] = {
        { "hypervisor_free_gib", FIELD_UNSIGNED, SETTING(checks.hypervisor_free_gib), .min = 0,
          .max = 1000000 },
        { "hypervisor_low_water_gib", FIELD_UNSIGNED, SETTING(checks.hypervisor_low_water_gib),
          .min = 0, .max = 1000000 },
        { "repository_free_factor", FIELD_REAL, SETTING(checks.repository_free_factor), .min = 0,
          .max = 100 },
        { NULL },
};

static const struct field slack_fields[] = {
        { "failure_webhook_env", FIELD_TEXT, SETTING(slack.failure_webhook_env),
          .check = text_check_variable, .hidden = true },
        { "success_webhook_env", FIELD_TEXT, SETTING(slack.success_webhook_env),
          .check = text_check_variable, .hidden = true },
        { "summary", FIELD_CUSTOM, 0, .read = read_summary },
        { "ca_file", FIELD_TEXT, SETTING(slack.ca_file), .check = text_check_path },
        { NULL },
};

static const struct field metrics_fields[] = {
        { "listen", FIELD_TEXT, SETTING(metrics_listen), .may_be_empty = true,
          .check = text_check_listen },
        { NULL },
};

static const struct field log_fields[] = {
        { "format", FIELD_WORD, SETTING(log_form), .words = log_form_words },
        { NULL },
};

static const struct field daemon_fields[] = {
        { "state", FIELD_TEXT, SETTING(daemon.state), .check = text_check_absolute_path },
        { "on_stop", FIELD_WORD, SETTING(daemon.on_stop), .words = on_stop_words },
        { NULL },
};

static const struct field verify_fields[] = {
        { "budget_minutes", FIELD_UNSIGNED, SETTING(verify.budget_minutes), .min = 0,
          .max = 10080 },
        { NULL },
};

static const struct field test_restore_fields[] = {
        { "budget_minutes", FIELD_UNSIGNED, SETTING(test_restore.budget_minutes), .min = 0,
          .max = 10080 },
        { "boot_seconds", FIELD_UNSIGNED, SETTING(test_restore.boot_seconds), .min = 10,
          .max = 7200 },
        { NULL },
};

static const struct field settings_fields[] = {
        { "repository", FIELD_MAPPING, .required = true, .fields = repository_fields },
        { "inventory", FIELD_TEXT, SETTING(inventory), .check = text_check_path },
        { "socket", FIELD_TEXT, SETTING(socket), .check = text_check_path },
        { "cycle", FIELD_MAPPING, .fields = cycle_fields },
        { "limits", FIELD_MAPPING, .fields = limits_fields },
        { "ssh", FIELD_MAPPING, .fields = ssh_fields },
        { "checks", FIELD_MAPPING, .fields = checks_fields },
        { "slack", FIELD_MAPPING, .fields = slack_fields },
        { "notify", FIELD_CUSTOM, 0, .read = settings_read_notify },
        { "metrics", FIELD_MAPPING, .fields = metrics_fields },
        { "log", FIELD_MAPPING, .fields = log_fields },
        { "daemon", FIELD_MAPPING, .fields = daemon_fields },
        { "verify", FIELD_MAPPING, .fields = verify_fields },
        { "test_restore", FIELD_MAPPING, .fields = test_restore_fields },
        { NULL },
};

static struct settings *settings_new(void)
{
        struct settings *settings = xcalloc(1, sizeof *settings);
        *settings = (struct settings){
                .inventory = xstrdup("vm-list.yaml"),
                .socket = xstrdup("/run/orch/orch.sock"),
                .cycle_start = { .weekday = 6, .hour = 12 },
                .limits = { .jobs = 1,
                            .jobs_per_hypervisor = 1,
                            .thaw_deadline_seconds = 20,
                            .copy_stall_seconds = 600 },
                .test_restore = { .boot_seconds = 300 },
                .ssh = { .user = xstrdup("root"),
                         .port = 22,
                         .key = xstrdup("ssh/id_ed25519"),
                         .known_hosts = xstrdup("ssh/known_hosts") },
                .checks = { .hypervisor_free_gib = 50,
                            .hypervisor_low_water_gib = 20,
                            .repository_free_factor = 1.2 },
                .slack = { .failure_webhook_env = xstrdup("SLACK_FAILURE_WEBHOOK"),
                           .success_webhook_env = xstrdup("SLACK_SUCCESS_WEBHOOK"),
                           .summary = { .weekday = 0, .hour = 20 } },
                .metrics_listen = xstrdup(""),
                .daemon = { .state = xstrdup("/var/lib/orch"), .on_stop = ON_STOP_CANCEL },
        };
        return settings;
}

/* Sets `file` and `directory` from a path that may be relative to the working directory. */
static void set_place(struct settings *settings, const char *path)
{
        if (path[0] == '/') {
                settings->file = xstrdup(path);
        } else {
                char *working = getcwd(NULL, 0);
                settings->file = path_join(working ? working : "/", path);
                free(working);
        }
        settings->directory = path_directory(settings->file);
}

static void settings_resolve_path(const struct settings *settings, char **path)
{
        if (!*path || (*path)[0] == '/')
                return;
        char *resolved = path_join(settings->directory, *path);
        free(*path);
        *path = resolved;
}

static const struct yaml_node *settings_place(const struct yaml_node *root, const char *group,
                                              const char *key)
{
        const struct yaml_node *mapping = group ? yaml_mapping_get(root, group) : root;
        const struct yaml_node *value = yaml_mapping_get(mapping, key);
        return value ? value : mapping ? mapping : root;
}

static void check_contradictions(const struct field_reader *reader, const struct settings *settings,
                                 const struct yaml_node *root)
{
        unsigned needed = settings->checks.hypervisor_free_gib;
        unsigned low_water = settings->checks.hypervisor_low_water_gib;
        if (low_water > 0 && low_water >= needed)
                field_problem(reader, settings_place(root, "checks", "hypervisor_low_water_gib"),
                              "hypervisor_low_water_gib: %u is not below hypervisor_free_gib (%u): "
                              "a copy would be given up as "
                              "soon as it begins",
                              low_water, needed);
        if (strlen(settings->socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
                field_problem(
                        reader, settings_place(root, NULL, "socket"),
                        "socket: \"%s\" is longer than the %zu bytes that a socket's path may have",
                        settings->socket, sizeof((struct sockaddr_un *)0)->sun_path - 1);
}

struct settings *settings_parse(const char *text, size_t length, const char *path,
                                struct problems *problems)
{
        size_t n_errors = problems->n_errors;
        _cleanup_(yaml_document_freep) struct yaml_document *document =
                yaml_document_parse(text, length, path, problems);
        if (!document)
                return NULL;
        _cleanup_(settings_freep) struct settings *settings = settings_new();
        struct field_reader reader = { .file = path, .problems = problems };
        const struct yaml_node *root = yaml_document_root(document);
        set_place(settings, path);
        if (fields_read(&reader, settings_fields, "the settings", root, NULL, settings)) {
                settings_resolve_path(settings, &settings->inventory);
                settings_resolve_path(settings, &settings->socket);
                settings_resolve_path(settings, &settings->ssh.key);
                settings_resolve_path(settings, &settings->ssh.known_hosts);
                settings_resolve_path(settings, &settings->slack.ca_file);
                for (size_t i = 0; i < settings->n_notify; i++)
                        settings_resolve_path(settings, &settings->notify[i].ca_file);
                settings->slack.given = yaml_mapping_get(root, "slack");
                check_contradictions(&reader, settings, root);
        }
        if (problems->n_errors > n_errors)
                return NULL;
        path_tidy_slashes(settings->repository_path);
        path_tidy_slashes(settings->daemon.state);
        return TAKE_PTR(settings);
}

struct settings *settings_load(const char *path, char **ret_text, struct problems *problems)
{
        size_t length = 0;
        _cleanup_free_ char *text = yaml_read_file(path, &length, problems);
        if (!text)
                return NULL;
        struct settings *settings = settings_parse(text, length, path, problems);
        if (ret_text)
                *ret_text = TAKE_PTR(text);
        return settings;
}

struct settings *settings_free(struct settings *settings)
{
        if (!settings)
                return NULL;
        free(settings->file);
        free(settings->directory);
        free(settings->repository_path);
        free(settings->inventory);
        free(settings->socket);
        free(settings->cycle_timezone);
        free(settings->ssh.user);
        free(settings->ssh.key);
        free(settings->ssh.known_hosts);
        free(settings->slack.failure_webhook_env);
        free(settings->slack.success_webhook_env);
        free(settings->slack.ca_file);
        for (size_t i = 0; i < settings->n_notify; i++)
                notify_channel_done(&settings->notify[i]);
        free(settings->notify);
        free(settings->metrics_listen);
        free(settings->daemon.state);
        free(settings);
        return NULL;
}

const char *settings_default_path(void)
{
        const char *path = getenv("ORCH_CONFIG");
        return str_empty(path) ? "/etc/orch/orch.yaml" : path;
}
