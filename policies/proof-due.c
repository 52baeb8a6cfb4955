/* Implements policies/proof-due.h. */
#include "policies/proof-due.h"

#include <time.h>

#define DAY ((int64_t)24 * 60 * 60)

/* Months since year 0 in local time. */
static int64_t month_of(int64_t instant)
{
        time_t t = (time_t)instant;
        struct tm local;
        localtime_r(&t, &local);
        return (int64_t)local.tm_year * 12 + local.tm_mon;
}

static bool proof_is_served(const struct proof_candidate *candidate, int64_t now)
{
        int64_t last = candidate->tried > candidate->proven ? candidate->tried : candidate->proven;
        switch (candidate->policy) {
        case VM_TEST_RESTORE_NEVER:
                return true;
        case VM_TEST_RESTORE_AFTER_EACH:
                return last >= candidate->newest_point;
        case VM_TEST_RESTORE_WEEKLY:
                return last > now - 6 * DAY - DAY / 2;
        case VM_TEST_RESTORE_MONTHLY:
                return last > 0 && month_of(last) == month_of(now);
        case VM_TEST_RESTORE_QUARTERLY:
                return last > 0 && month_of(last) / 3 == month_of(now) / 3;
        }
        return true;
}

bool proof_is_due(const struct proof_candidate *candidate, int64_t now)
{
        if (candidate->newest_point <= 0 || candidate->policy == VM_TEST_RESTORE_NEVER)
                return false;
        bool failed_last = candidate->tried > candidate->proven;
        if (failed_last && candidate->newest_point > candidate->tried)
                return true;
        return !proof_is_served(candidate, now);
}

/* Returns a negative number when `a` comes first. */
static int proof_compare(const struct proof_candidate *a, const struct proof_candidate *b)
{
        if (a->proven != b->proven)
                return a->proven < b->proven ? -1 : 1;
        return a->tried < b->tried ? -1 : a->tried > b->tried;
}

static bool takes_part(const struct proof_candidate *candidates, const bool *wanted, size_t i)
{
        return candidates[i].newest_point > 0 && (!wanted || wanted[i]);
}

int proof_choose(const struct proof_candidate *candidates, size_t count, const bool *wanted,
                 uint32_t random)
{
        size_t best = 0;
        size_t equals = 0;
        for (size_t i = 0; i < count; i++) {
                int order = equals ? proof_compare(&candidates[i], &candidates[best]) : -1;
                if (!takes_part(candidates, wanted, i) || order > 0)
                        continue;
                if (order < 0)
                        best = i;
                equals = order < 0 ? 1 : equals + 1;
        }
        size_t skip = equals ? random % equals : 0;
        for (size_t i = best; equals && i < count; i++)
                if (takes_part(candidates, wanted, i) &&
                    proof_compare(&candidates[i], &candidates[best]) == 0 && skip-- == 0)
                        return (int)i;
        return -1;
}
