/* Routes about one job: GET /v1/jobs/{id}/log, POST /v1/jobs/{id}/cancel, and POST /v1/cancel for
 * what a job of Bacula has started. */
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api.h"
#include "daemon/cycle/cycle.h"
#include "daemon/jobs/batch.h"
#include "daemon/jobs/runner.h"
#include "daemon/state/state.h"

/* By id, or the newest of a VM. When there is none, answers the request and returns NULL. */
static struct job *find_job(const struct daemon *daemon, struct api_request *request)
{
        const char *word = api_path_word(request, 0);
        struct job *job = jobs_find(daemon->jobs, word);
        if (!job)
                job = jobs_find_newest(daemon->jobs, word);
        if (!job) {
                _cleanup_free_ char *shown = str_one_line(word, 120);
                api_answer_not_found(
                        request, "no job '%s' is known, and no job of a VM of that name", shown);
        }
        return job;
}

void api_job_log(struct daemon *daemon, struct api_request *request)
{
        struct job *job = find_job(daemon, request);
        if (!job)
                return;
        const char *follow = api_query(request, "follow");
        _cleanup_free_ char *end = runner_end_line(job);
        api_answer_stream(request,
                          jobs_open_log(daemon->jobs, job, follow && !streq(follow, "0"), end));
}

/* Whether the body is {}; when it is not, answers the request. */
static bool body_is_empty(struct api_request *request)
{
        static const struct json_field no_fields[] = { { 0 } };
        char nothing;
        _cleanup_error_ struct error *error = NULL;
        if (api_body(request, no_fields, &nothing, &error) == 0)
                return true;
        api_answer_error(request, error);
        return false;
}

/* By a VM's name: for a log a job that runs or ran is preferred to one that waits; a job that has
 * ended cannot be cancelled. */
static struct job *find_waiting(const struct daemon *daemon, const char *vm)
{
        for (size_t i = 0; i < daemon->queue.count; i++)
                if (streq(daemon->queue.items[i]->vm, vm))
                        return daemon->queue.items[i];
        return NULL;
}

void api_job_cancel(struct daemon *daemon, struct api_request *request)
{
        struct job *job = body_is_empty(request) ? find_job(daemon, request) : NULL;
        struct job *waiting = job && job->state == JOB_ENDED
                                      ? find_waiting(daemon, api_path_word(request, 0))
                                      : NULL;
        if (waiting)
                job = waiting;
        if (!job)
                return;
        if (job->state == JOB_ENDED || job->state == JOB_STUCK) {
                _cleanup_error_ struct error *error = NULL;
                error_set(&error, ERROR_REFUSED, "job %s %s", job->id,
                          job->state == JOB_ENDED
                                  ? "has ended already"
                                  : "is stuck: its worker does not end even when killed");
                api_answer_error(request, error);
                return;
        }
        json_t *json = json_object();
        json_object_set_new(json, "job", json_string(job->id));
        json_object_set_new(json, "state", json_string("cancelling"));
        runner_cancel(daemon, job, "cancelled on request");
        api_answer_json(request, json);
}

struct cancel_body {
        char *bacula_job;
};
static const struct json_field cancel_fields[] = {
        { .name = "bacula_job",
          .type = JSON_FIELD_TEXT,
          .required = true,
          .offset = offsetof(struct cancel_body, bacula_job) },
        { 0 },
};

static size_t cancel_batch(struct daemon *daemon, struct batch *batch)
{
        bool is_cycle = daemon->cycle && cycle_batch(daemon->cycle) == batch;
        return is_cycle ? cycle_cancel(daemon->cycle, "the cycle was cancelled")
                        : batch_cancel(batch, "the job of Bacula that requested it was cancelled");
}

void api_cancel(struct daemon *daemon, struct api_request *request)
{
        struct cancel_body body = { 0 };
        _cleanup_error_ struct error *error = NULL;
        struct batch *batch = NULL;
        if (api_body(request, cancel_fields, &body, &error) < 0) {
                api_answer_error(request, error);
        } else if (!(batch = batch_of_bacula_job(daemon, NULL, body.bacula_job))) {
                _cleanup_free_ char *shown = str_one_line(body.bacula_job, 120);
                api_answer_not_found(
                        request, "no job that Bacula's job %s has started is waiting or running",
                        shown);
        } else {
                json_t *json = json_object();
                size_t cancelled = 0;
                for (; batch; batch = batch_of_bacula_job(daemon, batch, body.bacula_job))
                        cancelled += cancel_batch(daemon, batch);
                json_object_set_new(json, "jobs", json_integer((json_int_t)cancelled));
                json_object_set_new(json, "state", json_string("cancelling"));
                api_answer_json(request, json);
        }
        json_fields_done(cancel_fields, &body);
}
