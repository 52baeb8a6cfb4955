/* Implements daemon/notices/notices.h: listens to jobs, calls the watches, and answers what the
 * control API asks. */
#include "daemon/notices/notices.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/jobs/running-files.h"
#include "daemon/notices/notices-internal.h"
#include "daemon/state/state.h"
#include "notify/state-notices.h"
#include "schema/json/json-fields.h"

/* A scheduler reports its failed job at once. */
enum { REPORTED_ALREADY_MS = 120 * 1000 };

static void on_job_started(void *data, const struct job *job)
{
        if (job_is_backup(job))
                state_watch_clock_begun(data, clock_realtime_s());
}

static void on_job_warned(void *data, const struct job *job, const char *text)
{
        failure_watch_job_warned(data, job, text);
}

static void on_job_ended(void *data, const struct job *job)
{
        if (job_is_backup(job))
                week_watch_record(data, job);
        failure_watch_job_ended(data, job);
}

static void on_job_interrupted(void *data, const struct running_file *file)
{
        if (!file->is_backup)
                return;
        struct job job = {
                .vm = (char *)file->vm,
                .hypervisor = (char *)file->hypervisor,
                .action = JOB_BACKUP,
                .outcome = JOB_OUTCOME_FAILED,
                .error_kind = ERROR_INTERNAL,
                .error = (char *)"the daemon ended unexpectedly while the job was running; the VM "
                                 "is being recovered",
                .ended = clock_realtime_s(),
        };
        memcpy(job.id, file->job, strnlen(file->job, sizeof job.id - 1));
        week_watch_record(data, &job);
        failure_watch_job_interrupted(data, &job);
}

static void on_batch_failed(void *data, char *const *bacula_jobs)
{
        struct notices *notices = data;
        notices->batch_failed_ms = clock_monotonic_ms();
        for (size_t i = 0; bacula_jobs && bacula_jobs[i]; i++) {
                xstrdup_replace(&notices->reported_bacula_jobs[notices->next_reported],
                                bacula_jobs[i]);
                notices->next_reported = (notices->next_reported + 1) % REPORTED_BACULA_JOBS;
        }
}

static void on_cycle_ended(void *data)
{
        week_watch_cycle_ended(data, clock_realtime_s());
}

struct notices *notices_new(struct daemon *daemon, struct error **err)
{
        _cleanup_(notices_freep) struct notices *notices = xcalloc(1, sizeof *notices);
        notices->daemon = daemon;
        notices->folder = path_join(daemon->state_folder, "notify");
        notices->listener = (struct job_listener){ .started = on_job_started,
                                                   .warned = on_job_warned,
                                                   .ended = on_job_ended,
                                                   .interrupted = on_job_interrupted,
                                                   .batch_failed = on_batch_failed,
                                                   .cycle_ended = on_cycle_ended,
                                                   .data = notices };
        if (notices_queue_open(notices, err) < 0)
                return NULL;
        _cleanup_free_ char *path = notices_queue_path(notices, "incidents.json");
        notices->incidents = incidents_open(path);
        kept_moments_load(notices);
        week_watch_init(notices, clock_realtime_s());
        return TAKE_PTR(notices);
}

const struct job_listener *notices_listener(const struct notices *notices)
{
        return &notices->listener;
}

struct notices *notices_free(struct notices *notices)
{
        if (!notices)
                return NULL;
        notices_stop(notices);
        notices_queue_close(notices);
        failure_watch_done(notices);
        incidents_free(notices->incidents);
        strv_free(notices->recoveries_reported);
        for (size_t i = 0; i < REPORTED_BACULA_JOBS; i++)
                free(notices->reported_bacula_jobs[i]);
        free(notices->folder);
        free(notices);
        return NULL;
}

void notices_check(struct notices *notices)
{
        int64_t now = clock_realtime_s();
        if (notices->stopping)
                return;
        state_watch_share(notices, now);
        state_watch_inventory(notices, now);
        if (now < notices->next_clock_look && notices->next_clock_look - now <= 60)
                return;
        notices->next_clock_look = now + 20;
        kept_moments_limit(notices, now);
        state_watch_clock(notices, now);
        week_watch_check(notices, now);
}

/* The ids of a Director that was set up again start from 1, so an old id is no evidence. */
static bool was_reported(const struct notices *notices, const char *bacula_job)
{
        if (!notices->batch_failed_ms ||
            clock_monotonic_ms() - notices->batch_failed_ms >= REPORTED_ALREADY_MS)
                return false;
        for (size_t i = 0; bacula_job && i < REPORTED_BACULA_JOBS; i++)
                if (notices->reported_bacula_jobs[i] &&
                    streq(notices->reported_bacula_jobs[i], bacula_job))
                        return true;
        return !bacula_job;
}

