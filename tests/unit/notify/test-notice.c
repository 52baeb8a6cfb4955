/* A message as a value: bounded, clean, to JSON and back. */
#include "fixture.h"
#include "schema/json/json-fields.h"

Test(notice, goes_to_json_and_back)
{
        _cleanup_notice_ struct notice *notice = make_notice("A title");
        static char *const tags[] = { (char *)"prod", (char *)"db", NULL };
        notice_add_tags(notice, tags);
        notice_add_tags(notice, tags);
        _cleanup_json_ json_t *json = notice_to_json(notice);
        _cleanup_error_ struct error *error = NULL;
        _cleanup_notice_ struct notice *back = notice_from_json(json, &error);
        cr_assert(back, "%s", error_message(error));
        cr_assert_str_eq(back->id, notice->id);
        cr_assert_str_eq(back->kind, "test");
        cr_assert_eq(back->severity, NOTICE_FAILURE);
        cr_assert_eq(back->time, 1770000000);
        cr_assert_str_eq(back->title, "A title");
        cr_assert(back->about_vms);
        cr_assert_eq(strv_length(back->tags), 2);
        cr_assert_eq(back->n_facts, 1);
        cr_assert_str_eq(back->facts[0].value, "web-01");
        cr_assert_eq(back->n_parts, 1);
        cr_assert(back->parts[0].verbatim);
        _cleanup_notice_ struct notice *copy = notice_copy(back);
        cr_assert_str_eq(copy->parts[0].text, "it did");
}

Test(notice, what_is_no_message_is_refused)
{
        static const char *const texts[] = { "{}", "{\"id\": \"../x\", \"kind\": \"a\"}" };
        for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
                _cleanup_json_ json_t *json = json_loads(texts[i], 0, NULL);
                _cleanup_error_ struct error *error = NULL;
                cr_assert_null(notice_from_json(json, &error));
                cr_assert_eq(error->kind, ERROR_CORRUPT);
        }
}

Test(notice, what_is_added_is_bounded_and_clean)
{
        _cleanup_free_ char *noise = xmalloc(20001);
        for (size_t i = 0; i < 20000; i++)
                noise[i] = (char)(i % 255 + 1);
        noise[20000] = '\0';
        _cleanup_notice_ struct notice *notice = notice_new("x", NOTICE_WARNING, 1, "%s", noise);
        notice_add_fact(notice, "a", "A", noise);
        notice_add_part(notice, "B", true, noise);
        cr_assert_leq(strlen(notice->title), NOTICE_TITLE_MAX_BYTES);
        cr_assert_leq(strlen(notice->facts[0].value), NOTICE_FACT_MAX_BYTES);
        cr_assert_leq(strlen(notice->parts[0].text), NOTICE_PART_MAX_BYTES);
        cr_assert_gt(strlen(notice->parts[0].text), NOTICE_PART_MAX_BYTES - 8);
        cr_assert_null(strpbrk(notice->facts[0].value, "\n\x1B\x7F"));
}

Test(notice, nothing_makes_no_fact_and_no_part)
{
        _cleanup_notice_ struct notice *notice = notice_new("x", NOTICE_WARNING, 1, "t");
        notice_add_fact(notice, "a", "A", NULL);
        notice_add_fact(notice, "a", "A", "");
        notice_add_part(notice, "B", true, NULL);
        cr_assert_eq(notice->n_facts + notice->n_parts, 0);
}

Test(notice, each_has_an_id_of_its_own)
{
        _cleanup_notice_ struct notice *a = make_notice("a");
        _cleanup_notice_ struct notice *b = make_notice("a");
        cr_assert(!streq(a->id, b->id));
        cr_assert_eq(strlen(a->id), 16);
}
