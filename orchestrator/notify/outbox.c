/* Implements notify/outbox.h. A lane has at most one delivery of its queue under way (`busy`,
 * always of the oldest message) and beside it the requested tests. The thread owns a delivery's
 * data from the post to the completion. */
#include "notify/outbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "base/work-thread.h"
#include "notify/backoff.h"
#include "notify/spool.h"

enum { STOP_PATIENCE_MS = 2000, STOP_LIMIT_MS = 6000, HOLD_MAX_SECONDS = 60 };

struct lane {
        struct outbox *outbox;
        const struct channel *channel;
        struct spool *spool;
        struct work_thread *thread;
        bool busy;
        unsigned attempts;
        int64_t next_ms; /* monotonic: not before */
        char *error;
        int64_t delivered;
        char *given_up_error;
};

struct test_run {
        size_t left;
        void (*result)(void *data, const struct outbox_test *result);
        void (*done)(void *data);
        void *data;
};

struct outbox {
        struct channels channels;
        struct lane *lanes;
        size_t count;
        _Atomic int64_t stopping_ms; /* read by the threads; 0: no */
};

struct task {
        struct lane *lane;
        const struct channel *channel;
        const _Atomic int64_t *stopping_ms;
        struct notice *notice;
        int64_t number; /* in the spool */
        struct test_run *test;
        int64_t duration_ms;
        struct delivery delivery;
};

static void task_free(struct task *task)
{
        notice_free(task->notice);
        delivery_done(&task->delivery);
        free(task);
}

static bool is_broken_off(void *data)
{
        const struct task *task = data;
        int64_t since = atomic_load(task->stopping_ms);
        return since && clock_monotonic_ms() - since > STOP_PATIENCE_MS;
}

/* Runs on the lane's thread. */
static void run_task(void *data)
{
        struct task *task = data;
        int64_t begun = clock_monotonic_ms();
        channel_deliver(task->channel, task->notice, is_broken_off, task, &task->delivery);
        task->duration_ms = clock_monotonic_ms() - begun;
}

static void lane_post(struct lane *lane, struct notice *notice, int64_t number,
                      struct test_run *test, void (*completed)(void *))
{
        struct task *task = xcalloc(1, sizeof *task);
        *task = (struct task){ .lane = lane,
                               .channel = lane->channel,
                               .stopping_ms = &lane->outbox->stopping_ms,
                               .notice = notice,
                               .number = number,
                               .test = test };
        work_thread_post(lane->thread, run_task, completed, task);
}

static void lane_give_up(struct lane *lane, int64_t number, const char *why)
{
        _cleanup_error_ struct error *error = NULL;
        log_warning("channel %s: a message is dropped: %s", channel_name(lane->channel), why);
        if (spool_give_up(lane->spool, number, clock_realtime_s(), &error) < 0)
                log_warning("%s", error->message);
        xstrdup_replace(&lane->given_up_error, why);
        lane->attempts = 0;
}

/* The channel has failed for the whole day of the oldest message, so other messages of that age are
 * dropped too. */
static void lane_give_up_old(struct lane *lane, const char *why)
{
        int64_t limit = clock_realtime_s() - BACKOFF_GIVE_UP_SECONDS;
        while (spool_count(lane->spool) && spool_at(lane->spool, 0)->created <= limit)
                lane_give_up(lane, spool_at(lane->spool, 0)->number, why);
}

static void note_failure(struct lane *lane, const struct task *task)
{
        if (lane->attempts == 0)
                log_warning(
                        "channel %s: a message could not be delivered and will be sent again: %s",
                        channel_name(lane->channel), task->delivery.error);
        lane->attempts++;
        lane->next_ms = clock_monotonic_ms() +
                        backoff_ms(lane->attempts, task->delivery.retry_after_seconds);
        lane_give_up_old(lane, task->delivery.error);
}

static void on_delivered(void *data)
{
        struct task *task = data;
        struct lane *lane = task->lane;
        _cleanup_error_ struct error *error = NULL;
        lane->busy = false;
        xstrdup_replace(&lane->error, task->delivery.error);
        if (task->delivery.outcome == DELIVERY_DONE) {
                if (lane->attempts)
                        log_info("channel %s: messages are delivered again",
                                 channel_name(lane->channel));
                lane->attempts = 0;
                lane->next_ms = 0;
                lane->delivered = clock_realtime_s();
                if (spool_remove(lane->spool, task->number, &error) < 0)
                        log_warning("channel %s: %s", channel_name(lane->channel), error->message);
        } else if (task->delivery.outcome == DELIVERY_REFUSED) {
                lane_give_up(lane, task->number, task->delivery.error);
                lane->next_ms = 0;
        } else if (!atomic_load(task->stopping_ms)) {
                note_failure(lane, task);
        }
        task_free(task);
}

