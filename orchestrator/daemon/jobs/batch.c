/* Implements daemon/jobs/batch.h. Invariant: job->batch points here exactly while the job is in
 * `jobs`, so that the registry does not drop a job that a batch will still read. */
#include "daemon/jobs/batch.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/memory.h"
#include "daemon/jobs/runner.h"
#include "daemon/state/state.h"
#include "daemon/state/stream-lines.h"
#include "schema/records/exit-status.h"

struct batch {
        struct daemon *daemon;
        struct batch *next;
        const char *what;
        struct batch_hooks hooks;
        struct job **jobs;
        size_t n_jobs;
        size_t n_live;
        struct tally tally;
        struct stream_set streams;
        char **bacula_jobs;
        int64_t started_ms; /* monotonic */
        int64_t started;
        int exit_status; /* -1: by the jobs */
        bool sealed;
        bool closing;
};

static void end_if_idle(struct batch *batch);

struct batch *batch_new(struct daemon *daemon, const char *what, const struct batch_hooks *hooks)
{
        struct batch *batch = xcalloc(1, sizeof *batch);
        batch->daemon = daemon;
        batch->what = what;
        if (hooks)
                batch->hooks = *hooks;
        batch->started_ms = clock_monotonic_ms();
        batch->started = clock_realtime_s();
        batch->exit_status = -1;
        batch->next = daemon->batches;
        daemon->batches = batch;
        return batch;
}

static void batch_let_go(struct job *job)
{
        job->batch = NULL;
        job->owner = NULL;
}

struct batch *batch_free(struct batch *batch)
{
        struct batch **link = &batch->daemon->batches;
        while (*link != batch)
                link = &(*link)->next;
        *link = batch->next;
        for (size_t i = 0; i < batch->n_jobs; i++)
                batch_let_go(batch->jobs[i]);
        stream_set_end(&batch->streams, NULL);
        free(batch->jobs);
        strv_free(batch->bacula_jobs);
        free(batch);
        return NULL;
}

static void on_line_added(struct job *job, const char *line, const char *progress_key)
{
        stream_set_push(&job->batch->streams, line, progress_key);
}

static void on_job_ended(struct job *job)
{
        struct batch *batch = job->batch;
        batch->n_live--;
        batch->tally.succeeded += job->outcome == JOB_OUTCOME_OK;
        batch->tally.failed += job->outcome == JOB_OUTCOME_FAILED;
        batch->tally.cancelled += job->outcome == JOB_OUTCOME_CANCELLED;
        batch->tally.skipped += job->outcome == JOB_OUTCOME_SKIPPED;
        batch->tally.stored_bytes += job->stored_bytes;
        end_if_idle(batch);
}

void batch_add(struct batch *batch, struct job *job)
{
        static const struct job_owner owner = { .line_added = on_line_added,
                                                .job_ended = on_job_ended };
        job->batch = batch;
        job->owner = &owner;
        batch->jobs = xrealloc_array(batch->jobs, batch->n_jobs + 1, sizeof *batch->jobs);
        batch->jobs[batch->n_jobs++] = job;
        batch->n_live++;
        batch->tally.total++;
        queue_insert(&batch->daemon->queue, job);
        _cleanup_free_ char *line = line_queued(job, queue_position(&batch->daemon->queue, job));
        job_add_line(job, line, NULL);
        stream_set_push(&batch->streams, line, NULL);
}

void batch_skip(struct batch *batch, const char *vm, const char *why)
{
        batch->tally.total++;
        batch->tally.skipped++;
        batch_notice(batch, "info", "%s: %s", vm, why);
}

void batch_forgive(struct batch *batch, struct job *job)
{
        job->forgiven = true;
        batch->tally.failed--;
        batch->tally.total--;
}

void batch_add_bacula_job(struct batch *batch, const char *bacula_job)
{
        if (bacula_job && !strv_contains(batch->bacula_jobs, bacula_job))
                strv_add(&batch->bacula_jobs, bacula_job);
}

const char *batch_bacula_job(const struct batch *batch)
{
        size_t count = strv_length(batch->bacula_jobs);
        return count ? batch->bacula_jobs[count - 1] : NULL;
}

struct batch *batch_of_bacula_job(const struct daemon *daemon, const struct batch *after,
                                  const char *bacula_job)
{
        struct batch *batch = after ? after->next : daemon->batches;
        while (batch && !strv_contains(batch->bacula_jobs, bacula_job))
                batch = batch->next;
        return batch;
}

int batch_check_bacula_job(const char *bacula_job, struct error **err)
{
        if (!bacula_job || name_is_safe(bacula_job))
                return 0;
        _cleanup_free_ char *shown = str_one_line(bacula_job, 120);
        return error_set(err, ERROR_CONFIG,
                         "bacula_job: '%s' is no id of a job of Bacula; expected the number that "
                         "%%i stands for",
                         shown);
}

