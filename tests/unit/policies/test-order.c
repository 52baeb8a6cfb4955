/* The order of a cycle. */
#include "policies/order.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/cleanup.h"

Test(order, goes_by_priority_and_then_by_name)
{
        struct inventory_vm vms[] = {
                { .name = (char *)"web-2", .priority = 2 },
                { .name = (char *)"db", .priority = 1 },
                { .name = (char *)"web-10", .priority = 2 },
                { .name = (char *)"first", .priority = -5 },
                { .name = (char *)"Web", .priority = 2 },
                { .name = (char *)"last", .priority = 2147483647 },
                { .name = (char *)"zero", .priority = (-2147483647 - 1) },
        };
        const char *expected[] = { "zero", "first", "db", "Web", "web-10", "web-2", "last" };
        const struct inventory_vm *sorted[ARRAY_LENGTH(vms)];

        for (size_t i = 0; i < ARRAY_LENGTH(vms); i++)
                sorted[i] = &vms[i];
        qsort(sorted, ARRAY_LENGTH(sorted), sizeof sorted[0], order_compare);
        for (size_t i = 0; i < ARRAY_LENGTH(sorted); i++)
                cr_assert_str_eq(sorted[i]->name, expected[i], "place %zu: %s", i, sorted[i]->name);
}

Test(order, is_the_same_read_from_either_side)
{
        struct inventory_vm a = { .name = (char *)"a", .priority = 1 },
                            b = { .name = (char *)"b", .priority = 1 };
        const struct inventory_vm *left = &a, *right = &b;

        cr_assert_lt(order_compare(&left, &right), 0);
        cr_assert_gt(order_compare(&right, &left), 0);
        cr_assert_eq(order_compare(&left, &left), 0);
}