static void on_tested(void *data)
{
        struct task *task = data;
        struct test_run *test = task->test;
        const struct outbox_test result = {
                .channel = channel_name(task->channel),
                .kind = channel_kind(task->channel),
                .error = task->delivery.error,
                .duration_ms = task->duration_ms,
        };
        if (!result.error)
                task->lane->next_ms = 0;
        test->result(test->data, &result);
        if (--test->left == 0) {
                test->done(test->data);
                free(test);
        }
        task_free(task);
}

/* Starts the delivery of the oldest message when it is due. Returns the milliseconds until it is
 * due; -1: no message waits. */
static int64_t lane_turn(struct lane *lane)
{
        while (!lane->busy && spool_count(lane->spool)) {
                const struct spool_message *oldest = spool_at(lane->spool, 0);
                int64_t held_ms = (oldest->not_before - clock_realtime_s()) * 1000;
                int64_t wait_ms = lane->next_ms - clock_monotonic_ms();
                /* A clock that was set back must not hold the message without end. */
                if (held_ms > wait_ms && held_ms <= HOLD_MAX_SECONDS * 1000)
                        wait_ms = held_ms;
                if (wait_ms > 0)
                        return wait_ms;
                _cleanup_error_ struct error *error = NULL;
                struct notice *notice = spool_read(lane->spool, oldest->number, &error);
                if (!notice) {
                        lane_give_up(lane, oldest->number, error->message);
                        continue;
                }
                lane->busy = true;
                lane_post(lane, notice, oldest->number, NULL, on_delivered);
        }
        return -1;
}

static int lane_open(struct lane *lane, struct outbox *outbox, size_t index, const char *folder,
                     struct error **err)
{
        lane->outbox = outbox;
        lane->channel = outbox->channels.items[index];
        _cleanup_free_ char *path = path_join(folder, channel_name(lane->channel));
        lane->spool = spool_open(path, err);
        lane->thread = lane->spool ? work_thread_new(err) : NULL;
        return lane->thread ? 0 : -1;
}

/* Warns of messages that wait for a channel that the settings no longer have. */
static void outbox_warn_of_unknown(struct outbox *outbox, const char *folder)
{
        _cleanup_strv_ char **names = outbox_names(outbox);
        _cleanup_(closedirp) DIR *dir = opendir(folder);
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                struct stat st;
                bool is_folder =
                        fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                        S_ISDIR(st.st_mode);
                if (!is_folder || !name_is_safe(entry->d_name) ||
                    strv_contains(names, entry->d_name))
                        continue;
                _cleanup_free_ char *path = path_join(folder, entry->d_name);
                _cleanup_(spool_freep) struct spool *spool = spool_open(path, NULL);
                if (spool && spool_count(spool))
                        strv_addf(&outbox->channels.warnings,
                                  "%zu messages wait in %s for a channel that the settings do not "
                                  "have",
                                  spool_count(spool), path);
        }
}

struct outbox *outbox_open(const char *folder, struct channels *channels, struct error **err)
{
        _cleanup_(outbox_freep) struct outbox *outbox = xcalloc(1, sizeof *outbox);
        outbox->channels = *channels;
        *channels = (struct channels){ 0 };
        outbox->lanes = xcalloc(outbox->channels.count + 1, sizeof *outbox->lanes);
        for (; outbox->count < outbox->channels.count; outbox->count++)
                if (lane_open(&outbox->lanes[outbox->count], outbox, outbox->count, folder, err) <
                    0) {
                        spool_free(outbox->lanes[outbox->count].spool);
                        return NULL;
                }
        outbox_warn_of_unknown(outbox, folder);
        return TAKE_PTR(outbox);
}

struct outbox *outbox_free(struct outbox *outbox)
{
        if (!outbox)
                return NULL;
        bool left_behind = false;
        atomic_store(&outbox->stopping_ms, clock_monotonic_ms());
        for (size_t i = 0; i < outbox->count; i++)
                left_behind |= !work_thread_stop(outbox->lanes[i].thread, STOP_LIMIT_MS);
        /* A thread that hangs keeps using its data until the process ends. */
        if (left_behind)
                return NULL;
        for (size_t i = 0; i < outbox->count; i++) {
                spool_free(outbox->lanes[i].spool);
                free(outbox->lanes[i].error);
                free(outbox->lanes[i].given_up_error);
        }
        free(outbox->lanes);
        channels_done(&outbox->channels);
        free(outbox);
        return NULL;
}

