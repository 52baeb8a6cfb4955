/* What an appliance's terminal shows, as lines. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "transports/appliance/appliance-text.h"

static struct appliance_profile *asa(void)
{
        _cleanup_problems_ struct problems problems = { 0 };
        struct appliance_profile *profile =
                appliance_profile_load("/nonexistent/vm-list.yaml", 1, "asa", &problems);
        cr_assert(profile, "%s", problems_format(&problems));
        return profile;
}

static void expect_clean(const char *raw, const char *expected)
{
        _cleanup_strbuf_ struct strbuf text = { 0 };
        appliance_text_clean(raw, strlen(raw), &text);
        cr_expect_str_eq(text.data ? text.data : "", expected, "%s", text.data);
}

Test(appliance_text, lines_of_a_terminal)
{
        expect_clean("", "");
        expect_clean("a\r\nb\r\n", "a\nb\n");
        expect_clean("a\r\r\nb", "a\nb");
        expect_clean("a\nb\n\n", "a\nb\n\n");
        expect_clean("  a \t b  \r\n", "  a \t b  \n");
        expect_clean("   \r\n", "   \n");
        expect_clean("Gr\xc3\xbc\xc3\x9f"
                     "e\r\n",
                     "Gr\xc3\xbc\xc3\x9f"
                     "e\n");
        expect_clean("a\x07\x01\x7f"
                     "b\r\n",
                     "ab\n");
}

Test(appliance_text, what_is_overwritten_is_gone)
{
        expect_clean("<--- More --->\r              \rhostname a\r\n", "hostname a\n");
        expect_clean("<--- More --->\r              \rthis line is longer than the mark\r\n",
                     "this line is longer than the mark\n");
        expect_clean("--More--\b\b\b\b\b\b\b\b        \b\b\b\b\b\b\b\bhostname a\r\n",
                     "hostname a\n");
        expect_clean("<--- More --->\r              \r\r\n", "\n");
        expect_clean("a typo\b\bxt\r\n", "a tyxt\n");
        expect_clean("\b\b\ba\r\n", "a\n");
        expect_clean("long text\rshort\x1b[K\r\n", "short\n");
}

Test(appliance_text, escape_sequences)
{
        expect_clean("\x1b[1;32mgreen\x1b[0m\r\n", "green\n");
        expect_clean("\x1b]0;title\x07"
                     "a\x1b]0;title\x1b\\b\n",
                     "ab\n");
        expect_clean("\x1b(Ba\x1b=b\x1b[?25lc\r\n", "abc\n");
        expect_clean("a\x1b", "a");
        expect_clean("a\x1b[12", "a");
        expect_clean("a\x1b]0;never ended\nb", "a\nb");
        /* None goes beyond its line, so that a text's last line is the same wherever the cleaning
         * begins. */
        expect_clean("a\x1b[\nb", "a\nb");
        expect_clean("a\x1b[12;\r\nb", "a\nb");
        expect_clean("a\x1b\nb", "a\nb");
        expect_clean("a\x1b(\nb", "a\nb");
}

Test(appliance_text, nul_bytes_are_dropped)
{
        _cleanup_strbuf_ struct strbuf text = { 0 };
        appliance_text_clean("a\0b\r\n", 5, &text);
        cr_assert_str_eq(text.data, "ab\n");
}

Test(appliance_text, the_echo_is_the_first_line_alone)
{
        cr_assert_eq(appliance_text_echo_length("show version\nx\n", "a#", "show version"), 13);
        cr_assert_eq(appliance_text_echo_length("show version \nx\n", "a#", "show version"), 14);
        cr_assert_eq(appliance_text_echo_length("\na# show version\nx\n", "a#", "show version"),
                     17);
        cr_assert_eq(appliance_text_echo_length("a#\na# show version\nx\n", "a#", "show version"),
                     19);
        cr_assert_eq(appliance_text_echo_length("x\nshow version\n", "a#", "show version"), 0);
        cr_assert_eq(appliance_text_echo_length("no show version\n", "a#", "show version"), 0);
        cr_assert_eq(appliance_text_echo_length("", "a#", "show version"), 0);
}

static void expect_invalid(const struct appliance_profile *profile, const char *text,
                           const char *words)
{
        _cleanup_error_ struct error *error = NULL;
        cr_expect_eq(appliance_text_validate(profile, &profile->captures[0], text, &error), -1,
                     "%s", text);
        cr_expect(error && error->kind == ERROR_CORRUPT && strstr(error->message, words), "%s: %s",
                  text, error_message(error));
}

Test(appliance_text, complete_or_not)
{
        _cleanup_(appliance_profile_freep) struct appliance_profile *profile = asa();
        const struct appliance_capture *capture = &profile->captures[0];
        cr_assert_eq(appliance_text_validate(profile, capture, ": Saved\n: end\n", NULL), 0);
        cr_assert_eq(appliance_text_validate(profile, capture,
                                             "\n\n: Saved\nbanner Incomplete command\n: end\n\n",
                                             NULL),
                     0);
        expect_invalid(profile, "", "no output");
        expect_invalid(profile, "\n  \n", "no output");
        expect_invalid(profile, ": Saved\nhostname a\n", "its last line \"hostname a\"");
        expect_invalid(profile, "hostname a\n: end\n", "its first line \"hostname a\"");
        expect_invalid(profile, ": Saved\n: endpoint\n", "its last line");
        expect_invalid(profile, "ERROR: % Incomplete command\n",
                       "reported: ERROR: % Incomplete command");
        expect_invalid(profile, ": Saved\n% Invalid input detected at '^' marker.\n: end\n",
                       "% Invalid input");
}

Test(appliance_text, a_line_among_others)
{
        cr_assert(appliance_text_has_line("Building configuration...\n[OK]\n", "\\[OK\\]"));
        cr_assert_not(appliance_text_has_line("Building configuration...\n", "\\[OK\\]"));
        cr_assert_not(appliance_text_has_line("", "x"));
}

Test(appliance_text, marks_of_a_pager)
{
        _cleanup_(appliance_profile_freep) struct appliance_profile *profile = asa();
        static const char paged[] = "a\r\n<--- More --->\r              \rb\r\n";
        cr_assert_str_eq(appliance_text_pager_mark(profile, paged, strlen(paged)),
                         "<--- More --->");
        cr_assert_null(appliance_text_pager_mark(profile, "a\r\nb", 4));
}

Test(appliance_text, lines_that_differ_each_time_are_no_change)
{
        _cleanup_(appliance_profile_freep) struct appliance_profile *profile = asa();
        cr_assert_not(appliance_text_differs(profile, "a\n: Written by x at 1\nb\n",
                                             "a\n: Written by y at 2\nb\n"));
        cr_assert_not(appliance_text_differs(profile, "a\nb\n", "a\nasav up 3 days\nb\n"));
        cr_assert(appliance_text_differs(profile, "a\nb\n", "a\nc\n"));
        cr_assert(appliance_text_differs(profile, "a\nb\n", "a\n"));
        cr_assert(appliance_text_differs(profile, "a\n", "a\nb\n"));
        cr_assert(appliance_text_differs(profile, "", "a\n"));
}