size_t batch_cancel(struct batch *batch, const char *why)
{
        size_t cancelled = 0;
        for (size_t i = 0; i < batch->n_jobs; i++) {
                /* The batch cannot end within this loop: it ends in a later turn, after its records
                 * are written. */
                struct job *job = batch->jobs[i];
                if (job->state != JOB_QUEUED && job->state != JOB_RUNNING)
                        continue;
                runner_cancel(batch->daemon, job, why);
                cancelled++;
        }
        return cancelled;
}

void batch_set_exit_status(struct batch *batch, int exit_status)
{
        batch->exit_status = exit_status;
}

void batch_notice(struct batch *batch, const char *level, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        _cleanup_free_ char *text = xvasprintf(format, ap);
        va_end(ap);
        _cleanup_free_ char *line = line_notice(level, "%s", text);
        stream_set_push(&batch->streams, line, NULL);
}

void batch_notice_broken_inventory(struct batch *batch, const struct error *broken)
{
        if (broken)
                batch_notice(batch, "error",
                             "the inventory is broken, the last good one is used: %s",
                             broken->message);
}

struct stream *batch_subscribe(struct batch *batch)
{
        struct stream *stream = stream_new();
        stream_join(stream, &batch->streams);
        return stream;
}

int batch_exit_status(const struct batch *batch)
{
        if (batch->exit_status >= 0)
                return batch->exit_status;
        return batch->tally.failed      ? STATUS_JOB_FAILED
               : batch->tally.cancelled ? STATUS_CANCELLED
                                        : STATUS_OK;
}

static const char *plural_ending(size_t n)
{
        return n == 1 ? "" : "s";
}

/* "3 VMs backed up, 12.4 GiB in 1h02m"; "1 of 3 VMs failed (web-01: …); 2 backed up, …" */
static char *batch_verdict(const struct batch *batch)
{
        const struct tally *tally = &batch->tally;
        struct strbuf text = { 0 };
        if (tally->total == 0)
                strbuf_add(&text, "nothing to do");
        if (tally->failed)
                strbuf_addf(&text, "%zu of %zu failed", tally->failed, tally->total);
        for (size_t i = 0, named = 0; i < batch->n_jobs && tally->failed && named < 3; i++) {
                const struct job *job = batch->jobs[i];
                if (job->outcome == JOB_OUTCOME_FAILED && !job->forgiven)
                        strbuf_addf(&text, "%s%s", named++ ? ", " : ": ",
                                    job->vm ? job->vm : job->hypervisor);
        }
        if (tally->cancelled)
                strbuf_addf(&text, "%s%zu cancelled", text.length ? "; " : "", tally->cancelled);
        if (tally->skipped)
                strbuf_addf(&text, "%s%zu skipped", text.length ? "; " : "", tally->skipped);
        if (tally->succeeded)
                strbuf_addf(&text, "%s%zu %s%s %s", text.length ? "; " : "", tally->succeeded,
                            batch->jobs[0]->vm ? "VM" : "hypervisor",
                            plural_ending(tally->succeeded), batch->what);
        if (tally->stored_bytes) {
                _cleanup_free_ char *bytes = format_bytes(tally->stored_bytes);
                strbuf_addf(&text, ", %s", bytes);
        }
        if (batch->n_jobs) {
                _cleanup_free_ char *duration =
                        format_duration_ms(clock_monotonic_ms() - batch->started_ms);
                strbuf_addf(&text, " in %s", duration);
        }
        return strbuf_take(&text);
}

static void on_recorded(void *data, const struct error *error, const char *unused)
{
        (void)unused;
        struct batch *batch = data;
        if (error && batch->n_jobs)
                batch_notice(batch, "warning", "the catalog could not be updated yet: %s",
                             error->message);
        _cleanup_free_ char *text = batch_verdict(batch);
        _cleanup_free_ char *line = line_end(batch_exit_status(batch), &batch->tally, text);
        stream_set_end(&batch->streams, line);
        struct daemon *daemon = batch->daemon;
        if (batch_exit_status(batch))
                daemon->listener->batch_failed(daemon->listener->data, batch->bacula_jobs);
        if (batch->hooks.closed)
                batch->hooks.closed(batch, batch->hooks.data);
        batch_free(batch);
        daemon_changed(daemon);
}

static void end_if_idle(struct batch *batch)
{
        if (!batch->sealed || batch->n_live || batch->closing)
                return;
        if (batch->hooks.idle && batch->hooks.idle(batch, batch->hooks.data))
                return;
        batch->closing = true;
        batch->tally.duration_seconds = (clock_monotonic_ms() - batch->started_ms + 500) / 1000;
        if (batch->hooks.closing)
                batch->hooks.closing(batch, batch->hooks.data);
        share_flush(batch->daemon->share, on_recorded, batch);
}

void batch_seal(struct batch *batch)
{
        batch->sealed = true;
        end_if_idle(batch);
}

const struct tally *batch_tally(const struct batch *batch)
{
        return &batch->tally;
}

int64_t batch_started(const struct batch *batch)
{
        return batch->started;
}

struct job *const *batch_jobs(const struct batch *batch, size_t *ret_count)
{
        *ret_count = batch->n_jobs;
        return batch->jobs;
}
