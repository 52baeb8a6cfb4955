/* The message queue in the loop: notify/outbox.h delivers in threads, each channel wakes the loop
 * by a descriptor, and a timer starts the next attempt. */
#include <sys/epoll.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/notices/notices-internal.h"
#include "daemon/state/state.h"
#include "schema/config/secrets.h"

struct channel_source {
        struct notices *notices;
        size_t index;
        struct loop_source *source;
};

char *notices_queue_path(const struct notices *notices, const char *name)
{
        return path_join(notices->folder, name);
}

static void queue_turn(struct notices *notices)
{
        int64_t in_ms = outbox_turn(notices->outbox);
        if (in_ms >= 0)
                loop_timer_arm(notices->timer, in_ms, 0);
        else
                loop_timer_disarm(notices->timer);
}

static void on_queue_timer(void *data)
{
        queue_turn(data);
}

static void on_completion(void *data, uint32_t events)
{
        (void)events;
        const struct channel_source *source = data;
        outbox_dispatch(source->notices->outbox, source->index);
        queue_turn(source->notices);
}

void notices_queue_add(struct notices *notices, struct notice *notice, const char *key,
                       unsigned hold_seconds)
{
        log_info("message queued: %s", notice->title);
        outbox_add(notices->outbox, notice, key, hold_seconds);
        notice_free(notice);
        queue_turn(notices);
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
        notices->timer = loop_add_timer(loop, on_queue_timer, notices, err);
        return notices->timer ? 0 : -1;
}

int notices_queue_open(struct notices *notices, struct error **err)
{
        if (fs_make_dirs(notices->folder, err) < 0 || open_outbox(notices, err) < 0 ||
            watch_outbox(notices, err) < 0)
                return -1;
        queue_turn(notices);
        return 0;
}

void notices_queue_close(struct notices *notices)
{
        for (size_t i = 0; notices->sources && i < outbox_count(notices->outbox); i++)
                loop_source_free(notices->sources[i].source);
        loop_source_free(notices->timer);
        outbox_free(notices->outbox);
        free(notices->sources);
}
