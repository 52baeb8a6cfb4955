/* An event as a line for people and for Bacula's job log, which breaks what is longer than 500
 * bytes. Everything in it may come from a hypervisor or a guest: the whole line is cleaned once, at
 * its end. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/records/messages.h"

#define LINE_MAX_BYTES 480
#define CUT_MARK "…"

static char *describe_duration(int64_t milliseconds)
{
        return milliseconds < 1000 ? xasprintf("%lld ms", (long long)milliseconds)
                                   : format_duration_ms(milliseconds);
}

/* A step's begin is printed only when it has a detail, so that a step has one line, and a long one
 * two. */
static bool describe_step(const struct event *event, struct strbuf *line)
{
        const char *detail = str_empty(event->text) ? NULL : event->text;
        _cleanup_free_ char *duration = describe_duration(event->duration_ms);
        switch (event->state) {
        case STEP_BEGIN:
                if (!detail)
                        return false;
                strbuf_addf(line, "%s: %s", event->step, detail);
                return true;
        case STEP_DONE:
                strbuf_addf(line, "%s: done, %s", event->step, duration);
                break;
        case STEP_FAILED:
                strbuf_addf(line, "%s: FAILED after %s", event->step, duration);
                break;
        case STEP_UNDONE:
                strbuf_addf(line, "%s: undone, %s", event->step, duration);
                break;
        case STEP_SKIPPED:
                strbuf_addf(line, "%s: skipped", event->step);
                break;
        }
        if (detail)
                strbuf_addf(line, " (%s)", detail);
        return true;
}

static bool describe_check(const struct metadata_check *check, struct strbuf *line)
{
        static const char *const words[] = {
                [CHECK_WARN] = "warning", [CHECK_FAIL] = "FAIL", [CHECK_SKIP] = "skipped"
        };
        if (check->verdict == CHECK_PASS)
                return false;
        strbuf_addf(line, "check %s: %s", check->name, words[check->verdict]);
        if (!str_empty(check->measured))
                strbuf_addf(line, ", %s", check->measured);
        return true;
}

static uint64_t stored_bytes(const json_t *items)
{
        uint64_t sum = 0;
        for (size_t i = 0; i < json_array_size(items); i++) {
                json_int_t bytes = json_integer_value(
                        json_object_get(json_array_get(items, i), "stored_bytes"));
                sum += bytes > 0 ? (uint64_t)bytes : 0;
        }
        return sum;
}

static void describe_result(const struct event *event, struct strbuf *line)
{
        if (!streq(event->status, "ok")) {
                strbuf_add(line, streq(event->status, "failed") ? "FAILED" : event->status);
                if (!str_empty(event->error))
                        strbuf_addf(line, ": %s", event->error);
                return;
        }
        strbuf_add(line, "ok");
        if (event->metadata) {
                _cleanup_free_ char *bytes =
                        format_bytes(stored_bytes(json_object_get(event->metadata, "disks")) +
                                     stored_bytes(json_object_get(event->metadata, "configs")));
                strbuf_addf(line, ", %s", bytes);
        }
        if (event->duration_ms > 0) {
                _cleanup_free_ char *duration = format_duration_ms(event->duration_ms);
                strbuf_addf(line, "%s%s", event->metadata ? " in " : ", ", duration);
        }
        if (event->path)
                strbuf_addf(line, " → %s", event->path);
}

static bool event_add_description(const struct event *event, struct strbuf *line)
{
        const char *text = event->text ? event->text : "";
        switch (event->type) {
        case EVENT_STEP:
                return describe_step(event, line);
        case EVENT_PROGRESS:
        case EVENT_STATE:
        case EVENT_DOMAIN:
                return false;
        case EVENT_CHECK:
                return describe_check(&event->check, line);
        case EVENT_WARNING:
                strbuf_addf(line, "warning: %s", text);
                return true;
        case EVENT_LOG:
                strbuf_add(line, text);
                return true;
        case EVENT_REMOVED:
                strbuf_addf(line, "removed %s", text);
                return true;
        case EVENT_RESULT:
                describe_result(event, line);
                return true;
        }
        return false;
}

char *event_describe(const struct event *event, const char *vm)
{
        _cleanup_strbuf_ struct strbuf line = { 0 };
        _cleanup_free_ char *when = clock_format_local(event->time_ms / 1000);
        const char *time_of_day = strchr(when, ' ');
        strbuf_addf(&line, "%s ", time_of_day ? time_of_day + 1 : when);
        if (vm)
                strbuf_addf(&line, "%s ", vm);
        if (!event_add_description(event, &line))
                return NULL;
        _cleanup_free_ char *clean = str_one_line(line.data, SIZE_MAX);
        if (strlen(clean) <= LINE_MAX_BYTES)
                return TAKE_PTR(clean);
        _cleanup_free_ char *cut = str_one_line(clean, LINE_MAX_BYTES - strlen(CUT_MARK));
        return xasprintf("%s" CUT_MARK, cut);
}
