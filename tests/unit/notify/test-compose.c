/* A message as text, as JSON and for Slack, whatever is in it. */
#include "fixture.h"
#include "notify/compose.h"
#include "schema/json/json-fields.h"

static json_t *parse(char *text)
{
        _cleanup_free_ char *owned = text;
        cr_assert_null(strchr(owned, '\n'), "one line");
        json_t *json = json_loads(owned, JSON_REJECT_DUPLICATES, NULL);
        cr_assert(json, "%s", owned);
        return json;
}

static const char *text_of(const json_t *json, const char *name)
{
        const char *text = json_string_value(json_object_get(json, name));
        cr_assert(text, "no %s", name);
        return text;
}

static size_t characters(const char *text)
{
        size_t n = 0;
        for (; *text; text++)
                n += ((unsigned char)*text & 0xC0) != 0x80;
        return n;
}

static void check_text(const json_t *object, size_t max)
{
        const char *type = text_of(object, "type");
        const char *text = text_of(object, "text");
        cr_assert(streq(type, "mrkdwn") || streq(type, "plain_text"));
        cr_assert_gt(strlen(text), 0);
        cr_assert_leq(characters(text), max, "%zu characters: %s", characters(text), text);
        cr_assert_null(strpbrk(text, "<>"));
        for (const char *c = text; (c = strchr(c, '&')); c++)
                cr_assert(str_starts_with(c, "&amp;") || str_starts_with(c, "&lt;") ||
                          str_starts_with(c, "&gt;"));
}

/* Block Kit's rules, as far as our blocks go. Returns all the text. */
static void check_blocks(const json_t *json)
{
        const json_t *blocks = json_object_get(json, "blocks");
        cr_assert_gt(json_array_size(blocks), 1);
        cr_assert_leq(json_array_size(blocks), 50);
        cr_assert_leq(characters(text_of(json, "text")), 4000);
        for (size_t i = 0; i < json_array_size(blocks); i++) {
                const json_t *block = json_array_get(blocks, i);
                const char *type = text_of(block, "type");
                const json_t *fields = json_object_get(block, "fields");
                const json_t *elements = json_object_get(block, "elements");
                if (streq(type, "header"))
                        check_text(json_object_get(block, "text"), 150);
                else if (streq(type, "context"))
                        check_text(json_array_get(elements, 0), 3000);
                else if (fields)
                        cr_assert(json_array_size(fields) >= 1 && json_array_size(fields) <= 10);
                else
                        check_text(json_object_get(block, "text"), 3000);
                for (size_t f = 0; f < json_array_size(fields); f++)
                        check_text(json_array_get(fields, f), 2000);
        }
}

Test(compose, text_has_everything)
{
        _cleanup_notice_ struct notice *notice = make_notice("Backup of web-01 failed");
        _cleanup_free_ char *text = compose_text(notice, 1000);
        cr_assert_str_eq(text, "Backup of web-01 failed\nVM: web-01\n\nWhat failed:\nit did");
        _cleanup_free_ char *cut = compose_text(notice, 30);
        cr_assert_leq(strlen(cut), 30);
}

Test(compose, json_for_any_receiver)
{
        _cleanup_notice_ struct notice *notice = make_notice("t \"quoted\"");
        notice_add_tags(notice, (char *const[]){ (char *)"prod", NULL });
        _cleanup_json_ json_t *json = parse(compose_json(notice));
        cr_assert_eq(json_integer_value(json_object_get(json, "format")), 1);
        cr_assert_str_eq(text_of(json, "id"), notice->id);
        cr_assert_str_eq(text_of(json, "severity"), "failure");
        cr_assert_str_eq(text_of(json, "time"), "2026-02-02T02:40:00Z");
        cr_assert_str_eq(text_of(json, "title"), "t \"quoted\"");
        cr_assert_str_eq(text_of(json_object_get(json, "facts"), "vm"), "web-01");
        cr_assert_str_eq(text_of(json_array_get(json_object_get(json, "parts"), 0), "text"),
                         "it did");
        cr_assert_str_eq(json_string_value(json_array_get(json_object_get(json, "tags"), 0)),
                         "prod");
}

