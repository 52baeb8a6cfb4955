/* An entry's way into the database and out of it as JSON, field by field. */
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "fixture.h"

TestSuite(entry, .init = make_folder, .fini = remove_folder);

static json_t *first_of(struct catalog *catalog)
{
        _cleanup_catalog_list_ struct catalog_list list = { 0 };
        assert_ok(catalog_list(catalog, NULL, true, &list, err));
        _cleanup_free_ char *text = catalog_list_to_json(&list);
        json_t *array = json_loads(text, 0, NULL);
        cr_assert(json_is_array(array));
        json_t *first = json_incref(json_array_get(array, 0));
        json_decref(array);
        return first;
}

static void assert_json(json_t *json, const char *key, const char *expected)
{
        json_t *value = json_object_get(json, key);
        cr_assert(value, "%s is missing", key);
        _cleanup_free_ char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        cr_assert_str_eq(text, expected, "%s is %s", key, text);
}

/* Every field through the database and into JSON; names and forms are part of the interface. */
Test(entry, every_field_comes_back)
{
        struct catalog *catalog = open_catalog(true);
        const char *evidence[] = { "agent: answered", NULL };
        const char *warnings[] = { "one \"quoted\"", "two\nlines", "h\303\251", NULL };
        struct catalog_entry entry = {
                .vm = (char *)"a",
                .hypervisor = (char *)"b",
                .point = (char *)"c",
                .job = (char *)"d",
                .status = (char *)"ok",
                .level = (char *)"e",
                .method = (char *)"f",
                .consistency = (char *)"g",
                .path = (char *)"h",
                .uuid = (char *)"i",
                .virtual_bytes = UINT64_MAX,
                .stored_bytes = 1ull << 40,
                .started = 1770000000,
                .finished = 1770000061,
                .duration_seconds = 61,
                .freeze_milliseconds = 55,
                .parent = (char *)"j",
                .held = true,
                .verified = 1770000100,
                .proven = 1770000200,
                .proof_at = 1770000201,
                .proof = (char *)"booted",
                .proof_reason = (char *)"m",
                .boot_milliseconds = 9123,
                .proof_evidence = (char **)evidence,
                .warnings = (char **)warnings,
                .error = (char *)"k",
                .error_kind = (char *)"l",
        };
        static const char *const expected[][2] = {
                { "vm", "\"a\"" },
                { "hypervisor", "\"b\"" },
                { "point", "\"c\"" },
                { "job", "\"d\"" },
                { "status", "\"ok\"" },
                { "level", "\"e\"" },
                { "method", "\"f\"" },
                { "consistency", "\"g\"" },
                { "path", "\"h\"" },
                { "uuid", "\"i\"" },
                { "virtual_bytes", "9223372036854775807" },
                { "stored_bytes", "1099511627776" },
                { "started", "\"2026-02-02T02:40:00Z\"" },
                { "finished", "\"2026-02-02T02:41:01Z\"" },
                { "duration_seconds", "61" },
                { "freeze_milliseconds", "55" },
                { "parent", "\"j\"" },
                { "held", "true" },
                { "verified", "\"2026-02-02T02:41:40Z\"" },
                { "proven", "\"2026-02-02T02:43:20Z\"" },
                { "proof_at", "\"2026-02-02T02:43:21Z\"" },
                { "proof", "\"booted\"" },
                { "proof_reason", "\"m\"" },
                { "boot_milliseconds", "9123" },
                { "proof_evidence", "[\"agent: answered\"]" },
                { "warnings", "[\"one \\\"quoted\\\"\",\"two\\nlines\",\"h\303\251\"]" },
                { "error", "\"k\"" },
                { "error_kind", "\"l\"" },
        };

        assert_ok(catalog_record(catalog, &entry, err));
        json_t *json = first_of(catalog);
        for (size_t i = 0; i < ARRAY_LENGTH(expected); i++)
                assert_json(json, expected[i][0], expected[i][1]);
        cr_assert_eq(json_object_size(json), ARRAY_LENGTH(expected));
        json_decref(json);
        catalog_free(catalog);
        _cleanup_free_ char *size = query_text(file, "SELECT virtual_bytes FROM entry");
        cr_assert_str_eq(size, "9223372036854775807", "a size never becomes negative");
}

Test(entry, what_is_not_known_is_null)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        struct catalog_entry entry = { .vm = (char *)"a", .status = (char *)"failed" };
        static const char *const nulls[] = { "hypervisor", "point",       "job",        "level",
                                             "method",     "consistency", "path",       "uuid",
                                             "started",    "finished",    "parent",     "verified",
                                             "proven",     "error",       "error_kind", "proof_at",
                                             "proof",      "proof_reason" };

        assert_ok(catalog_record(catalog, &entry, err));
        json_t *json = first_of(catalog);
        for (size_t i = 0; i < ARRAY_LENGTH(nulls); i++)
                assert_json(json, nulls[i], "null");
        assert_json(json, "held", "false");
        assert_json(json, "warnings", "[]");
        assert_json(json, "virtual_bytes", "0");
        json_decref(json);
}

