/* YAML as trees with places, and what is refused of it. */
#include "schema/yaml/yaml-document.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"

static struct yaml_document *parse(const char *text, struct problems *problems)
{
        return yaml_document_parse(text, strlen(text), "f", problems);
}

static struct yaml_document *parse_good(const char *text)
{
        _cleanup_problems_ struct problems problems = { 0 };
        struct yaml_document *document = parse(text, &problems);
        cr_assert_not_null(document);
        cr_assert_eq(problems.count, 0, "%s", problems.count ? problems.items[0].message : "");
        return document;
}

Test(yaml_document, nodes_know_their_place_counted_in_characters)
{
        _cleanup_(yaml_document_freep) struct yaml_document *document =
                parse_good("# c\nä: [x, \"y\",\n  z]\n");
        const struct yaml_node *list = yaml_mapping_get(yaml_document_root(document), "ä");
        cr_assert_eq(list->kind, NODE_SEQUENCE);
        cr_assert_eq(list->line, 2);
        cr_assert_eq(list->column, 4);
        cr_assert_eq(list->items[1]->column, 8);
        cr_assert(list->items[1]->quoted);
        cr_assert_eq(list->items[2]->line, 3);
        cr_assert_eq(list->items[2]->column, 3);
}

Test(yaml_document, merge_keys_give_what_is_not_there_and_the_earlier_wins)
{
        _cleanup_(yaml_document_freep) struct yaml_document *document = parse_good(
                "a: &a {x: 1, y: 1, z: 1}\nb: &b {x: 2, y: 2, w: 2}\nc:\n  <<: [*a, *b]\n  x: 3\n");
        const struct yaml_node *c = yaml_mapping_get(yaml_document_root(document), "c");
        cr_assert_eq(c->count, 4);
        cr_assert_str_eq(yaml_mapping_get(c, "x")->text, "3");
        cr_assert_str_eq(yaml_mapping_get(c, "y")->text, "1");
        cr_assert_str_eq(yaml_mapping_get(c, "z")->text, "1");
        cr_assert_str_eq(yaml_mapping_get(c, "w")->text, "2");
        cr_assert_null(yaml_mapping_get(c, "<<"));
}

Test(yaml_document, a_quoted_merge_key_is_an_ordinary_key)
{
        _cleanup_(yaml_document_freep) struct yaml_document *document =
                parse_good("\"<<\": text\n");
        cr_assert_str_eq(yaml_mapping_get(yaml_document_root(document), "<<")->text, "text");
}

Test(yaml_document, aliases_share_nodes_and_the_latest_anchor_of_a_name_counts)
{
        _cleanup_(yaml_document_freep) struct yaml_document *document =
                parse_good("[&a 1, *a, &a 2, *a]");
        const struct yaml_node *root = yaml_document_root(document);
        cr_assert_eq(root->items[0], root->items[1]);
        cr_assert_str_eq(root->items[3]->text, "2");
        cr_assert_eq(root->weight, 5);
}

Test(yaml_document, scalars_read_as_yaml_1_2_has_them)
{
        static const struct {
                const char *text;
                enum scalar_kind kind;
        } cases[] = {
                { "~", SCALAR_NULL },          { "null", SCALAR_NULL },
                { "true", SCALAR_BOOL },       { "FALSE", SCALAR_BOOL },
                { "tRUE", SCALAR_TEXT },       { "on", SCALAR_TEXT },
                { "yes", SCALAR_TEXT },        { "12:30", SCALAR_TEXT },
                { "0", SCALAR_NUMBER },        { "-17", SCALAR_NUMBER },
                { "0x1F", SCALAR_NUMBER },     { "0o17", SCALAR_NUMBER },
                { "0x", SCALAR_TEXT },         { "1.", SCALAR_NUMBER },
                { ".5", SCALAR_NUMBER },       { "1e3", SCALAR_NUMBER },
                { "1e", SCALAR_TEXT },         { ".", SCALAR_TEXT },
                { "+", SCALAR_TEXT },          { "-.inf", SCALAR_NUMBER },
                { ".nan", SCALAR_NUMBER },     { "-.nan", SCALAR_TEXT },
                { "\"1\"", SCALAR_TEXT },      { "1_000", SCALAR_TEXT },
                { "2026-11-20", SCALAR_TEXT },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_(yaml_document_freep) struct yaml_document *document =
                        parse_good(cases[i].text);
                cr_expect_eq(yaml_scalar_kind(yaml_document_root(document)), cases[i].kind, "%s",
                             cases[i].text);
        }
}