size_t outbox_count(const struct outbox *outbox)
{
        return outbox->count;
}

int outbox_fd(const struct outbox *outbox, size_t index)
{
        return work_thread_fd(outbox->lanes[index].thread);
}

void outbox_dispatch(struct outbox *outbox, size_t index)
{
        work_thread_dispatch(outbox->lanes[index].thread);
}

int64_t outbox_turn(struct outbox *outbox)
{
        int64_t next = -1;
        for (size_t i = 0; i < outbox->count; i++) {
                int64_t in = lane_turn(&outbox->lanes[i]);
                if (in >= 0 && (next < 0 || in < next))
                        next = in;
        }
        return next;
}

void outbox_add(struct outbox *outbox, const struct notice *notice, const char *key,
                unsigned hold_seconds)
{
        int64_t now = clock_realtime_s();
        for (size_t i = 0; i < outbox->count; i++) {
                struct lane *lane = &outbox->lanes[i];
                _cleanup_error_ struct error *error = NULL;
                if (channel_wants(lane->channel, notice) &&
                    spool_add(lane->spool, notice, key, now, hold_seconds ? now + hold_seconds : 0,
                              &error) < 0)
                        log_error("channel %s: \"%s\" cannot be queued: %s",
                                  channel_name(lane->channel), notice->title, error->message);
        }
}

bool outbox_change(struct outbox *outbox, const char *key, const struct notice *notice,
                   unsigned hold_seconds)
{
        bool changed = false;
        for (size_t i = 0; i < outbox->count; i++) {
                struct lane *lane = &outbox->lanes[i];
                const struct spool_message *message = spool_find(lane->spool, key);
                bool is_first = message && message == spool_at(lane->spool, 0);
                if (!message || (is_first && (lane->busy || lane->attempts)))
                        continue;
                _cleanup_error_ struct error *error = NULL;
                if (spool_replace(lane->spool, message->number, notice,
                                  clock_realtime_s() + hold_seconds, &error) < 0)
                        log_warning("channel %s: %s", channel_name(lane->channel), error->message);
                else
                        changed = true;
        }
        return changed;
}

bool outbox_has(const struct outbox *outbox, const char *key)
{
        for (size_t i = 0; i < outbox->count; i++)
                if (spool_find(outbox->lanes[i].spool, key))
                        return true;
        return false;
}

bool outbox_has_channel_for(const struct outbox *outbox, enum notice_severity severity)
{
        const struct notice notice = { .severity = severity };
        for (size_t i = 0; i < outbox->count; i++)
                if (channel_wants(outbox->lanes[i].channel, &notice))
                        return true;
        return false;
}

static bool is_meant(const struct lane *lane, const char *name)
{
        return !name || streq(channel_name(lane->channel), name);
}

bool outbox_test(struct outbox *outbox, const char *channel, const struct notice *notice,
                 void (*result)(void *data, const struct outbox_test *result),
                 void (*done)(void *data), void *data)
{
        size_t meant = 0;
        for (size_t i = 0; i < outbox->count; i++)
                meant += is_meant(&outbox->lanes[i], channel);
        if (!meant)
                return false;
        struct test_run *test = xcalloc(1, sizeof *test);
        *test = (struct test_run){ .left = meant, .result = result, .done = done, .data = data };
        for (size_t i = 0; i < outbox->count; i++)
                if (is_meant(&outbox->lanes[i], channel))
                        lane_post(&outbox->lanes[i], notice_copy(notice), 0, test, on_tested);
        return true;
}

struct outbox_lane outbox_look(const struct outbox *outbox, size_t index)
{
        const struct lane *lane = &outbox->lanes[index];
        size_t waiting = spool_count(lane->spool);
        return (struct outbox_lane){
                .channel = channel_name(lane->channel),
                .kind = channel_kind(lane->channel),
                .waiting = waiting,
                .oldest = waiting ? spool_at(lane->spool, 0)->created : 0,
                .attempts = lane->attempts,
                .error = lane->error,
                .delivered = lane->delivered,
                .given_up = spool_given_up(lane->spool, clock_realtime_s()),
                .given_up_error = lane->given_up_error,
        };
}

char *const *outbox_warnings(const struct outbox *outbox)
{
        return outbox->channels.warnings;
}

char **outbox_names(const struct outbox *outbox)
{
        char **names = NULL;
        for (size_t i = 0; i < outbox->count; i++)
                strv_add(&names, channel_name(outbox->lanes[i].channel));
        return names;
}
