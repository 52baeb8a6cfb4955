/* What daemon and worker say to each other, there and back. */
#include "schema/records/messages.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/strings.h"
#include "samples.h"
#include "schema/json/json-fields.h"

static const enum event_type types[] = { EVENT_STEP,    EVENT_PROGRESS, EVENT_CHECK,
                                         EVENT_WARNING, EVENT_LOG,      EVENT_REMOVED,
                                         EVENT_STATE,   EVENT_DOMAIN,   EVENT_RESULT };

Test(messages, a_request_reads_back_with_its_texts_unharmed)
{
        _cleanup_(job_request_freep) struct job_request *request = sample_request();
        _cleanup_free_ char *line = job_request_format(request);
        cr_assert_null(strchr(line, '\n'));
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(job_request_freep) struct job_request *again =
                job_request_parse(line, strlen(line), &err);
        cr_assert(again, "%s", error_message(err));
        cr_assert_str_eq(again->settings_text, request->settings_text);
        cr_assert_str_eq(again->inventory_text, request->inventory_text);
        cr_assert_eq(again->action, JOB_BACKUP);
        cr_assert_eq(again->started, request->started);
        cr_assert_null(again->method);
        cr_assert_str_eq(again->level, "full");
        _cleanup_free_ char *line_again = job_request_format(again);
        cr_assert_str_eq(line_again, line);
}

Test(messages, every_action_has_a_name_that_reads_back)
{
        for (int action = JOB_BACKUP; action <= JOB_DISCOVER; action++) {
                _cleanup_(job_request_freep) struct job_request *request = sample_request();
                request->action = (enum job_action)action;
                request->hypervisor = xstrdup("hypervisor-01");
                _cleanup_free_ char *line = job_request_format(request);
                cr_assert(strstr(line, job_action_name(request->action)));
                _cleanup_(job_request_freep) struct job_request *again =
                        job_request_parse(line, strlen(line), NULL);
                cr_assert_eq(again->action, (enum job_action)action);
        }
        cr_assert_str_eq(job_action_name(JOB_HYPERVISOR_CHECK), "hypervisor-check");
}