Test(yaml_document, a_byte_order_mark_is_fine_for_utf8_and_refused_for_utf16)
{
        _cleanup_(yaml_document_freep) struct yaml_document *document = parse_good("\xEF\xBB\xBF"
                                                                                   "a: 1\n");
        cr_assert_not_null(yaml_mapping_get(yaml_document_root(document), "a"));
        static const char utf16[] = "\xFF\xFE"
                                    "a\0:\0 \0001\0\n";
        _cleanup_problems_ struct problems problems = { 0 };
        cr_assert_null(yaml_document_parse(utf16, sizeof utf16, "f", &problems));
        cr_assert(str_starts_with(problems.items[0].message, "not valid UTF-8"));
}

Test(yaml_document, other_mistakes_are_looked_for_after_one_that_leaves_a_tree)
{
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(yaml_document_freep) struct yaml_document *document =
                parse("a: 1\na: 2\nb: !t 3\n", &problems);
        cr_assert_not_null(document);
        cr_assert_eq(problems.n_errors, 2);
        cr_assert_str_eq(yaml_mapping_get(yaml_document_root(document), "a")->text, "1");
}

Test(yaml_document, what_is_too_large_is_refused_before_it_is_parsed)
{
        _cleanup_free_ char *text = xmalloc(YAML_MAX_BYTES + 1);
        memset(text, '#', YAML_MAX_BYTES + 1);
        _cleanup_problems_ struct problems problems = { 0 };
        cr_assert_null(yaml_document_parse(text, YAML_MAX_BYTES + 1, "f", &problems));
        cr_assert(strstr(problems.items[0].message, "too large"));
}

/* Each would take minutes, gigabytes or the stack if nothing were capped. */
Test(yaml_document, hostile_files_are_refused_quickly, .timeout = 60)
{
        static const struct {
                const char *unit;
                size_t times;
        } cases[] = { { "- a\n", 300000 }, { "[", 100000 },  { "{a: ", 100000 },
                      { "- &a\n", 5000 },  { "? ", 100000 }, { "!!", 100000 } };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_strbuf_ struct strbuf text = { 0 };
                for (size_t n = 0; n < cases[i].times; n++)
                        strbuf_add(&text, cases[i].unit);
                _cleanup_problems_ struct problems problems = { 0 };
                _cleanup_(yaml_document_freep) struct yaml_document *document =
                        yaml_document_parse(text.data, text.length, "f", &problems);
                cr_expect_gt(problems.n_errors, 0, "%s", cases[i].unit);
        }
        _cleanup_strbuf_ struct strbuf keys = { 0 };
        for (int n = 0; n < 100000; n++)
                strbuf_addf(&keys, "k%d: 1\n", n);
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_(yaml_document_freep) struct yaml_document *document =
                yaml_document_parse(keys.data, keys.length, "f", &problems);
        cr_expect_eq(problems.n_errors, 1);
}

Test(yaml_document, only_regular_files_are_read)
{
        char folder[] = "/tmp/orch-unit-yaml-XXXXXX";
        cr_assert(mkdtemp(folder));
        _cleanup_free_ char *fifo = xasprintf("%s/fifo", folder);
        cr_assert_eq(mkfifo(fifo, 0600), 0);
        _cleanup_problems_ struct problems problems = { 0 };
        size_t length = 0;
        cr_assert_null(yaml_read_file(fifo, &length, &problems));
        cr_assert_str_eq(problems.items[0].message, "cannot be read: it is not a regular file");
        unlink(fifo);
        rmdir(folder);
}

Test(yaml_document, a_file_of_somebody_elses_is_named_once)
{
        _cleanup_problems_ struct problems problems = { 0 };
        char path[] = "/tmp/orch-test-XXXXXX";
        int fd = mkstemp(path);
        cr_assert(fd >= 0 && fchmod(fd, 0) == 0);
        uid_t self = geteuid();
        cr_assert(self != 0 || seteuid(65534) == 0);
        size_t length;
        cr_assert_null(yaml_read_file(path, &length, &problems));
        cr_assert(self != 0 || seteuid(0) == 0);
        cr_assert_eq(unlink(path), 0);
        close(fd);
        cr_assert_str_eq(problems.items[0].message, "cannot be read: Permission denied");
}
