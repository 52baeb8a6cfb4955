/* backup-metadata.json, there and back, and what is refused. */
#include "schema/records/metadata.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "samples.h"
#include "schema/json/json-fields.h"

Test(metadata, reads_back_all_that_it_writes)
{
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata();
        _cleanup_free_ char *text = metadata_format(metadata);
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(metadata_freep) struct metadata *again = metadata_parse(text, strlen(text), &err);
        cr_assert(again, "%s", error_message(err));
        _cleanup_free_ char *text_again = metadata_format(again);
        cr_assert_str_eq(text_again, text);
        cr_assert_eq(again->format, 1);
        cr_assert_str_eq(again->domain, "prod db (01)");
        cr_assert_eq(again->started, 1769983215);
        cr_assert_eq(again->snapshot_at, 1769983219);
        cr_assert_eq(again->freeze_milliseconds, 41);
        cr_assert_eq(again->n_disks, 2);
        cr_assert_str_eq(again->disks[0].source_path,
                         "/var/lib/libvirt/images/we ird'q $(touch x)&\"ü\".qcow2");
        cr_assert_str_eq(again->disks[0].backing_file, "../2026-01-25-230011/prod-db-01-vda.qcow2");
        cr_assert_null(again->disks[1].backing_file);
        cr_assert_eq(again->disks[1].allocated_bytes, UINT64_C(5) << 30);
        cr_assert_eq(again->checks[2].phase, CHECK_AFTER);
        cr_assert_eq(again->checks[2].verdict, CHECK_FAIL);
        cr_assert_eq(strv_length(again->networks), 2);
        cr_assert_str_eq(again->boot_order[1], "52:54:00:12:34:56");
        cr_assert_eq(metadata_stored_bytes(again), (UINT64_C(6) << 30) + (2 << 20));
        cr_assert_eq(again->n_configs, 1);
        cr_assert_eq(metadata_find_config(again, "configs/running-config.txt")->change,
                     CONFIG_CHANGED);
        cr_assert_eq(again->configs[0].lines_added, 3);
        cr_assert_str_eq(again->configs_diff, "configs/changes.diff");
        cr_assert_null(metadata_find_config(again, "configs/version.txt"));
        cr_assert_eq(metadata_virtual_bytes(again), UINT64_C(128) << 30);
        cr_assert(str_starts_with(text, "{\n  \"format\": 1,\n"));
        cr_assert(str_ends_with(text, "\n}\n"));
}

Test(metadata, a_job_that_found_nothing_has_metadata_too)
{
        _cleanup_(metadata_freep) struct metadata *metadata = sample_failed_metadata();
        _cleanup_free_ char *text = metadata_format(metadata);
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(metadata_freep) struct metadata *again = metadata_parse(text, strlen(text), &err);
        cr_assert(again, "%s", error_message(err));
        cr_assert_null(again->point);
        cr_assert_eq(again->snapshot_at, 0);
        cr_assert_str_eq(again->error, "hypervisor-01: no connection within 10 s");
}

/* Writes the sample with one value replaced (or, for NULL, taken out) and expects the refusal that
 * names it. */
static void expect_refused(const char *object, const char *key, const char *value,
                           enum error_kind kind, const char *message)
{
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata();
        _cleanup_free_ char *text = metadata_format(metadata);
        _cleanup_json_ json_t *json = json_loads(text, 0, NULL);
        json_t *part = !object ? json : json_array_get(json_object_get(json, object), 0);
        if (value)
                json_object_set_new(part, key, json_loads(value, JSON_DECODE_ANY, NULL));
        else
                json_object_del(part, key);
        _cleanup_free_ char *broken = json_dumps(json, 0);
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(metadata_freep) struct metadata *again =
                metadata_parse(broken, strlen(broken), &err);
        cr_assert_null(again, "%s = %s was taken", key, value ? value : "nothing");
        cr_assert_eq(err->kind, kind, "%s", err->message);
        cr_assert(strstr(err->message, message), "expected \"%s\" in: %s", message, err->message);
}

