/* A commit against a guest that goes on writing: does it still make progress? Pure: the job's
 * counters come in as numbers.
 *
 * The commit makes progress (a gain) only if the remaining byte count reaches a new minimum. If the
 * guest writes as fast as the commit copies, bytes move all the time but there is no gain: the
 * commit would never converge, and the VM would stay on its overlay. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
        /* after this fraction of `stall_ms` without a gain, a bandwidth limit has to be lifted */
        COMMIT_RACE_SLOW_PART = 10,
        /* after this multiple of `stall_ms` without a gain, other VMs get their turn */
        COMMIT_RACE_LOST_PATIENCE = 6,
};

struct commit_race {
        int64_t stall_ms; /* how long a job may copy nothing; the other limits are relative to it */
        int64_t moved_ms;
        int64_t gained_ms;
        uint64_t done_bytes;
        uint64_t least_left_bytes;
};

enum commit_race_state {
        COMMIT_RACE_GAINS,
        COMMIT_RACE_SLOW,    /* bytes are copied, but the guest writes as many */
        COMMIT_RACE_LOST,    /* the same, for too long */
        COMMIT_RACE_STALLED, /* nothing is copied */
};

void commit_race_begin(struct commit_race *race, int64_t now_ms, int64_t stall_ms);
/* Updates the race with a poll of the job and returns its state. `total_bytes` grows with what the
 * guest writes. */
enum commit_race_state commit_race_update(struct commit_race *race, int64_t now_ms,
                                          uint64_t done_bytes, uint64_t total_bytes);
