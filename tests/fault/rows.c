/* Implements rows.h. */
#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

enum { TRACES_MAX = 3, BREACHES_MAX = 60 };

const struct row rows[] = {
        { "unreachable", { FAULT_ERROR, ERROR_UNREACHABLE }, HYPERVISOR, BY_ITSELF },
        { "timeout", { FAULT_ERROR, ERROR_TIMEOUT }, HYPERVISOR, BY_ITSELF },
        { "busy", { FAULT_ERROR, ERROR_BUSY }, HYPERVISOR, BY_ITSELF },
        { "error", { FAULT_ERROR, ERROR_INTERNAL }, ANY, BY_ITSELF },
        { "no-space", { FAULT_ERROR, ERROR_NOSPACE }, SHARE, BY_ITSELF },
        { "answer-lost", { FAULT_LOST, ERROR_UNREACHABLE }, CHANGING, BY_ITSELF },
        { "answer-too-late", { FAULT_LOST, ERROR_TIMEOUT }, CHANGING, BY_ITSELF },
        { "connection-breaks", { FAULT_DOWN }, HYPERVISOR, BY_ITSELF },
        { "network-out-45s", { FAULT_OUTAGE }, HYPERVISOR, BY_ITSELF },
        { "network-gone", { FAULT_GONE }, HYPERVISOR, BY_THE_NEXT },
        { "cancel", { FAULT_CANCEL }, ANY, BY_ITSELF },
        { "kill", { FAULT_KILL }, ANY, BY_THE_NEXT },
        { "power-off", { FAULT_POWER_OFF }, HYPERVISOR, BY_ITSELF },
        { "kill-twice", { FAULT_KILL }, ANY, BY_THE_NEXT, .next_is_killed = true },
        { "error-then-kill",
          { FAULT_ERROR, ERROR_INTERNAL },
          HYPERVISOR,
          BY_THE_NEXT,
          .then = { FAULT_KILL } },
        { "cancel-then-gone", { FAULT_CANCEL }, HYPERVISOR, BY_THE_NEXT, .then = { FAULT_GONE } },
        { "late-freeze-8s", { FAULT_LATE_FREEZE, .stall_ms = 8 * 1000 }, FREEZE, BY_THE_NEXT },
        { "late-freeze-35s", { FAULT_LATE_FREEZE, .stall_ms = 35 * 1000 }, FREEZE, BY_THE_NEXT },
        { "late-freeze-130s", { FAULT_LATE_FREEZE, .stall_ms = 130 * 1000 }, FREEZE, BY_THE_NEXT },
};
const size_t n_rows = ARRAY_LENGTH(rows);
_Static_assert(ARRAY_LENGTH(rows) <= ROWS, "there are more rows than tallies");

void reference_take(struct reference *ret)
{
        ret->calls = world->calls;
        memcpy(ret->changing, world->changing, sizeof ret->changing);
        memcpy(ret->on_share, world->on_share, sizeof ret->on_share);
        const char *freeze = strstr(world->trace, " fsfreeze ");
        if (!freeze)
                return;
        const char *number = freeze;
        while (number[-1] != ' ')
                number--;
        ret->freeze_call = (unsigned)strtoul(number, NULL, 10);
}

bool row_applies(const struct row *row, const struct reference *reference, unsigned at)
{
        switch (row->scope) {
        case HYPERVISOR:
                return !reference->on_share[at];
        case SHARE:
                return reference->on_share[at];
        case CHANGING:
                return reference->changing[at];
        case FREEZE:
                return at == reference->freeze_call;
        case ANY:
        default:
                return true;
        }
}

bool row_is_asked_for(const struct row *row, const char *only, unsigned at, unsigned only_at)
{
        return (!only || streq(only, row->name)) && (!only_at || at == only_at);
}

void tally_add(struct tally *tally, const struct verdict *verdict)
{
        tally->runs++;
        if (verdict->killed)
                tally->killed++;
        else if (streq(verdict->status, "ok"))
                tally->ok++;
        else if (streq(verdict->status, "cancelled"))
                tally->cancelled++;
        else
                tally->failed++;
}

void tally_judge(struct tally *tally, const char *campaign, const struct row *row, unsigned at,
                 const struct verdict *verdict)
{
        static unsigned traces_shown, breaches_shown;
        if (!world->n_violations)
                return;
        tally->broken++;
        for (unsigned i = 0; i < world->n_violations && breaches_shown < BREACHES_MAX; i++)
                printf("BROKEN %s %s at call %u: %s\n", campaign, row->name, at,
                       world->violations[i]);
        breaches_shown++;
        if (traces_shown++ < TRACES_MAX)
                printf("%s%s\n", world->trace, verdict->diagnostics);
}

int tallies_print(const struct tally *tallies)
{
        unsigned broken = 0;
        printf("%-18s %5s %5s %7s %10s %7s %7s\n", "fault", "runs", "ok", "failed", "cancelled",
               "killed", "broken");
        for (size_t i = 0; i < n_rows; i++) {
                const struct tally *tally = &tallies[i];
                broken += tally->broken;
                if (tally->runs)
                        printf("%-18s %5u %5u %7u %10u %7u %7u\n", rows[i].name, tally->runs,
                               tally->ok, tally->failed, tally->cancelled, tally->killed,
                               tally->broken);
        }
        return broken ? 1 : 0;
}