Test(entry, bytes_that_are_no_text_still_make_json)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        const char *warnings[] = { "w\377w", NULL };
        struct catalog_entry entry = { .vm = (char *)"a",
                                       .status = (char *)"failed",
                                       .error = (char *)"disk \377\376 gone",
                                       .warnings = (char **)warnings };

        assert_ok(catalog_record(catalog, &entry, err));
        json_t *json = first_of(catalog);
        cr_assert(strstr(json_string_value(json_object_get(json, "error")), "gone"));
        cr_assert_eq(json_array_size(json_object_get(json, "warnings")), 1);
        json_decref(json);
}

Test(entry, an_empty_list_is_an_empty_array)
{
        struct catalog_list list = { 0 };
        _cleanup_free_ char *text = catalog_list_to_json(&list);
        cr_assert_str_eq(text, "[]");
}

Test(entry, of_metadata)
{
        struct point_list points = { 0 };
        add_point(&points, make_point("web", 1770000000));
        _cleanup_catalog_entry_ struct catalog_entry entry = { 0 }, failed = { 0 };

        catalog_entry_from_metadata(points.items[0].metadata, "hv/web/x", &entry);
        cr_assert_str_eq(entry.path, "hv/web/x");
        cr_assert_str_eq(entry.method, "snapshot", "the one that was used");
        cr_assert_str_eq(entry.status, "ok");
        cr_assert_eq(entry.virtual_bytes, 3 << 20);
        cr_assert_eq(entry.stored_bytes, 1 << 20);
        cr_assert_eq(entry.duration_seconds, 90);
        cr_assert_str_eq(entry.warnings[0], "a \"warning\"");

        xstrdup_replace(&points.items[0].metadata->status, "failed");
        catalog_entry_from_metadata(points.items[0].metadata, NULL, &failed);
        cr_assert(!failed.path && !failed.point);
        cr_assert_str_eq(failed.status, "failed");
        free_points(&points);
}

Test(entry, of_a_point_follows_where_it_lies_and_what_its_state_says)
{
        struct point_list points = { 0 };
        add_point(&points, make_point("web", 1770000000));
        struct point *point = &points.items[0];
        _cleanup_catalog_entry_ struct catalog_entry entry = { 0 }, damaged = { 0 };

        xstrdup_replace(&point->hypervisor, "moved-here");
        point->state = (struct point_state){
                .held = true, .verified = 5, .proven = 6, .proof_at = 7, .proof = xstrdup("booted")
        };
        catalog_entry_from_point(point, &entry);
        cr_assert_eq(entry.proof_at, 7);
        cr_assert_str_eq(entry.proof, "booted");
        cr_assert_str_eq(entry.hypervisor, "moved-here");
        cr_assert_str_eq(entry.status, "ok");
        cr_assert(entry.held && entry.verified == 5 && entry.proven == 6 && !entry.error);

        point->state.damaged = true;
        point->state.damage = xstrdup("vda.qcow2 has another checksum");
        catalog_entry_from_point(point, &damaged);
        cr_assert_str_eq(damaged.status, "damaged");
        cr_assert_str_eq(damaged.error, "vda.qcow2 has another checksum");
        free_points(&points);
}

Test(entry, of_a_point_without_metadata_is_damaged_and_as_old_as_its_name)
{
        assert_ok(clock_set_timezone("Europe/Berlin", err));
        struct point point = { .hypervisor = (char *)"hv",
                               .vm = (char *)"web",
                               .name = (char *)"2026-02-01-220015",
                               .path = (char *)"hv/web/2026-02-01-220015",
                               .problem = (char *)"backup-metadata.json is empty" };
        _cleanup_catalog_entry_ struct catalog_entry entry = { 0 }, odd = { 0 };

        catalog_entry_from_point(&point, &entry);
        _cleanup_free_ char *started = clock_format_rfc3339(entry.started);
        cr_assert_str_eq(started, "2026-02-01T21:00:15Z");
        cr_assert_str_eq(entry.status, "damaged");
        cr_assert_str_eq(entry.error, "backup-metadata.json is empty");
        cr_assert_str_eq(entry.path, "hv/web/2026-02-01-220015");
        cr_assert_null(entry.job);

        point.name = (char *)"by-hand";
        catalog_entry_from_point(&point, &odd);
        cr_assert_eq(odd.started, 0);
}

Test(entry, a_copy_has_texts_of_its_own)
{
        char *warnings[] = { (char *)"slow", NULL };
        const struct catalog_entry entry = { .vm = (char *)"web",
                                             .job = (char *)"20260201-0001",
                                             .started = 7,
                                             .stored_bytes = 9,
                                             .warnings = warnings };
        _cleanup_catalog_entry_ struct catalog_entry copy = { 0 };
        catalog_entry_copy(&entry, &copy);
        cr_assert_str_eq(copy.vm, "web");
        cr_assert(copy.vm != entry.vm);
        cr_assert_str_eq(copy.job, "20260201-0001");
        cr_assert_null(copy.error);
        cr_assert_eq(copy.started, 7);
        cr_assert_eq(copy.stored_bytes, 9);
        cr_assert_str_eq(copy.warnings[0], "slow");
        cr_assert(copy.warnings != entry.warnings);
}
