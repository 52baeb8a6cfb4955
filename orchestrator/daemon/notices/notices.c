/* Implements daemon/notices/notices.h: the outbox in the loop, and what is kept of moments. */
#include "daemon/notices/notices.h"

#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/notices/notices-internal.h"
#include "daemon/state/state.h"
#include "notify/state-notices.h"
#include "schema/config/secrets.h"
#include "schema/json/json-fields.h"

#define KEPT_FORMAT 1

/* A scheduler calls at once when its job has failed. */
enum { TOLD_ALREADY_MS = 120 * 1000, SECONDS_A_DAY = 86400 };

struct channel_source {
        struct notices *notices;
        size_t index;
        struct loop_source *source;
};

#define KEPT(member) \
        .name = #member, .offset = offsetof(struct kept_moments, member), .type = JSON_FIELD_NUMBER
static const struct json_field kept_fields[] = {
        { KEPT(first_started) },
        { KEPT(last_begun) },
        { KEPT(dead_clock_slot) },
        { KEPT(summary_told) },
        { KEPT(free_bytes) },
        { KEPT(free_at) },
        { 0 },
};

char *notices_path(const struct notices *notices, const char *name)
{
        return path_join(notices->folder, name);
}

static void load_kept(struct notices *notices)
{
        _cleanup_free_ char *path = notices_path(notices, "state.json");
        size_t length = 0;
        _cleanup_free_ char *text = fs_read_file(path, 65536, &length, NULL);
        _cleanup_json_ json_t *json = text ? json_read_document(text, length, path, NULL) : NULL;
        if (!json || json_check_format(json, KEPT_FORMAT, NULL) < 0 ||
            json_fields_read(kept_fields, json, "", &notices->kept, NULL) < 0)
                notices->kept = (struct kept_moments){ 0 };
}

void notices_keep(const struct notices *notices)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_json_ json_t *json =
                json_fields_to_document(KEPT_FORMAT, kept_fields, &notices->kept);
        _cleanup_free_ char *text = json_write_document(json);
        _cleanup_free_ char *path = notices_path(notices, "state.json");
        if (fs_write_file(path, 0640, text, strlen(text), &error) < 0)
                log_warning("a restart may tell again what was told: %s", error->message);
}

static void turn(struct notices *notices)
{
        int64_t in_ms = outbox_turn(notices->outbox);
        if (in_ms >= 0)
                loop_timer_arm(notices->timer, in_ms, 0);
        else
                loop_timer_disarm(notices->timer);
}

static void on_timer(void *data)
{
        turn(data);
}

static void on_completion(void *data, uint32_t events)
{
        (void)events;
        const struct channel_source *source = data;
        outbox_dispatch(source->notices->outbox, source->index);
        turn(source->notices);
}

void notices_add(struct notices *notices, struct notice *notice, const char *key,
                 unsigned hold_seconds)
{
        log_info("to be told: %s", notice->title);
        outbox_add(notices->outbox, notice, key, hold_seconds);
        notice_free(notice);
        turn(notices);
}

static int open_outbox(struct notices *notices, struct error **err)
{
        const struct settings *settings = notices->daemon->settings;
        _cleanup_error_ struct error *error = NULL;
        _cleanup_(secrets_freep) struct secrets *secrets =
                secrets_load(settings->directory, &error);
        if (error)
                log_error("%s", error->message);
        struct channels channels = channels_of(settings, secrets);
        if (error)
                strv_addf(&channels.warnings, "no secret was read from secrets.conf: %s",
                          error->message);
        for (size_t i = 0; channels.warnings && channels.warnings[i]; i++)
                log_warning("%s", channels.warnings[i]);
        notices->outbox = outbox_open(notices->folder, &channels, err);
        return notices->outbox ? 0 : -1;
}

static int watch_outbox(struct notices *notices, struct error **err)
{
        struct loop *loop = notices->daemon->loop;
        size_t count = outbox_count(notices->outbox);
        notices->sources = xcalloc(count + 1, sizeof *notices->sources);
        for (size_t i = 0; i < count; i++) {
                struct channel_source *source = &notices->sources[i];
                *source = (struct channel_source){ .notices = notices, .index = i };
                source->source = loop_add_io(loop, outbox_fd(notices->outbox, i), EPOLLIN,
                                             on_completion, source, err);
                if (!source->source)
                        return -1;
        }
        notices->timer = loop_add_timer(loop, on_timer, notices, err);
        return notices->timer ? 0 : -1;
}

