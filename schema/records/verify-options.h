/* The options of a verification in its job request (struct job_request, `options`): which points of
 * the VM are read back. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct verify_options {
        char *point; /* a name, the unique beginning of one, or "latest"; NULL: all of them */
        /* only points that were started then or later; epoch seconds; 0: of any age */
        int64_t since;
        /* `point` without those that it builds on: for scrubbing, which comes to each of them in
         * turn */
        bool alone;
        /* `known` is what the catalog has of this VM: the folders are held against it */
        bool compare;
        char **known; /* paths relative to the repository; NULL-terminated */
};

/* A new reference. */
json_t *verify_options_to_json(const struct verify_options *options);
/* NULL gives options that ask for all. ERROR_CORRUPT. The caller calls verify_options_done(). */
int verify_options_from_json(json_t *json, struct verify_options *ret,
                             struct error **err) _must_check_;
void verify_options_done(struct verify_options *options);
#define _cleanup_verify_options_ _cleanup_(verify_options_done)
