/* Which point is read back next at a cycle's end, within `verify.budget_minutes` (settings). Pure.
 *
 * The one that was known to be whole longest ago comes first: published, or verified since. Damaged
 * points are left out (they are known, and come back by `orch verify`), and so are those that had
 * their turn in this cycle. A point is begun when it can be expected to be over in time; one that
 * is larger than the whole budget would never be, so it is begun when it is the first of its cycle,
 * and then finished. */
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
        bool first;                /* nothing was begun in this cycle yet */
        uint64_t bytes_per_second; /* as measured; > 0 */
};

/* The index of the one to begin (of equals the last), or -1: none fits any more. */
int scrub_choose(const struct scrub_candidate *candidates, size_t n_candidates,
                 const struct scrub_budget *budget);
