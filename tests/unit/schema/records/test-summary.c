/* last-run-summary.json, there and back. */
#include "schema/records/summary.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "samples.h"
#include "schema/json/json-fields.h"

Test(summary, totals_come_from_the_list)
{
        _cleanup_(summary_freep) struct summary *summary = sample_summary();
        cr_assert_eq(summary->total, 5);
        cr_assert_eq(summary->succeeded, 2);
        cr_assert_eq(summary->failed, 1);
        cr_assert_eq(summary->cancelled, 1);
        cr_assert_eq(summary->skipped, 1);
        cr_assert_eq(summary->stored_bytes, 2000);
        cr_assert_eq(summary->duration_seconds, 3600);
        summary_finish(summary, summary->started - 5);
        cr_assert_eq(summary->duration_seconds, 0,
                     "a clock that went back makes no negative duration");
        cr_assert_eq(summary->succeeded, 2, "and finishing twice counts nothing twice");
}

Test(summary, round_trip)
{
        _cleanup_(summary_freep) struct summary *summary = sample_summary();
        _cleanup_free_ char *text = summary_format(summary);
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(summary_freep) struct summary *again = summary_parse(text, strlen(text), &err);
        cr_assert(again, "%s", error_message(err));
        _cleanup_free_ char *text_again = summary_format(again);
        cr_assert_str_eq(text_again, text);
        cr_assert_eq(again->n_vms, 5);
        cr_assert_str_eq(again->vms[0].warnings[0], "no guest agent");
        cr_assert_null(again->vms[1].point);
        cr_assert_str_eq(again->vms[1].error_kind, "timeout");
}

Test(summary, an_empty_cycle_is_one_too)
{
        _cleanup_(summary_freep) struct summary *summary = summary_new();
        summary->repository_uuid = xstrdup("0f0e0d0c-1111-2222-3333-444455556666");
        summary_finish(summary, 10);
        _cleanup_free_ char *text = summary_format(summary);
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(summary_freep) struct summary *again = summary_parse(text, strlen(text), &err);
        cr_assert(again, "%s", error_message(err));
        cr_assert_eq(again->total, 0);
        cr_assert_str_eq(again->orch_version, ORCH_VERSION);
}

Test(summary, refuses_what_is_wrong_and_says_which_field)
{
        static const struct {
                bool in_vm;
                const char *key;
                const char *value;
                const char *message;
        } cases[] = {
                { false, "started", "null", "last-run-summary.json: started: expected a time" },
                { false, "total", "\"5\"", "total: expected a whole number from 0, found \"5\"" },
                { false, "vms", "{}", "vms: expected an array" },
                { false, "format", "7", "made by a newer orch" },
                { true, "status", "\"broken\"",
                  "vms[0].status: expected one of \"ok\", \"failed\", \"cancelled\", \"skipped\"" },
                { true, "vm", "\"-x\"", "vms[0].vm: expected a name" },
                { true, "duration_seconds", "-1",
                  "vms[0].duration_seconds: expected a whole number from 0" },
                { true, "warnings", "[null]",
                  "vms[0].warnings: expected an array of strings, found null" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_(summary_freep) struct summary *summary = sample_summary();
                _cleanup_free_ char *text = summary_format(summary);
                _cleanup_json_ json_t *json = json_loads(text, 0, NULL);
                json_object_set_new(
                        cases[i].in_vm ? json_array_get(json_object_get(json, "vms"), 0) : json,
                        cases[i].key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
                _cleanup_free_ char *broken = json_dumps(json, 0);
                _cleanup_error_ struct error *err = NULL;
                cr_assert_null(summary_parse(broken, strlen(broken), &err));
                cr_assert(strstr(err->message, cases[i].message), "expected \"%s\" in: %s",
                          cases[i].message, err->message);
        }
}
