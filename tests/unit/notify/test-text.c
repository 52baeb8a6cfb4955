/* Foreign text, made harmless and cut. */
#include "notify/text.h"

#include "fixture.h"

static void check(char *(*function)(const char *, size_t), const char *text, size_t max,
                  const char *expected)
{
        _cleanup_free_ char *got = function(text, max);
        cr_assert_str_eq(got, expected);
        cr_assert_leq(strlen(got), max);
}

Test(text, clean_keeps_lines_and_letters)
{
        check(text_clean, "a\nb\tc\r\n\nd", 100, "a\nb c \n\nd");
        check(text_clean, "Grüße 🦄", 100, "Grüße 🦄");
        check(text_clean, "", 10, "");
}

Test(text, clean_drops_what_is_no_text)
{
        check(text_clean, "a\x1B[31mb\x7F", 100, "a?[31mb?");
        check(text_clean, "x\xFFy\xC3", 100, "x\uFFFDy\uFFFD");
        check(text_clean, "safe\u202Eevil\u2066x\u2028y\xC2\x85z", 100, "safe?evil?x?y?z");
}

Test(text, is_cut_at_a_characters_border)
{
        check(text_clean, "abcdef", 6, "abcdef");
        check(text_clean, "abcdefg", 6, "abc…");
        check(text_clean, "🦄🦄🦄", 11, "🦄🦄…");
        check(text_clean, "🦄🦄🦄", 10, "🦄…");
        check(text_clean, "🦄", 3, "…");
        check(text_clean, "abc", 2, "");
        for (size_t max = 0; max < 40; max++) {
                _cleanup_free_ char *cut =
                        text_for_slack("é<🦄&`@here \u4e2d\u6587 <!channel>", max);
                cr_assert_leq(strlen(cut), max);
                _cleanup_free_ char *clean = str_one_line(cut, SIZE_MAX);
                cr_assert_str_eq(cut, clean, "it stays valid UTF-8");
        }
}

Test(text, nothing_is_markup_for_slack)
{
        check(text_for_slack, "<!channel> & <@U123> <https://x|y>", 100,
              "&lt;!channel&gt; &amp; &lt;@U123&gt; &lt;https://x|y&gt;");
        check(text_for_slack, "a ``` b `c`", 100, "a \u02CB\u02CB\u02CB b \u02CBc\u02CB");
        check(text_for_slack, "@here @Channel @everyone @me", 100,
              "@\u200Bhere @\u200BChannel @\u200Beveryone @me");
}

Test(text, an_entity_is_never_cut_in_two)
{
        check(text_for_slack, "aaa<<<", 12, "aaa&lt;…");
        check(text_for_slack, "&&&", 9, "&amp;…");
}