struct notices *notices_new(struct daemon *daemon, struct error **err)
{
        _cleanup_(notices_freep) struct notices *notices = xcalloc(1, sizeof *notices);
        notices->daemon = daemon;
        notices->folder = path_join(daemon->state_folder, "notify");
        if (fs_make_dirs(notices->folder, err) < 0 || open_outbox(notices, err) < 0 ||
            watch_outbox(notices, err) < 0)
                return NULL;
        _cleanup_free_ char *path = notices_path(notices, "incidents.json");
        notices->incidents = incidents_open(path);
        load_kept(notices);
        week_watch_init(notices, clock_realtime_s());
        turn(notices);
        return TAKE_PTR(notices);
}

struct notices *notices_free(struct notices *notices)
{
        if (!notices)
                return NULL;
        notices_stop(notices);
        for (size_t i = 0; notices->sources && i < outbox_count(notices->outbox); i++)
                loop_source_free(notices->sources[i].source);
        loop_source_free(notices->timer);
        outbox_free(notices->outbox);
        open_alerts_done(notices);
        incidents_free(notices->incidents);
        strv_free(notices->recoveries_told);
        for (size_t i = 0; i < TOLD_BACULA_JOBS; i++)
                free(notices->told_bacula_jobs[i]);
        free(notices->sources);
        free(notices->folder);
        free(notices);
        return NULL;
}

/* What a clock that was wrong for a while has noted must not silence for years what is told by the
 * clock. A clock that is set back by hours must not have told things told again. */
static void forget_the_future(struct notices *notices, int64_t now)
{
        struct kept_moments *kept = &notices->kept;
        int64_t *const moments[] = { &kept->first_started, &kept->last_begun,
                                     &kept->dead_clock_slot, &kept->summary_told };
        bool changed = false;
        for (size_t i = 0; i < ARRAY_LENGTH(moments); i++) {
                if (*moments[i] <= now + SECONDS_A_DAY)
                        continue;
                *moments[i] = now;
                changed = true;
        }
        if (changed)
                notices_keep(notices);
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
        forget_the_future(notices, now);
        state_watch_clock(notices, now);
        week_watch_check(notices, now);
}

void notices_cycle_ended(struct notices *notices)
{
        week_watch_cycle_ended(notices, clock_realtime_s());
}

void notices_batch_failed(struct notices *notices, char *const *bacula_jobs)
{
        notices->batch_failed_ms = clock_monotonic_ms();
        for (size_t i = 0; bacula_jobs && bacula_jobs[i]; i++) {
                xstrdup_replace(&notices->told_bacula_jobs[notices->next_told], bacula_jobs[i]);
                notices->next_told = (notices->next_told + 1) % TOLD_BACULA_JOBS;
        }
}

/* The ids of a Director that is made anew begin again, so an old one says nothing. */
static bool was_told(const struct notices *notices, const char *bacula_job)
{
        if (!notices->batch_failed_ms ||
            clock_monotonic_ms() - notices->batch_failed_ms >= TOLD_ALREADY_MS)
                return false;
        for (size_t i = 0; bacula_job && i < TOLD_BACULA_JOBS; i++)
                if (notices->told_bacula_jobs[i] && streq(notices->told_bacula_jobs[i], bacula_job))
                        return true;
        return !bacula_job;
}

int notices_scheduler_failed(struct notices *notices, const char *job, const char *bacula_job,
                             const char *text, bool *ret_queued, struct error **err)
{
        if (!outbox_has_channel_for(notices->outbox, NOTICE_FAILURE))
                return error_set(err, ERROR_CONFIG, "no channel takes failures");
        *ret_queued = !was_told(notices, bacula_job);
        if (*ret_queued)
                notices_add(notices, scheduler_failure_notice(job, text, clock_realtime_s()), NULL,
                            0);
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
                                 "there is no channel: give the secret SLACK_FAILURE_WEBHOOK, or "
                                 "`notify:` in orch.yaml, and start the "
                                 "daemon again");
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
                                warnings, "channel %s: %zu message%s given up in the last week%s%s",
                                lane.channel, lane.given_up, lane.given_up == 1 ? " was" : "s were",
                                lane.given_up_error ? ": " : "",
                                lane.given_up_error ? lane.given_up_error : "");
        }
}
