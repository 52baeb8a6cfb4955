/* Mistakes as they are printed. */
#include "schema/yaml/problems.h"

#include <criterion/criterion.h>

Test(problems, are_printed_by_place_and_not_as_they_came)
{
        _cleanup_problems_ struct problems problems = { 0 };
        problems_add(&problems, "a.yaml", 9, 1, "third");
        problems_add_warning(&problems, "a.yaml", 2, 7, "%s", "second");
        problems_add(&problems, "a.yaml", 2, 3, "first");
        problems_add(&problems, "a.yaml", 9, 1, "fourth");
        problems_add(&problems, "a.yaml", 0, 0, "the file as a whole");
        _cleanup_free_ char *text = problems_format(&problems);
        cr_assert_str_eq(
                text,
                "a.yaml: the file as a whole\na.yaml:2:3: first\na.yaml:2:7: warning: second\n"
                "a.yaml:9:1: third\na.yaml:9:1: fourth\n");
        cr_assert_eq(problems.n_errors, 4);
        cr_assert_eq(problems.count, 5);
}

Test(problems, become_one_configuration_error_without_the_warnings)
{
        _cleanup_problems_ struct problems problems = { 0 };
        problems_add_warning(&problems, "a.yaml", 1, 1, "only a warning");
        problems_add(&problems, "a.yaml", 3, 1, "two");
        problems_add(&problems, "a.yaml", 1, 1, "one");
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(problems_to_error(&problems, &error), -1);
        cr_assert_eq(error->kind, ERROR_CONFIG);
        cr_assert_str_eq(error->message, "a.yaml:1:1: one\na.yaml:3:1: two");
}

Test(problems, none_is_an_empty_text)
{
        _cleanup_problems_ struct problems problems = { 0 };
        _cleanup_free_ char *text = problems_format(&problems);
        cr_assert_str_eq(text, "");
}
