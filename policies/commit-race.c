/* Implements policies/commit-race.h. Before the first byte is copied, the job's total is
 * unreliable: libvirt may report 0 or the whole disk. */
#include "policies/commit-race.h"

void commit_race_begin(struct commit_race *race, int64_t now_ms, int64_t stall_ms)
{
        *race = (struct commit_race){ .stall_ms = stall_ms,
                                      .moved_ms = now_ms,
                                      .gained_ms = now_ms,
                                      .least_left_bytes = UINT64_MAX };
}

enum commit_race_state commit_race_update(struct commit_race *race, int64_t now_ms,
                                          uint64_t done_bytes, uint64_t total_bytes)
{
        uint64_t left_bytes = total_bytes > done_bytes ? total_bytes - done_bytes : 0;
        if (done_bytes != race->done_bytes)
                race->moved_ms = now_ms;
        race->done_bytes = done_bytes;
        if (done_bytes == 0) {
                race->gained_ms = now_ms;
        } else if (left_bytes < race->least_left_bytes) {
                race->least_left_bytes = left_bytes;
                race->gained_ms = now_ms;
        }
        if (now_ms - race->moved_ms > race->stall_ms)
                return COMMIT_RACE_STALLED;
        if (now_ms - race->gained_ms > race->stall_ms * COMMIT_RACE_LOST_PATIENCE)
                return COMMIT_RACE_LOST;
        return now_ms - race->gained_ms > race->stall_ms / COMMIT_RACE_SLOW_PART
                       ? COMMIT_RACE_SLOW
                       : COMMIT_RACE_GAINS;
}
