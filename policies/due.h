/* When a VM is due: slots. Pure: the time comes in as a parameter; "local" is the process's zone
 * (base/clock.h).
 *
 * Slots follow cycle.start: weekly every week at that moment; daily every day at that time of day;
 * biweekly every second week from a fixed reference (the week of Monday 2024-01-01); monthly the
 * first weekly slot of each month; manual none. A slot is a local date and time of day: where the
 * clock skips it (the hour lost in spring) it begins by the gap's length later, where it comes
 * twice it begins the first time only.
 *
 * A VM is due when it has no good point that serves the current slot. A run up to 12 h before a
 * slot serves that slot: in those hours a VM is due unless its point is as young as that, and once
 * it has run it is not due again when the slot begins. The early window is never more than a
 * quarter of the period, which makes it 6 h for `daily`: with 12 h, a VM that ran half a day late
 * (the last of a long cycle) would count as served for the next day too and be backed up every
 * other day only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "schema/config/inventory.h"
#include "schema/config/settings.h"

/* Begin of the latest slot at or before `now` (epoch seconds), or 0 when the schedule has none
 * (manual). */
int64_t due_slot_at_or_before(enum vm_schedule schedule, const struct week_time *start,
                              int64_t now);
/* Begin of the first slot after `now`, or 0. */
int64_t due_slot_after(enum vm_schedule schedule, const struct week_time *start, int64_t now);
/* How long before a slot a run serves it already, in seconds: 12 h, daily 6 h, manual 0. */
int64_t due_early_window(enum vm_schedule schedule);

struct due_verdict {
        bool due;
        int64_t slot;      /* the slot that a run now serves; 0: none */
        int64_t next_slot; /* the next one after it; 0: none */
        /* the slot before the current one was missed too (or the VM has no point and its first slot
         * has passed) */
        bool overdue;
        char reason[160]; /* a sentence for `orch schedule` */
};

/* `last_good`: start of the VM's newest good point, 0 for none. One that lies more than a day in
 * the future (a clock was wrong) serves nothing; a VM without any point is overdue as well as due,
 * as nothing protects it. */
struct due_verdict due_decide(enum vm_schedule schedule, const struct week_time *start,
                              int64_t last_good, int64_t now);

/* Whether orch's own timer begins a cycle for the newest slot that something is due for (0: none):
 * once for each slot, and not for one that is older than 12 h. `last_slot`: of the last cycle that
 * it began; one in the future was begun by a clock that was wrong, and counts for nothing. */
bool due_timer_begins(int64_t slot, int64_t last_slot, int64_t now);
