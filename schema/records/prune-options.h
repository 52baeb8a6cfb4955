/* The options of a pruning in its job request (struct job_request, `options`). */
#pragma once

#include <jansson.h>

#include "base/error.h"

struct prune_options {
        /* only these may go, whatever else no rule keeps: what a person has agreed to; NULL: all
         * that may */
        char **points;
};

/* A new reference. */
json_t *prune_options_to_json(const struct prune_options *options);
/* NULL gives options that name no point. ERROR_CORRUPT. The caller calls prune_options_done(). */
int prune_options_from_json(json_t *json, struct prune_options *ret,
                            struct error **err) _must_check_;
void prune_options_done(struct prune_options *options);
#define _cleanup_prune_options_ _cleanup_(prune_options_done)
