/* The messages between the daemon and a worker: a job request (one JSON object on the worker's
 * stdin) and events (one JSON object a line on its stdout). schema/job-request.schema.json and
 * schema/event.schema.json describe them; the control API streams the same events to clients with
 * the job's id added.
 *
 * The request carries the *texts* of settings and inventory as the daemon holds them, so that a
 * worker reads them with the one parser and sees the daemon's last good inventory, whatever is on
 * disk meanwhile. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "schema/records/metadata.h"

enum job_action {
        JOB_BACKUP,
        JOB_CHECK,
        JOB_RECOVER,
        JOB_HYPERVISOR_CHECK,
        JOB_VERIFY,
        JOB_RESTORE,
        JOB_TEST_RESTORE,
        JOB_PRUNE,
        JOB_DISCOVER,
};
/* Whether it is about a hypervisor; every other is about a VM. */
bool job_action_is_of_hypervisor(enum job_action action);

struct job_request {
        char *job; /* "20261120-3f9a" */
        enum job_action action;
        char *vm;         /* name in the inventory; NULL for what is of a hypervisor */
        char *hypervisor; /* for what is of a hypervisor; else NULL */
        char *trigger;    /* "cycle", "adhoc" */
        int64_t started;  /* epoch seconds */
        char *settings_path;
        char *settings_text;
        char *inventory_path;
        char *inventory_text;
        char *repository_uuid; /* that the daemon opened with; the worker refuses another */
        char *pinned_uuid;     /* of the VM at its first backup; NULL: none yet */
        /* its home at its first backup, for `hypervisor: auto`; NULL: none yet */
        char *pinned_hypervisor;
        bool dry_run; /* of a recovery: report what would be done, change nothing */
        char *method; /* override or NULL */
        char *level;  /* override or NULL */
        /* ids of the other jobs that have a worker now: what carries their names is in use */
        char **live_jobs;
        /* of a verification, restore or test-restore: an object whose fields its own reader knows;
         * NULL: none */
        json_t *options;
};

struct job_request *job_request_free(struct job_request *request);
DEFINE_FREEP(struct job_request, job_request_free)
/* One line of JSON without a newline; the caller frees. */
char *job_request_format(const struct job_request *request);
struct job_request *job_request_parse(const char *text, size_t length,
                                      struct error **err) _must_check_;
const char *job_action_name(enum job_action action); /* "backup", … */

enum event_type {
        EVENT_STEP,     /* a step began, ended, failed, or was undone */
        EVENT_PROGRESS, /* of a copy or a read-back */
        EVENT_CHECK,    /* a check's verdict */
        EVENT_WARNING,  /* goes into the metadata and the summary */
        EVENT_LOG,      /* a line for backup.log and `orch log` */
        EVENT_REMOVED,  /* retention removed a point */
        /* state.json of a point was written, or it is not what the catalog may think: see `path`,
         * `point_state` */
        EVENT_STATE,
        EVENT_DOMAIN, /* a domain of a hypervisor */
        EVENT_RESULT, /* the last one */
};

enum step_state { STEP_BEGIN, STEP_DONE, STEP_FAILED, STEP_UNDONE, STEP_SKIPPED };

struct event {
        enum event_type type;
        int64_t time_ms; /* wall clock */
        /* STEP */
        char *step; /* "freeze", "copy", … : names in schema/records/steps.h */
        enum step_state state;
        /* STEP: detail or NULL; WARNING, LOG: the message; REMOVED: the point's name */
        char *text;
        int64_t duration_ms; /* STEP_DONE and after; RESULT: of the whole job */
        bool alert; /* WARNING: an operator should know at once, not only from the summary */
        /* PROGRESS */
        char *disk;
        uint64_t done_bytes;
        uint64_t total_bytes;
        uint64_t bytes_per_second;
        int64_t remaining_seconds; /* -1: not known */
        /* CHECK */
        struct metadata_check check;
        /* RESULT */
        char *status;               /* "ok", "failed", "cancelled", "skipped" */
        enum error_kind error_kind; /* only used when there is an error */
        char *error;                /* NULL when ok */
        /* RESULT, STATE: of the point, relative to the repository; NULL where there is none */
        char *path;
        /* owned; the metadata object of a point made, else of the failed job; may be NULL */
        json_t *metadata;
        /* DOMAIN */
        struct {
                char *name; /* any text that libvirt takes */
                char *uuid;
                char *state; /* "running", … */
                char *vm;    /* the VM of the inventory that it is; NULL: none */
        } domain;
        /* STATE */
        /* the content of state.json now, by schema/state.schema.json; NULL: the point does not
         * exist */
        json_t *point_state;
};

/* Stamped with the time of now. */
struct event *event_new(enum event_type type);
struct event *event_free(struct event *event);
DEFINE_FREEP(struct event, event_free)
/* One line without a newline; the caller frees. */
char *event_format(const struct event *event);
struct event *event_parse(const char *text, size_t length, struct error **err) _must_check_;
/* The line for a person and for Bacula's job log ("12:00:03 prod-db-01 freeze: done, 41 ms"); NULL
 * for one that is not printed outside a terminal: progress, a point's state, a check that passed, a
 * step's begin without a text. At most 480 bytes of clean UTF-8. `vm` may be NULL. The caller
 * frees. */
char *event_describe(const struct event *event, const char *vm);
