/* Implements daemon/jobs/job-record.h. A worker's metadata is read by the strict parser, and used
 * only when it is about the job's own VM. */
#include "daemon/jobs/job-record.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/state/state.h"
#include "schema/json/json-fields.h"

/* The row of a job that made no point and whose worker sent no metadata. */
static void record_without_metadata(struct daemon *daemon, const struct job *job)
{
        struct catalog_entry entry = {
                .vm = job->vm,
                .hypervisor = job->hypervisor,
                .job = (char *)job->id,
                .status = (char *)job_outcome_name(job->outcome),
                .method = job->method,
                .level = job->level,
                .started = job->started ? job->started : job->created,
                .finished = clock_realtime_s(),
                .error = job->error,
                .error_kind = (char *)error_kind_name(job->error_kind),
                .warnings = job->warnings,
        };
        if (entry.finished < entry.started) /* the clock was set back meanwhile */
                entry.finished = entry.started;
        entry.duration_seconds = entry.finished - entry.started;
        share_record(daemon->share, &entry);
        vm_states_note(&daemon->states, &entry);
}

static int record_metadata(struct daemon *daemon, struct job *job, const json_t *json,
                           struct error **err)
{
        _cleanup_free_ char *text = json_write_line(json);
        _cleanup_(metadata_freep) struct metadata *metadata =
                metadata_parse(text, strlen(text), err);
        if (!metadata)
                return -1;
        /* A job may fail after it made a good point: its post-backup commands come last. */
        bool made_point = streq(metadata->status, job_outcome_name(JOB_OUTCOME_OK)) &&
                          (job->outcome == JOB_OUTCOME_OK ||
                           (job->outcome == JOB_OUTCOME_FAILED && job->path));
        if (!streq(metadata->vm, job->vm) ||
            (!made_point && !streq(metadata->status, job_outcome_name(job->outcome))))
                return error_set(err, ERROR_CORRUPT, "they are of VM %s with status %s",
                                 metadata->vm, metadata->status);
        if (!made_point)
                xstrdup_replace(&job->path, NULL);
        else if (!job->path)
                job->path =
                        xasprintf("%s/%s/%s", metadata->hypervisor, metadata->vm, metadata->point);
        struct catalog_entry entry = { 0 };
        catalog_entry_from_metadata(metadata, job->path, &entry);
        if (!entry.hypervisor)
                entry.hypervisor = xstrdup(job->hypervisor);
        if (!entry.error_kind && !made_point && job->outcome == JOB_OUTCOME_FAILED)
                entry.error_kind = xstrdup(error_kind_name(job->error_kind));
        job->stored_bytes = made_point ? entry.stored_bytes : 0;
        xstrdup_replace(&job->point, made_point ? metadata->point : NULL);
        share_record(daemon->share, &entry);
        vm_states_note(&daemon->states, &entry);
        catalog_entry_done(&entry);
        const struct vm_state *state = vm_states_find(&daemon->states, job->vm);
        if (made_point && metadata->uuid && (job->accept_new_uuid || !state || !state->pin)) {
                share_set_pin(daemon->share, job->vm, metadata->uuid, metadata->hypervisor);
                vm_states_set_pin(&daemon->states, job->vm, metadata->uuid, metadata->hypervisor);
        }
        /* After the row of the new point, which is one of the VM's points as well. */
        for (size_t i = 0; job->removed && job->removed[i]; i++) {
                _cleanup_free_ char *path =
                        xasprintf("%s/%s/%s", metadata->hypervisor, job->vm, job->removed[i]);
                share_refresh_point(daemon->share, job->vm, path);
                vm_states_forget_point(&daemon->states, job->vm, job->removed[i]);
        }
        return 0;
}

void job_record(struct daemon *daemon, struct job *job, const json_t *metadata)
{
        if (!job_is_backup(job) || job->outcome == JOB_OUTCOME_SKIPPED)
                return;
        _cleanup_error_ struct error *error = NULL;
        if (metadata && record_metadata(daemon, job, metadata, &error) == 0)
                return;
        if (error)
                log_error("%s: cannot read the metadata that the worker sent: %s", job->id,
                          error->message);
        if (job->outcome != JOB_OUTCOME_OK)
                record_without_metadata(daemon, job);
}

/* "<hypervisor>/<vm>/<point>" */
static bool is_point_of(const char *path, const char *vm)
{
        const char *slash = strchr(path, '/');
        _cleanup_free_ char *hypervisor = slash ? xstrndup(path, (size_t)(slash - path)) : NULL;
        if (!hypervisor || !name_is_safe(hypervisor) || !vm || !str_starts_with(slash + 1, vm))
                return false;
        const char *point = slash + 1 + strlen(vm);
        return *point == '/' && name_is_safe(point + 1);
}

void job_record_state(struct daemon *daemon, const struct job *job, const struct event *event)
{
        if (is_point_of(event->path, job->vm))
                share_refresh_point(daemon->share, job->vm, event->path);
        else
                log_error(
                        "%s: the worker reported a change of something that is no point of its VM",
                        job->id);
}

void job_record_contact(struct daemon *daemon, const struct job *job)
{
        if (!job->hypervisor || !job->started)
                return;
        bool about_it = job->action == JOB_HYPERVISOR_CHECK;
        bool failed = job->outcome == JOB_OUTCOME_FAILED;
        bool no_way =
                failed && (job->error_kind == ERROR_UNREACHABLE || job->error_kind == ERROR_AUTH);
        if (job->outcome == JOB_OUTCOME_OK)
                vm_states_set_hypervisor(&daemon->states, job->hypervisor, NULL,
                                         clock_realtime_s());
        else if (no_way || (failed && about_it))
                vm_states_set_hypervisor(&daemon->states, job->hypervisor, job->error,
                                         clock_realtime_s());
}
