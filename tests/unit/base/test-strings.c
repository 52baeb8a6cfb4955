/* Words, names and numbers; what is quoted is held against a real shell. */
#include "base/strings.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/child.h"
#include "base/memory.h"

Test(strings, shell_quote_survives_a_real_shell)
{
        static const char *const words[] = { "",     "plain", "with space", "it's",  "$(touch x)",
                                             "`id`", "a\nb",  "--flag",     "\"q\"", "\\",
                                             "*",    "~",     "é" };
        for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
                const char *const inner[] = { "printf", "%s", words[i], NULL };
                _cleanup_free_ char *line = shell_join(inner);
                const char *const argv[] = { "sh", "-c", line, NULL };
                struct child_options options = { .timeout_ms = 10000 };
                _cleanup_child_result_ struct child_result result = { 0 };
                cr_assert_eq(child_run(argv, &options, &result, NULL), 0);
                cr_assert_str_eq(result.output, words[i]);
        }
}

Test(strings, safe_names_are_single_path_components)
{
        static const char *const good[] = { "a", "prod-db-01", "A.b_c-9", "9" };
        static const char *const bad[] = { "",    ".hidden",        "-x",  "_x", "a/b", "../etc",
                                           "a b", "x; touch pwned", "a\n", "é" };
        for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
                cr_assert(name_is_safe(good[i]), "%s", good[i]);
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
                cr_assert_not(name_is_safe(bad[i]), "%s", bad[i]);
        char longest[122];
        memset(longest, 'a', sizeof longest);
        longest[120] = '\0';
        cr_assert(name_is_safe(longest));
        longest[120] = 'a';
        longest[121] = '\0';
        cr_assert_not(name_is_safe(longest));
        cr_assert_not(name_is_safe(NULL));
}

Test(strings, a_name_is_meant_by_itself_or_by_a_glob)
{
        cr_assert(name_matches("prod-*", "prod-db-01"));
        cr_assert(name_matches("prod-db-0[12]", "prod-db-01"));
        cr_assert(name_matches("prod-db-01", "prod-db-01"));
        cr_assert_not(name_matches("prod", "prod-db-01"));
        cr_assert_not(name_matches("test-*", "prod-db-01"));
        cr_assert(name_is_glob("a*"));
        cr_assert(name_is_glob("a?"));
        cr_assert(name_is_glob("[a]"));
        cr_assert_not(name_is_glob("a.b-c_d"));
}

Test(strings, nearest_word_finds_what_was_meant_or_nothing)
{
        static const char *const keys[] = { "priority", "schedule", "method", NULL };
        cr_assert_str_eq(nearest_word("priorty", keys), "priority");
        cr_assert_str_eq(nearest_word("shcedule", keys), "schedule");
        cr_assert_null(nearest_word("colour", keys));
        _cleanup_free_ char *endless = xasprintf("%0400d", 7);
        cr_assert_null(nearest_word(endless, keys));
}

Test(strings, one_line_cleans_control_characters_and_bad_utf8_and_cuts_between_characters)
{
        _cleanup_free_ char *clean = str_one_line("a\nb\x1b[1m\xff\xc3\xa9", 100);
        cr_assert_str_eq(clean, "a b?[1m\xEF\xBF\xBD\xc3\xa9");
        /* Those beyond ASCII steer a terminal, too: U+009B begins what ESC [ begins. */
        _cleanup_free_ char *steered = str_one_line("a\xc2\x9b"
                                                    "31mb\xc2\x85\xc2\xa0",
                                                    100);
        cr_assert_str_eq(steered, "a?31mb?\xc2\xa0");
        _cleanup_free_ char *cut = str_one_line("a\xc3\xa9", 2);
        cr_assert_str_eq(cut, "a");
}

Test(strings, strbuf_grows_and_is_consumed)
{
        _cleanup_strbuf_ struct strbuf buf = { 0 };
        for (int i = 0; i < 1000; i++)
                strbuf_addf(&buf, "%d,", i);
        cr_assert(str_starts_with(buf.data, "0,1,2,"));
        size_t length = buf.length;
        strbuf_consume(&buf, 4);
        cr_assert(str_starts_with(buf.data, "2,3,"));
        cr_assert_eq(buf.length, length - 4);
        cr_assert_eq(strlen(buf.data), buf.length);
}

Test(strings, numbers_for_people)
{
        _cleanup_free_ char *bytes = format_bytes(1536);
        cr_assert_str_eq(bytes, "1.5 KiB");
        _cleanup_free_ char *duration = format_duration_ms(3723000);
        cr_assert_str_eq(duration, "1h02m");
}