Test(messages, refuses_a_request_that_is_wrong_and_says_which_field)
{
        static const struct {
                const char *key;
                const char *value; /* NULL: taken out */
                const char *message;
        } cases[] = {
                { "job", "\"a/b\"", "job request: job: expected a name" },
                { "action", "\"explode\"", "action: expected one of \"backup\", \"check\"" },
                { "action", "\"hypervisor-check\"",
                  "hypervisor: expected a name for the action \"hypervisor-check\", found "
                  "nothing" },
                { "vm", "null", "vm: expected a name for the action \"backup\", found nothing" },
                { "vm", "\"x; touch pwned\"", "vm: expected a name" },
                { "settings_text", NULL, "settings_text: expected a string, found nothing" },
                { "repository_uuid", "\"\"", "repository_uuid: expected a UUID, found \"\"" },
                { "started", "\"today\"", "started: expected a time" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_(job_request_freep) struct job_request *request = sample_request();
                _cleanup_free_ char *line = job_request_format(request);
                _cleanup_json_ json_t *json = json_loads(line, 0, NULL);
                if (cases[i].value)
                        json_object_set_new(json, cases[i].key,
                                            json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
                else
                        json_object_del(json, cases[i].key);
                _cleanup_free_ char *broken = json_dumps(json, 0);
                _cleanup_error_ struct error *err = NULL;
                cr_assert_null(job_request_parse(broken, strlen(broken), &err));
                cr_assert_eq(err->kind, ERROR_CORRUPT);
                cr_assert(strstr(err->message, cases[i].message), "expected \"%s\" in: %s",
                          cases[i].message, err->message);
        }
}

Test(messages, every_event_reads_back)
{
        for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
                _cleanup_(event_freep) struct event *event = sample_event(types[i]);
                _cleanup_free_ char *line = event_format(event);
                cr_assert_null(strchr(line, '\n'));
                _cleanup_error_ struct error *err = NULL;
                _cleanup_(event_freep) struct event *again = event_parse(line, strlen(line), &err);
                cr_assert(again, "%s", error_message(err));
                cr_assert_eq(again->type, types[i]);
                _cleanup_free_ char *line_again = event_format(again);
                cr_assert_str_eq(line_again, line);
        }
}

Test(messages, a_result_carries_the_error_and_its_kind)
{
        _cleanup_(event_freep) struct event *event = event_new(EVENT_RESULT);
        event->status = xstrdup("failed");
        event->error = xstrdup("no room on \xff/images");
        event->error_kind = ERROR_NOSPACE;
        _cleanup_free_ char *line = event_format(event);
        _cleanup_(event_freep) struct event *again = event_parse(line, strlen(line), NULL);
        cr_assert_eq(again->error_kind, ERROR_NOSPACE);
        cr_assert_str_eq(again->error, "no room on \xEF\xBF\xBD/images");
        cr_assert_null(again->metadata);
        cr_assert_null(again->path);
}

Test(messages, the_metadata_of_a_result_is_metadata)
{
        _cleanup_(event_freep) struct event *event = sample_event(EVENT_RESULT);
        _cleanup_free_ char *line = event_format(event);
        _cleanup_(event_freep) struct event *again = event_parse(line, strlen(line), NULL);
        _cleanup_free_ char *text = json_dumps(again->metadata, 0);
        _cleanup_(metadata_freep) struct metadata *metadata =
                metadata_parse(text, strlen(text), NULL);
        cr_assert(metadata);
        cr_assert_eq(metadata->n_disks, 2);
}

Test(messages, tolerates_unknown_fields_but_no_unknown_types)
{
        static const char tolerated[] = "{\"type\":\"log\",\"time_ms\":1,\"text\":\"x\",\"job\":"
                                        "\"20260201-3f9a\",\"step\":7}";
        _cleanup_(event_freep) struct event *event =
                event_parse(tolerated, strlen(tolerated), NULL);
        cr_assert(event);
        cr_assert_null(event->step, "a field of another type is not this one's");

        static const struct {
                const char *text;
                const char *message;
        } cases[] = {
                { "", "event:" },
                { "{}", "event: type: expected one of" },
                { "{\"type\":\"surprise\",\"time_ms\":1}",
                  "type: expected one of \"step\", \"progress\"" },
                { "{\"type\":\"log\",\"text\":\"x\"}",
                  "time_ms: expected a whole number from 0, found nothing" },
                { "{\"type\":\"log\",\"time_ms\":1}", "text: expected a string, found nothing" },
                { "{\"type\":\"log\",\"time_ms\":1,\"text\":{\"a\":1}}",
                  "text: expected a string, found an object" },
                { "{\"type\":\"step\",\"time_ms\":1,\"step\":\"a\",\"state\":\"bored\",\"duration_"
                  "ms\":1}",
                  "state: expected one of" },
                { "{\"type\":\"step\",\"time_ms\":1,\"step\":\"a\",\"state\":\"done\",\"duration_"
                  "ms\":-1}",
                  "duration_ms: expected" },
                { "{\"type\":\"check\",\"time_ms\":1,\"check\":{\"phase\":\"before\",\"name\":"
                  "\"x\",\"verdict\":\"pass\"}}",
                  "check.measured: expected a string, found nothing" },
                { "{\"type\":\"check\",\"time_ms\":1,\"check\":[]}",
                  "check: expected an object, found an array" },
                { "{\"type\":\"result\",\"time_ms\":1,\"status\":\"ok\",\"duration_ms\":1,\"error_"
                  "kind\":\"bad\"}",
                  "error_kind: expected" },
                { "{\"type\":\"result\",\"time_ms\":1,\"status\":\"ok\",\"duration_ms\":1,\"error_"
                  "kind\":5}",
                  "error_kind: expected" },
                { "{\"type\":\"result\",\"time_ms\":1,\"status\":\"ok\",\"duration_ms\":1,"
                  "\"metadata\":[]}",
                  "metadata: expected an object" },
                { "{\"type\":\"result\",\"time_ms\":1,\"status\":\"great\",\"duration_ms\":1}",
                  "status: expected one of" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_error_ struct error *err = NULL;
                cr_assert_null(event_parse(cases[i].text, strlen(cases[i].text), &err), "%s",
                               cases[i].text);
                cr_assert_eq(err->kind, ERROR_CORRUPT);
                cr_assert(strstr(err->message, cases[i].message), "expected \"%s\" in: %s",
                          cases[i].message, err->message);
        }
}

/* Sets the zone so that "22:00:15" is what comes out. */
static void in_utc(void)
{
        setenv("TZ", "UTC", 1);
        tzset();
}

static void expect_line(const struct event *event, const char *expected)
{
        _cleanup_free_ char *line = event_describe(event, "prod-db-01");
        if (expected)
                cr_assert_str_eq(line, expected);
        else
                cr_assert_null(line);
}

Test(messages, describes_steps, .init = in_utc)
{
        static const struct {
                enum step_state state;
                const char *text;
                int64_t duration_ms;
                const char *line;
        } cases[] = {
                { STEP_BEGIN, NULL, 0, NULL },
                { STEP_BEGIN, "vda, 64.0 GiB", 0, "22:00:15 prod-db-01 freeze: vda, 64.0 GiB" },
                { STEP_DONE, NULL, 41, "22:00:15 prod-db-01 freeze: done, 41 ms" },
                { STEP_DONE, "2 file systems", 12345,
                  "22:00:15 prod-db-01 freeze: done, 12.3s (2 file systems)" },
                { STEP_FAILED, "agent is mute", 5000,
                  "22:00:15 prod-db-01 freeze: FAILED after 5.0s (agent is mute)" },
                { STEP_UNDONE, "", 7, "22:00:15 prod-db-01 freeze: undone, 7 ms" },
                { STEP_SKIPPED, "no agent", 0, "22:00:15 prod-db-01 freeze: skipped (no agent)" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_(event_freep) struct event *event = sample_event(EVENT_STEP);
                event->state = cases[i].state;
                event->duration_ms = cases[i].duration_ms;
                xstrdup_replace(&event->text, cases[i].text);
                expect_line(event, cases[i].line);
        }
}

Test(messages, describes_checks_only_when_they_did_not_pass, .init = in_utc)
{
        static const struct {
                enum check_verdict verdict;
                const char *line;
        } cases[] = {
                { CHECK_PASS, NULL },
                { CHECK_WARN, "22:00:15 prod-db-01 check repository-space: warning, 1.2 GiB free, "
                              "5.0 GiB needed" },
                { CHECK_FAIL, "22:00:15 prod-db-01 check repository-space: FAIL, 1.2 GiB free, 5.0 "
                              "GiB needed" },
                { CHECK_SKIP, "22:00:15 prod-db-01 check repository-space: skipped, 1.2 GiB free, "
                              "5.0 GiB needed" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_(event_freep) struct event *event = sample_event(EVENT_CHECK);
                event->check.verdict = cases[i].verdict;
                expect_line(event, cases[i].line);
        }
}

Test(messages, describes_the_rest, .init = in_utc)
{
        static const struct {
                enum event_type type;
                const char *line;
        } cases[] = {
                { EVENT_PROGRESS, NULL },
                { EVENT_WARNING, "22:00:15 prod-db-01 warning: no guest agent" },
                { EVENT_LOG, "22:00:15 prod-db-01 no guest agent" },
                { EVENT_REMOVED, "22:00:15 prod-db-01 removed 2025-12-07-230007" },
                { EVENT_RESULT, "22:00:15 prod-db-01 ok, 6.0 GiB in 12.3s → "
                                "hypervisor-01/prod-db-01/2026-02-01-230015" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_(event_freep) struct event *event = sample_event(cases[i].type);
                expect_line(event, cases[i].line);
        }
        _cleanup_(event_freep) struct event *event = sample_event(EVENT_WARNING);
        _cleanup_free_ char *line = event_describe(event, NULL);
        cr_assert_str_eq(line, "22:00:15 warning: no guest agent");
}

Test(messages, describes_results_that_are_not_ok, .init = in_utc)
{
        static const struct {
                const char *status;
                const char *error;
                const char *line;
        } cases[] = {
                { "ok", NULL, "22:00:15 prod-db-01 ok" },
                { "failed", "no room", "22:00:15 prod-db-01 FAILED: no room" },
                { "cancelled", "on request", "22:00:15 prod-db-01 cancelled: on request" },
                { "skipped", NULL, "22:00:15 prod-db-01 skipped" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_(event_freep) struct event *event = event_new(EVENT_RESULT);
                event->time_ms = INT64_C(1769983215000);
                event->status = xstrdup(cases[i].status);
                event->error = xstrdup(cases[i].error);
                expect_line(event, cases[i].line);
        }
}

Test(messages, a_line_is_clean_and_fits_into_baculas, .init = in_utc)
{
        _cleanup_(event_freep) struct event *event = sample_event(EVENT_WARNING);
        xstrdup_replace(&event->text, "one\ntwo\x1b[31m\xff");
        expect_line(event, "22:00:15 prod-db-01 warning: one two?[31m\xEF\xBF\xBD");

        struct strbuf text = { 0 };
        while (text.length < 5000)
                strbuf_add(&text, "größe ");
        xstrdup_replace(&event->text, text.data);
        strbuf_done(&text);
        _cleanup_free_ char *line = event_describe(event, "prod-db-01");
        cr_assert_leq(strlen(line), 480);
        cr_assert_geq(strlen(line), 470);
        cr_assert(str_ends_with(line, "…"));
        _cleanup_json_ json_t *is_utf8 = json_string(line);
        cr_assert(is_utf8);
}
