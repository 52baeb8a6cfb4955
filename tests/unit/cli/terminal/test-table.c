/* Columns, by what stands in them. */
#include "cli/terminal/table.h"

#include <criterion/criterion.h>

Test(table, columns_are_as_wide_as_their_content_and_lines_have_no_trailing_spaces)
{
        static const char *const headers[] = { "VM", ">SIZE", "NOTE", NULL };
        _cleanup_table_ struct table *table = table_new(headers);
        table_cell(table, "prod-db-01");
        table_cell(table, "1.5 GiB");
        table_cell(table, "");
        table_cell(table, "a");
        table_cellf(table, "%d B", 7);
        table_cell(table, "held, proven");
        _cleanup_free_ char *text = table_format(table);
        cr_assert_str_eq(text, "VM             SIZE  NOTE\n"
                               "prod-db-01  1.5 GiB  -\n"
                               "a               7 B  held, proven\n");
}

Test(table, widths_count_characters_and_cells_are_cleaned)
{
        static const char *const headers[] = { "A", "B", NULL };
        _cleanup_table_ struct table *table = table_new(headers);
        table_cell(table, "\xc3\xa9\xc3\xa9\xc3\xa9");
        table_cell(table, "x\ny\x1b[31m");
        table_cell(table, "abcd");
        table_cell(table, "\xff");
        _cleanup_free_ char *text = table_format(table);
        cr_assert_str_eq(text,
                         "A     B\n\xc3\xa9\xc3\xa9\xc3\xa9   x y?[31m\nabcd  \xef\xbf\xbd\n");
}

Test(table, a_table_without_rows_is_its_header)
{
        static const char *const headers[] = { "A", ">B", NULL };
        _cleanup_table_ struct table *table = table_new(headers);
        _cleanup_free_ char *text = table_format(table);
        cr_assert_str_eq(text, "A  B\n");
}
