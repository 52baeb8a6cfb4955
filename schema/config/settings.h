/* orch.yaml: the settings of one orch. Every key has a default except repository.path. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "schema/yaml/problems.h"

enum repository_fstype { REPOSITORY_FSTYPE_NFS, REPOSITORY_FSTYPE_ANY };
enum cycle_trigger { CYCLE_TRIGGER_EXTERNAL, CYCLE_TRIGGER_INTERNAL };
enum log_form { LOG_FORM_TEXT, LOG_FORM_JSON, LOG_FORM_JOURNAL };
enum on_stop { ON_STOP_CANCEL, ON_STOP_FINISH };

/* A day and time of the week in cycle.timezone, as in "Sat 12:00". */
struct week_time {
        int weekday; /* 0 = Sunday … 6, as in struct tm */
        int hour;
        int minute;
};

/* The severity of a message, which selects its channels: something failed or is not protected;
 * something needs attention; a reported incident has ended; the weekly summary. */
enum notice_severity {
        NOTICE_FAILURE,
        NOTICE_WARNING,
        NOTICE_RESOLVED,
        NOTICE_SUMMARY,
        NOTICE_SEVERITIES
};

enum notify_kind { NOTIFY_SLACK, NOTIFY_WEBHOOK, NOTIFY_COMMAND };

/* The channels that `slack:` makes. */
#define SLACK_FAILURE_CHANNEL "slack-failure"
#define SLACK_SUMMARY_CHANNEL "slack-summary"

/* Where messages go. */
struct notify_channel {
        char *name;
        enum notify_kind kind;
        char *url_env;       /* the name of the secret that holds the address; NULL for a command */
        char **command;      /* an argv; NULL for the others */
        unsigned severities; /* bits 1 << enum notice_severity */
        /* of messages about VMs, only those about a VM with one of these; NULL: all */
        char **tags;
        /* absolute path of the certificates that are believed; NULL: the system's */
        char *ca_file;
        unsigned timeout_seconds;
};

struct settings {
        char *file;      /* absolute path of the file read */
        char *directory; /* its folder: relative paths below start there */

        char *repository_path; /* the share, as this host sees it; absolute */
        enum repository_fstype repository_fstype;
        char *inventory; /* absolute path */
        char *socket;    /* absolute path */

        struct week_time cycle_start;
        char *cycle_timezone; /* NULL: the system's */
        enum cycle_trigger cycle_trigger;

        struct {
                unsigned jobs;
                unsigned jobs_per_hypervisor;
                unsigned thaw_deadline_seconds;
                unsigned copy_stall_seconds;
                unsigned bandwidth_mib_s; /* 0: no limit */
        } limits;

        struct {
                char *user;
                unsigned port;
                char *key;         /* absolute path */
                char *known_hosts; /* absolute path */
        } ssh;

        struct {
                unsigned hypervisor_free_gib;
                unsigned hypervisor_low_water_gib;
                double repository_free_factor;
        } checks;

        struct {
                /* the *names* of the variables; the values are secrets (schema/config/secrets.h) */
                char *failure_webhook_env;
                char *success_webhook_env;
                bool summary_after_cycle;
                struct week_time summary;
                char *ca_file; /* as in struct notify_channel */
                /* the file has `slack:`, so that a secret that is missing is a mistake */
                bool given;
        } slack;

        struct notify_channel *notify; /* beside those of `slack:` */
        size_t n_notify;

        enum log_form log_form; /* of the daemon */

        char *metrics_listen; /* "" : off; else "ADDRESS:PORT" */

        struct {
                /* local folder for what survives a restart; default /var/lib/orch */
                char *state;
                /* SIGTERM while a job runs: cancel it (default) or let it finish */
                enum on_stop on_stop;
        } daemon;

        struct {
                unsigned budget_minutes; /* per cycle; 0: off */
        } verify;
        struct {
                unsigned budget_minutes; /* per cycle; 0: off */
                unsigned boot_seconds;   /* how long a VM may take to come up */
        } test_restore;
};

/* Reads and validates the text of an orch.yaml. `path` is named in problems and is the base of
 * relative paths. Returns NULL when it adds at least one error to `problems`. The caller frees. */
struct settings *settings_parse(const char *text, size_t length, const char *path,
                                struct problems *problems) _must_check_;

/* The same from a file; a file that cannot be read is a problem too. *ret_text (may be NULL) gets
 * the text, to hand on. */
struct settings *settings_load(const char *path, char **ret_text,
                               struct problems *problems) _must_check_;

struct settings *settings_free(struct settings *settings);
DEFINE_FREEP(struct settings, settings_free)

/* "failure", "warning", "resolved", "summary" */
const char *notice_severity_name(enum notice_severity severity);
const char *notify_kind_name(enum notify_kind kind); /* "slack", "webhook", "command" */

/* The default path, /etc/orch/orch.yaml, or $ORCH_CONFIG. Not owned. */
const char *settings_default_path(void);
