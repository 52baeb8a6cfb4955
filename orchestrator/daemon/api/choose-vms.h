/* Which VMs the words of a request stand for: names, or globs. The message about a word that
 * matches none is left to the caller. */
#pragma once

#include "base/error.h"
#include "schema/config/inventory.h"

/* Adds to *chosen those of `names` that the words match, each once, in the order of the words.
 * Returns the first word that matches none (*chosen then has the matches of the words before it),
 * or NULL when each matches at least one. `names` and `words` may be NULL. */
const char *choose_names(char *const *names, char *const *words, char ***chosen) _must_check_;
/* The same for the VMs of an inventory; without any word, all of them. */
const char *choose_vms(const struct inventory *inventory, char *const *words,
                       char ***chosen) _must_check_;
/* ERROR_CONFIG: the inventory has no VM of this name; the message has the nearest name. Returns -1.
 */
int choose_unknown_vm(const struct inventory *inventory, const char *name, struct error **err);