Test(metadata, refuses_what_is_wrong_and_says_which_field)
{
        static const struct {
                const char *object;
                const char *key;
                const char *value;
                const char *message;
        } cases[] = {
                { NULL, "vm", NULL, "backup-metadata.json: vm: expected a name of letters" },
                { NULL, "vm", "7",
                  "vm: expected a name of letters, digits, '.', '_' and '-', found 7" },
                { NULL, "vm", "\"../../etc\"", "vm: expected" },
                { NULL, "vm", "\"x\\ny\"", "found \"x y\"" },
                { NULL, "hypervisor", "\"a/b\"", "hypervisor: expected" },
                { NULL, "hypervisor", "null",
                  "hypervisor: expected a value, as the status is \"ok\"" },
                { NULL, "point", "\".hidden\"", "point: expected" },
                { NULL, "job", "\"a b\"", "job: expected" },
                { NULL, "format", NULL, "format: expected a whole number from 1" },
                { NULL, "format", "0", "format: expected" },
                { NULL, "format", "\"1\"", "format: expected" },
                { NULL, "uuid", "\"c7a5fdbd\"", "uuid: expected a UUID, found \"c7a5fdbd\"" },
                { NULL, "uuid", "null",
                  "uuid: expected a value, as the status is \"ok\", found nothing" },
                { NULL, "repository_uuid", "\"c7a5fdbd-edaf-9455-926a-d65c16db180g\"",
                  "repository_uuid: expected a UUID" },
                { NULL, "status", "\"fine\"",
                  "status: expected one of \"ok\", \"failed\", \"cancelled\", found \"fine\"" },
                { NULL, "error", "\"oops\"", "error: expected null, as the status is \"ok\"" },
                { NULL, "started", "1769983215", "started: expected a time like" },
                { NULL, "started", "\"2026-02-31T22:00:15Z\"", "started: expected a time like" },
                { NULL, "started", "\"2026-02-01T22:00:15+01:00\"",
                  "started: expected a time like" },
                { NULL, "started", "\"1969-12-31T23:59:59Z\"", "started: expected a time like" },
                { NULL, "finished", "null", "finished: expected a value" },
                { NULL, "freeze_milliseconds", "-1",
                  "freeze_milliseconds: expected a whole number from 0, found -1" },
                { NULL, "freeze_milliseconds", "1.5", "found 1.5" },
                { NULL, "networks", "null", "networks: expected an array, found null" },
                { NULL, "boot_order", "[1]", "boot_order: expected an array of strings, found 1" },
                { NULL, "networks", "[1]", "networks: expected an array of strings, found 1" },
                { NULL, "nvram_file", "\"../x\"", "nvram_file: expected the name of a file" },
                { NULL, "tpm_folder", "\"..\"", "tpm_folder: expected the name of a file" },
                { NULL, "disks", "{}", "disks: expected an array, found an object" },
                { NULL, "disks", "[null]", "disks: expected an array of objects, found null" },
                { NULL, "disks", NULL, "disks: expected an array, found nothing" },
                { "disks", "target", "\"../vda\"", "disks[0].target: expected a name" },
                { "disks", "file", "\"a/b.qcow2\"", "disks[0].file: expected the name of a file" },
                { "disks", "file", "null", "disks[0].file: expected a value" },
                { "disks", "sha256", "\"E3B0\"",
                  "disks[0].sha256: expected 64 lower-case hexadecimal digits, found \"E3B0\"" },
                { "disks", "sha256", NULL, "disks[0].sha256: expected a value" },
                { "disks", "virtual_bytes", "-5",
                  "disks[0].virtual_bytes: expected a whole number from 0, found -5" },
                { "disks", "stored_bytes", "true",
                  "disks[0].stored_bytes: expected a whole number from 0, found true" },
                { "disks", "backing_file", "\"../../other-vm/p/x.qcow2\"",
                  "disks[0].backing_file: expected a path like" },
                { "disks", "backing_file", "\"../../x.qcow2\"",
                  "disks[0].backing_file: expected a path like" },
                { "disks", "backing_file", "\"/etc/passwd\"",
                  "disks[0].backing_file: expected a path like" },
                { "disks", "backing_file", "\"../2026-01-25-230011\"",
                  "disks[0].backing_file: expected a path like" },
                { "checks", "verdict", "\"maybe\"", "checks[0].verdict: expected one of" },
                { "checks", "phase", "0",
                  "checks[0].phase: expected one of \"before\", \"after\", found 0" },
                { "checks", "measured", "null",
                  "checks[0].measured: expected a string, found null" },
                { "excluded", "reason", NULL,
                  "excluded[0].reason: expected a string, found nothing" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                expect_refused(cases[i].object, cases[i].key, cases[i].value, ERROR_CORRUPT,
                               cases[i].message);
        expect_refused(NULL, "format", "2", ERROR_REFUSED,
                       "made by a newer orch; this one reads up to 1");
}

Test(metadata, refuses_what_is_no_json_object)
{
        static const char *const texts[] = {
                "",
                "{",
                "[]",
                "null",
                "{} {}",
                "{\"format\":1,\"format\":1}",
                "{\"format\":1,\"vm\":\"\xff\"}",
                "{\"format\":1,\"vm\":\"a\\u0000\"}",
        };
        for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
                _cleanup_error_ struct error *err = NULL;
                cr_assert_null(metadata_parse(texts[i], strlen(texts[i]), &err), "%s", texts[i]);
                cr_assert_eq(err->kind, ERROR_CORRUPT);
                cr_assert(str_starts_with(err->message, "backup-metadata.json"), "%s",
                          err->message);
        }
}

Test(metadata, refuses_a_key_that_is_there_twice)
{
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata();
        _cleanup_free_ char *text = metadata_format(metadata);
        _cleanup_free_ char *doubled = xasprintf("{\"vm\": \"another\", %s", text + 1);
        _cleanup_error_ struct error *err = NULL;
        cr_assert_null(metadata_parse(doubled, strlen(doubled), &err));
        cr_assert(strstr(err->message, "duplicate"), "%s", err->message);
}

Test(metadata, has_limits)
{
        size_t length = JSON_DOCUMENT_MAX_BYTES + 1;
        _cleanup_free_ char *text = xmalloc(length + 1);
        memset(text, ' ', length);
        memcpy(text, "{}", 2);
        _cleanup_error_ struct error *err = NULL;
        cr_assert_null(metadata_parse(text, length, &err));
        cr_assert(strstr(err->message, "expected at most 16777216 bytes, found 16777217"), "%s",
                  err->message);

        struct strbuf deep = { 0 };
        for (int i = 0; i < 100000; i++)
                strbuf_add_char(&deep, '[');
        cr_assert_null(metadata_parse(deep.data, deep.length, NULL));
        strbuf_done(&deep);

        struct strbuf wide = { 0 };
        strbuf_add(&wide, "[1");
        for (size_t i = 0; i < JSON_LIST_MAX_ITEMS; i++)
                strbuf_add(&wide, ",1");
        strbuf_add(&wide, "]");
        expect_refused(NULL, "warnings", wide.data, ERROR_CORRUPT,
                       "warnings: expected at most 65536 items, found 65537");
        expect_refused(NULL, "disks", wide.data, ERROR_CORRUPT,
                       "disks: expected at most 65536 items, found 65537");
        strbuf_done(&wide);
}

Test(metadata, tolerates_fields_of_a_later_version)
{
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata();
        _cleanup_free_ char *text = metadata_format(metadata);
        _cleanup_json_ json_t *json = json_loads(text, 0, NULL);
        json_object_set_new(json, "colour", json_string("green"));
        _cleanup_free_ char *more = json_dumps(json, 0);
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(metadata_freep) struct metadata *again = metadata_parse(more, strlen(more), &err);
        cr_assert(again, "%s", error_message(err));
        _cleanup_free_ char *text_again = metadata_format(again);
        cr_assert_str_eq(text_again, text);
}

Test(metadata, writing_survives_whatever_a_hypervisor_said)
{
        _cleanup_(metadata_freep) struct metadata *metadata = sample_metadata();
        xstrdup_replace(&metadata->disks[0].source_path, "/images/\xff\xfe.qcow2");
        xstrdup_replace(&metadata->machine, "a\nb\t\"c\" \\ \x01");
        strv_add(&metadata->warnings, "\xc3");
        metadata->disks[0].virtual_bytes = UINT64_MAX;
        metadata->freeze_milliseconds = -3;
        metadata->finished = INT64_MAX;
        metadata->snapshot_at = INT64_MIN;
        _cleanup_free_ char *text = metadata_format(metadata);
        _cleanup_error_ struct error *err = NULL;
        _cleanup_(metadata_freep) struct metadata *again = metadata_parse(text, strlen(text), &err);
        cr_assert(again, "%s", error_message(err));
        cr_assert_str_eq(again->disks[0].source_path, "/images/\xEF\xBF\xBD\xEF\xBF\xBD.qcow2");
        cr_assert_str_eq(again->machine, "a\nb\t\"c\" \\ \x01");
        cr_assert_str_eq(again->warnings[1], "\xEF\xBF\xBD");
        cr_assert_eq(again->disks[0].virtual_bytes, (uint64_t)INT64_MAX);
        cr_assert_eq(again->freeze_milliseconds, 0);
        cr_assert_eq(again->finished, INT64_C(253402300799));
        cr_assert_eq(again->snapshot_at, 0);
        cr_assert_eq(metadata_virtual_bytes(metadata), (uint64_t)INT64_MAX);
}

Test(metadata, words)
{
        cr_assert_str_eq(check_verdict_name(CHECK_PASS), "pass");
        cr_assert_str_eq(check_verdict_name(CHECK_WARN), "warn");
        cr_assert_str_eq(check_verdict_name(CHECK_FAIL), "fail");
        cr_assert_str_eq(check_verdict_name(CHECK_SKIP), "skip");
        cr_assert_str_eq(check_phase_name(CHECK_BEFORE), "before");
        cr_assert_str_eq(check_phase_name(CHECK_AFTER), "after");
}

Test(point_state, round_trip)
{
        _cleanup_point_state_ struct point_state state = sample_state();
        _cleanup_free_ char *text = point_state_format(&state);
        _cleanup_point_state_ struct point_state again = { 0 };
        _cleanup_error_ struct error *err = NULL;
        cr_assert_eq(point_state_parse(text, strlen(text), &again, &err), 0, "%s",
                     error_message(err));
        cr_assert(again.held);
        cr_assert(again.damaged);
        cr_assert_str_eq(again.held_reason, state.held_reason);
        cr_assert_str_eq(again.damage, state.damage);
        cr_assert_eq(again.verified, state.verified);
        cr_assert_eq(again.proven, state.proven);
        cr_assert_eq(again.proof_at, state.proof_at);
        cr_assert_eq(again.boot_milliseconds, state.boot_milliseconds);
        cr_assert_str_eq(again.proof, "booted");
        cr_assert_str_eq(again.proof_reason, state.proof_reason);
        cr_assert_str_eq(again.proof_job, state.proof_job);
        cr_assert_eq(strv_length(again.proof_evidence), 2);
}

Test(point_state, refuses_what_is_wrong_and_leaves_the_result_untouched)
{
        static const struct {
                const char *text;
                enum error_kind kind;
                const char *message;
        } cases[] = {
                { "{}", ERROR_CORRUPT, "state.json: format: expected" },
                { "{\"format\":2,\"held\":false,\"damaged\":false}", ERROR_REFUSED,
                  "made by a newer orch" },
                { "{\"format\":1,\"held\":1,\"damaged\":false}", ERROR_CORRUPT,
                  "state.json: held: expected true or false, found 1" },
                { "{\"format\":1,\"held\":true,\"held_reason\":\"x\",\"damaged\":null}",
                  ERROR_CORRUPT, "damaged: expected true or false" },
                { "{\"format\":1,\"held\":true,\"damaged\":false,\"proven\":0}", ERROR_CORRUPT,
                  "proven: expected a time" },
                { "nonsense", ERROR_CORRUPT, "state.json:1:" },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                struct point_state state = { .verified = 7 };
                _cleanup_error_ struct error *err = NULL;
                cr_assert_eq(point_state_parse(cases[i].text, strlen(cases[i].text), &state, &err),
                             -1);
                cr_assert_eq(err->kind, cases[i].kind);
                cr_assert(strstr(err->message, cases[i].message), "%s", err->message);
                cr_assert_eq(state.verified, 7);
                cr_assert_null(state.held_reason);
        }
}