Test(compose, slack_has_a_header_facts_parts_and_a_foot)
{
        _cleanup_notice_ struct notice *notice = make_notice("Backup of web-01 failed");
        _cleanup_json_ json_t *json = parse(compose_slack(notice));
        check_blocks(json);
        const json_t *blocks = json_object_get(json, "blocks");
        cr_assert_eq(json_array_size(blocks), 4);
        cr_assert_str_eq(text_of(json_object_get(json_array_get(blocks, 0), "text"), "text"),
                         "❌ Backup of web-01 failed");
        cr_assert_str_eq(
                text_of(json_array_get(json_object_get(json_array_get(blocks, 1), "fields"), 0),
                        "text"),
                "*VM*\nweb-01");
        cr_assert_str_eq(text_of(json_object_get(json_array_get(blocks, 2), "text"), "text"),
                         "*What failed*\n```it did```");
        cr_assert(strstr(text_of(json, "text"), "it did"));
}

Test(compose, noise_becomes_one_valid_harmless_message)
{
        struct strbuf noise = { 0 };
        strbuf_add(&noise, "<!channel> `rm -rf` \"quotes\" 🦄 @here <@U1> &lt; ```\n");
        for (size_t i = 0; i < 4096; i++)
                strbuf_add_char(&noise, (char)(i * 37 % 255 + 1));
        _cleanup_notice_ struct notice *notice =
                notice_new("job-failed", NOTICE_FAILURE, 1, "%s", noise.data);
        for (int i = 0; i < 23; i++)
                notice_add_fact(notice, "x", "Label", noise.data);
        notice_add_part(notice, "What failed", true, noise.data);
        _cleanup_json_ json_t *json = parse(compose_slack(notice));
        check_blocks(json);
        _cleanup_free_ char *all = json_dumps(json, 0);
        cr_assert_null(strstr(all, "<!"));
        cr_assert_null(strstr(all, "@here"));
        /* One fence opens and one closes, in each fixed-width section. */
        const json_t *blocks = json_object_get(json, "blocks");
        for (size_t i = 0; i < json_array_size(blocks); i++) {
                const json_t *object = json_object_get(json_array_get(blocks, i), "text");
                const char *text = object ? text_of(object, "text") : "";
                size_t ticks = 0;
                for (const char *c = text; *c; c++)
                        ticks += *c == '`';
                cr_assert(ticks == 0 || ticks == 6, "%zu backticks: %s", ticks, text);
        }
        strbuf_done(&noise);
}

Test(compose, a_long_list_is_parted_between_lines_and_bounded)
{
        _cleanup_notice_ struct notice *notice =
                notice_new("weekly-summary", NOTICE_SUMMARY, 1, "t");
        struct strbuf list = { 0 };
        for (int i = 0; i < 200; i++)
                strbuf_addf(&list, "vm-%03d: something went wrong here & there\n", i);
        for (int i = 0; i < 30; i++)
                notice_add_part(notice, "Failed", true, list.data);
        _cleanup_json_ json_t *json = parse(compose_slack(notice));
        check_blocks(json);
        const json_t *blocks = json_object_get(json, "blocks");
        cr_assert(strstr(text_of(json_object_get(json_array_get(blocks, 1), "text"), "text"),
                         "vm-000"));
        cr_assert(str_ends_with(text_of(json_object_get(json_array_get(blocks, 1), "text"), "text"),
                                "&amp; there```"));
        const json_t *foot = json_array_get(blocks, json_array_size(blocks) - 1);
        cr_assert(strstr(text_of(json_array_get(json_object_get(foot, "elements"), 0), "text"),
                         "too long"));
        strbuf_done(&list);
}
