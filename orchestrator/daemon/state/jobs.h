/* Jobs: one VM (or hypervisor), one action. The registry holds those that wait or run and the last
 * JOBS_KEPT that ended, assigns each an id, and keeps its log: JSON lines as they were streamed
 * (without progress) in <state>/jobs/<job>.jsonl for JOBS_LOG_DAYS, so that `orch log` works after
 * a restart. The newest lines are held in memory only for a job whose file cannot be written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strings.h"
#include "daemon/loop/process-id.h"
#include "daemon/state/job-names.h"
#include "daemon/state/stream.h"
#include "schema/records/messages.h"

#define JOBS_KEPT 200
#define JOBS_LOG_DAYS 90
/* Limit of a job's log before its outcome is known: the log of a worker that floods it is cut off
 * there. */
#define JOB_LOG_MAX_BYTES ((size_t)1 << 20)
#define JOB_WARNINGS_KEPT 50
#define JOB_REMOVED_MAX 1000
#define JOB_MEMORY_LOG_MAX_BYTES ((size_t)32 << 10)

struct batch;
struct daemon;
struct job;
struct worker_process;

/* In the order in which the queue serves them; AFTER: what follows a cycle
 * (daemon/cycle/after-cycle.h). */
enum job_class {
        JOB_CLASS_RECOVER,
        JOB_CLASS_ADHOC,
        JOB_CLASS_CYCLE,
        JOB_CLASS_RETRY,
        JOB_CLASS_AFTER
};

/* What asked for a job and is informed of it; set by daemon/jobs/batch.h. */
struct job_owner {
        /* A line was added to the job's stream; `progress_key` as for job_add_line(). */
        void (*line_added)(struct job *job, const char *line, const char *progress_key);
        /* Its outcome is known and has been recorded. The owner may be gone afterwards. */
        void (*job_ended)(struct job *job);
};

struct job_progress {
        char *disk; /* NULL: there is none */
        uint64_t done_bytes;
        uint64_t total_bytes;
        uint64_t bytes_per_second;
        int64_t remaining_seconds;
};

struct job {
        char id[24];
        enum job_action action;
        enum job_class class;
        enum job_state state;
        char *vm; /* NULL for a hypervisor check */
        /* home of the VM, or the one to check; NULL: not known (`hypervisor: auto`) */
        char *hypervisor;
        int priority;
        uint64_t sequence; /* of its batch: ad-hoc batches are served in the order they came */
        char *method;      /* overrides or NULL */
        char *level;
        bool accept_new_uuid;
        bool dry_run;
        bool if_due;       /* skip it when the VM has a good point newer than `last_good` */
        int64_t last_good; /* start of its newest good point when the job was requested; epoch
                              seconds, 0: none */
        /* it does not touch the VM (reads a point), so it may run beside another job of it */
        bool beside;
        bool pulls;      /* an instant restore that only watches its VM, which runs */
        json_t *options; /* job_request.options; NULL: none */

        int64_t created; /* epoch seconds */
        int64_t started;
        int64_t ended; /* when its outcome was known */
        char *step;
        int64_t step_since;
        struct job_progress progress;
        bool cancelling;
        struct daemon *daemon; /* set by the runner */
        /* of its worker; for a queued recovery: of the worker that it waits for */
        struct process_id process;
        struct worker_process *worker; /* while RUNNING or STUCK */
        struct batch *batch;           /* that asked for it; NULL: none */
        const struct job_owner *owner; /* set with `batch` */
        struct stream_set followers;   /* of its log */

        enum job_outcome outcome;
        enum error_kind error_kind;
        bool forgiven;     /* it failed and is tried again by another job */
        char *failed_step; /* the first one; NULL: none did */
        char *failed_check;
        unsigned left_undone; /* kept by daemon/jobs/recoveries.h */
        bool reported;        /* the outcome was recorded, and owner and listener were informed */
        char *error;
        char *path;  /* of the point made */
        char *point; /* its name */
        uint64_t stored_bytes;
        char **warnings; /* the first JOB_WARNINGS_KEPT */
        char **removed;  /* points that retention removed */

        /* opened for each line: as many jobs may wait as there are VMs. NULL: no log on disk */
        char *log_path;
        size_t log_bytes;
        struct strbuf memory_log;
};

struct jobs {
        struct job **items; /* oldest first */
        size_t count;
        char *folder;
};

/* Opens <state>/jobs, removes logs that are too old, and makes ended jobs of the newest logs. */
struct jobs *jobs_new(const char *state_folder, struct error **err) _must_check_;
/* Frees all jobs. Returns NULL. */
struct jobs *jobs_free(struct jobs *jobs);
DEFINE_FREEP(struct jobs, jobs_free)

/* A new queued job, which the registry owns. Either name may be NULL. */
struct job *jobs_add(struct jobs *jobs, enum job_action action, const char *vm,
                     const char *hypervisor);
struct job *jobs_find(const struct jobs *jobs, const char *id);
/* The newest job of a VM, NULL when none is known. */
struct job *jobs_find_newest(const struct jobs *jobs, const char *vm);
/* Whether it waits or has a worker. */
bool job_is_live(const struct job *job);

/* Closes the log, ends its followers with `end_line`, and drops ended jobs beyond JOBS_KEPT. The
 * job itself is dropped later. */
void jobs_end(struct jobs *jobs, struct job *job, const char *end_line);
/* Adds a line of the job's stream to its log, unless it is progress, and to its followers. */
void job_add_line(struct job *job, const char *line, const char *progress_key);
/* A stream of what has been logged so far and then (`follow`, while the job is live) of what comes;
 * otherwise it ends at once with `end_line`. The caller owns it. */
struct stream *jobs_open_log(struct jobs *jobs, struct job *job, bool follow, const char *end_line);
/* The last lines of its log as event_describe() formats them, without the VM; "" when there are
 * none. The caller frees. */
char *jobs_log_tail(const struct jobs *jobs, const struct job *job, size_t lines);
/* Removes logs older than JOBS_LOG_DAYS. */
void jobs_prune_logs(const struct jobs *jobs, int64_t now);

/* Whether limits.jobs applies to it. */
bool job_is_backup(const struct job *job);
