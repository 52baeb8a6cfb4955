/* Which VMs a request means by the words it names them with: names, or globs. What is said of a
 * word that means none is the asker's own. */
#pragma once

#include "base/error.h"
#include "schema/config/inventory.h"

/* Adds to *chosen those of `names` that the words mean, each once, in the order of the words.
 * Returns the first word that means none (*chosen then has what the words before it mean); NULL:
 * each means some. `names` and `words` may be NULL. */
const char *choose_names(char *const *names, char *const *words, char ***chosen) _must_check_;
/* The same of the VMs of an inventory; no word at all means all of them. */
const char *choose_vms(const struct inventory *inventory, char *const *words,
                       char ***chosen) _must_check_;
/* ERROR_CONFIG: the inventory has no VM of this name; with the nearest that it has. Returns -1. */
int choose_unknown_vm(const struct inventory *inventory, const char *name, struct error **err);
