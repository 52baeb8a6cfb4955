/* A commit against a guest that goes on writing: is it still worth waiting for? Pure: what the job
 * says of itself comes in as numbers.
 *
 * A gain is that less is left to do than ever before. A guest that writes as fast as the commit
 * copies leaves it without one, although bytes move all the time: then the VM would stand on its
 * overlay for good. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
        /* of `stall_ms` without a gain: a limit on the commit has to give way */
        COMMIT_RACE_SLOW_PART = 10,
        /* times `stall_ms` without a gain: others are to have their turn */
        COMMIT_RACE_LOST_PATIENCE = 6,
};

struct commit_race {
        int64_t stall_ms; /* how long a job may move nothing; all patience is measured by it */
        int64_t moved_ms;
        int64_t gained_ms;
        uint64_t done_bytes;
        uint64_t least_left_bytes;
};

enum commit_race_state {
        COMMIT_RACE_GAINS,
        COMMIT_RACE_SLOW,    /* bytes move, and the guest writes as many */
        COMMIT_RACE_LOST,    /* the same, for very long */
        COMMIT_RACE_STALLED, /* nothing moves */
};

void commit_race_begin(struct commit_race *race, int64_t now_ms, int64_t stall_ms);
/* A look at the job, of which `total_bytes` grows with what the guest writes. */
enum commit_race_state commit_race_look(struct commit_race *race, int64_t now_ms,
                                        uint64_t done_bytes, uint64_t total_bytes);
