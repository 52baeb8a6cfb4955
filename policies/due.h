/* When a VM is due: slots. Pure: the time comes in as a parameter; "local" is the process's zone
 * (base/clock.h).
 *
 * Slots follow cycle.start: weekly every week at that day and time; daily every day at that time;
 * biweekly every second week from a fixed reference (the week of Monday 2024-01-01); monthly the
 * first weekly slot of each month; manual none. A slot is a local date and time of day: when the
 * clock skips it (daylight saving begins), it begins later by the length of the gap; when it occurs
 * twice, it begins at the first occurrence only.
 *
 * A VM is due when it has no good point that serves the current slot. A backup up to 12 h before a
 * slot serves that slot: in this early window a VM is due unless its newest point lies in the
 * window too, and after a backup it is not due again when the slot begins. The early window is
 * never more than a quarter of the period, which makes it 6 h for `daily`: with 12 h, a VM that ran
 * half a day late (the last of a long cycle) would count as served for the next day too and be
 * backed up every other day only. */
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
/* How long before a slot a backup already serves it, in seconds: 12 h, daily 6 h, manual 0. */
int64_t due_early_window(enum vm_schedule schedule);

struct due_verdict {
        bool due;
        int64_t slot;      /* the slot that a backup now would serve; 0: none */
        int64_t next_slot; /* the next one after it; 0: none */
        /* the slot before the current one was missed too (or the VM has no point and its first slot
         * has passed) */
        bool overdue;
        char reason[160]; /* the reason, for `orch schedule` */
};

/* `last_good`: start of the VM's newest good point, 0 for none. A point that lies more than a day
 * in the future (a clock was wrong) serves no slot. A VM without any point is overdue as well as
 * due, because it is not protected. */
struct due_verdict due_decide(enum vm_schedule schedule, const struct week_time *start,
                              int64_t last_good, int64_t now);

/* Whether orch's own timer begins a cycle for `slot`, the newest slot for which a VM is due (0:
 * none). It begins one cycle for each slot, and none for a slot older than 12 h. `last_slot` is the
 * slot of the last cycle that the timer began; it is ignored when it lies in the future, because
 * then a clock was wrong. */
bool due_timer_begins(int64_t slot, int64_t last_slot, int64_t now);
