/* Implements policies/order.h. Names are unique in an inventory, so this is a total order: the same
 * inventory always runs the same way. */
#include "policies/order.h"

#include <string.h>

int order_compare(const void *a, const void *b)
{
        const struct inventory_vm *left = *(const struct inventory_vm *const *)a;
        const struct inventory_vm *right = *(const struct inventory_vm *const *)b;

        if (left->priority != right->priority)
                return left->priority < right->priority ? -1 : 1;
        return strcmp(left->name, right->name);
}