int notices_scheduler_failed(struct notices *notices, const char *job, const char *bacula_job,
                             const char *text, bool *ret_queued, struct error **err)
{
        if (!outbox_has_channel_for(notices->outbox, NOTICE_FAILURE))
                return error_set(err, ERROR_CONFIG, "no channel takes failures");
        *ret_queued = !was_reported(notices, bacula_job);
        if (*ret_queued)
                notices_queue_add(notices, scheduler_failure_notice(job, text, clock_realtime_s()),
                                  NULL, 0);
        return 0;
}

static void on_test_result(void *data, const struct outbox_test *result)
{
        const struct running_test *test = data;
        if (test->done)
                test->result(test->data, result);
}

static void on_test_done(void *data)
{
        struct running_test *test = data;
        struct running_test **link = &test->notices->tests;
        while (*link != test)
                link = &(*link)->next;
        *link = test->next;
        if (test->done)
                test->done(test->data);
        free(test);
}

int notices_test(struct notices *notices, const char *channel,
                 void (*result)(void *data, const struct outbox_test *result),
                 void (*done)(void *data), void *data, struct error **err)
{
        _cleanup_strv_ char **names = outbox_names(notices->outbox);
        if (!names)
                return error_set(err, ERROR_CONFIG,
                                 "there is no channel: set the secret SLACK_FAILURE_WEBHOOK, or "
                                 "`notify:` in orch.yaml, and restart the daemon");
        if (channel && !strv_contains(names, channel)) {
                _cleanup_free_ char *list = strv_join(names, ", ");
                _cleanup_free_ char *shown = str_one_line(channel, 60);
                return error_set(err, ERROR_CONFIG, "there is no channel '%s'; there is: %s", shown,
                                 list);
        }
        struct running_test *test = xcalloc(1, sizeof *test);
        *test = (struct running_test){ .notices = notices,
                                       .result = result,
                                       .done = done,
                                       .data = data,
                                       .next = notices->tests };
        notices->tests = test;
        _cleanup_notice_ struct notice *notice = test_notice(clock_realtime_s());
        bool begun =
                outbox_test(notices->outbox, channel, notice, on_test_result, on_test_done, test);
        if (!begun)
                on_test_done(test);
        return 0;
}

void notices_stop(struct notices *notices)
{
        if (!notices)
                return;
        notices->stopping = true;
        for (struct running_test *test = notices->tests; test; test = test->next) {
                void (*done)(void *data) = test->done;
                test->done = NULL;
                if (done)
                        done(test->data);
        }
}

static json_t *time_json(int64_t when)
{
        _cleanup_free_ char *text = when ? clock_format_rfc3339(when) : NULL;
        return json_from_text(text);
}

json_t *notices_to_json(const struct notices *notices)
{
        json_t *array = json_array();
        for (size_t i = 0; i < outbox_count(notices->outbox); i++) {
                struct outbox_lane lane = outbox_look(notices->outbox, i);
                json_t *json = json_object();
                json_object_set_new(json, "channel", json_from_text(lane.channel));
                json_object_set_new(json, "kind", json_string(notify_kind_name(lane.kind)));
                json_object_set_new(json, "waiting", json_integer((json_int_t)lane.waiting));
                json_object_set_new(json, "oldest", time_json(lane.oldest));
                json_object_set_new(json, "attempts", json_integer(lane.attempts));
                json_object_set_new(json, "error", json_from_text(lane.error));
                json_object_set_new(json, "delivered", time_json(lane.delivered));
                json_object_set_new(json, "given_up", json_integer((json_int_t)lane.given_up));
                json_array_append_new(array, json);
        }
        return array;
}

void notices_warn(const struct notices *notices, char ***warnings)
{
        for (size_t i = 0; outbox_warnings(notices->outbox) && outbox_warnings(notices->outbox)[i];
             i++)
                strv_add(warnings, outbox_warnings(notices->outbox)[i]);
        for (size_t i = 0; i < outbox_count(notices->outbox); i++) {
                struct outbox_lane lane = outbox_look(notices->outbox, i);
                if (lane.waiting && lane.attempts) {
                        _cleanup_free_ char *since = clock_format_local(lane.oldest);
                        strv_addf(warnings, "channel %s: %zu message%s not delivered since %s: %s",
                                  lane.channel, lane.waiting, lane.waiting == 1 ? "" : "s", since,
                                  lane.error ? lane.error : "no reason known");
                }
                if (lane.given_up)
                        strv_addf(
                                warnings, "channel %s: %zu message%s dropped in the last week%s%s",
                                lane.channel, lane.given_up, lane.given_up == 1 ? " was" : "s were",
                                lane.given_up_error ? ": " : "",
                                lane.given_up_error ? lane.given_up_error : "");
        }
}
