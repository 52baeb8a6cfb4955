/* Implements policies/scrub.h. */
#include "policies/scrub.h"

static bool scrub_fits(const struct scrub_candidate *candidate, const struct scrub_budget *budget)
{
        if (budget->left_seconds <= 0)
                return false;
        uint64_t seconds = candidate->stored_bytes / budget->bytes_per_second;
        return seconds <= (uint64_t)budget->left_seconds ||
               (budget->first && seconds > (uint64_t)budget->whole_seconds);
}

int scrub_choose(const struct scrub_candidate *candidates, size_t n_candidates,
                 const struct scrub_budget *budget)
{
        int chosen = -1;
        for (size_t i = 0; i < n_candidates; i++) {
                if (candidates[i].damaged || candidates[i].tried ||
                    !scrub_fits(&candidates[i], budget))
                        continue;
                if (chosen < 0 || candidates[i].known_whole <= candidates[chosen].known_whole)
                        chosen = (int)i;
        }
        return chosen;
}
