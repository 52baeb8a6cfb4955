/* Which point is verified next at a cycle's end, within `verify.budget_minutes` (settings). Pure.
 *
 * The point whose last proof of integrity (its publication, or a verification since) is oldest
 * comes first. Damaged points are left out: they are known, and only `orch verify` can clear the
 * mark. So are points that were tried in this cycle. A point is started when it is expected to end
 * within the budget. A point larger than the whole budget would never be started by that rule, so
 * it is started, and finished, when it is the first of its cycle. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scrub_candidate {
        int64_t known_whole; /* epoch seconds */
        uint64_t stored_bytes;
        bool damaged;
        bool tried; /* in this cycle */
};

struct scrub_budget {
        int64_t whole_seconds;
        int64_t left_seconds;
        bool first;                /* no point was started in this cycle yet */
        uint64_t bytes_per_second; /* as measured; > 0 */
};

/* The index of the point to verify next (among equals the last), or -1 when none fits into the rest
 * of the budget. */
int scrub_choose(const struct scrub_candidate *candidates, size_t n_candidates,
                 const struct scrub_budget *budget);
