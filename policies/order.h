/* The order of a cycle: by priority (lower first), ties by name. Pure. */
#pragma once

#include "schema/config/inventory.h"

/* For qsort over `const struct inventory_vm *`. */
int order_compare(const void *a, const void *b);
