/* Restore points as the daemon lists them: which one a POINT on the command line selects, and the
 * table of `orch list`. Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* The full name of the point that `word` selects among the points of one VM (an array, newest
 * first). `word` is a name, the unique beginning of a name, or "latest" or NULL: the newest point
 * whose status is ok. The result points into the array. NULL with ERROR_CONFIG if no point matches,
 * or several; the message lists them. */
const char *listing_resolve(const json_t *points, const char *vm, const char *word,
                            struct error **err) _must_check_;

/* The table of `orch list`, in the order given. The caller frees. */
char *listing_table(const json_t *points);
