/* Points as the daemon lists them: which one a POINT on the command line means, and the table of
 * `orch list`. Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* The full name of the point that `word` means among the points of one VM (an array, newest first):
 * a name, "latest" or NULL (the newest that is ok), or the unique beginning of a name. Points into
 * the array. NULL with ERROR_CONFIG: none, or several, which are named. */
const char *listing_resolve(const json_t *points, const char *vm, const char *word,
                            struct error **err) _must_check_;

/* The table of `orch list`, in the order given. The caller frees. */
char *listing_table(const json_t *points);
