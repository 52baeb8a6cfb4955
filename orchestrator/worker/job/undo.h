/* The undo stack: a step that changes something pushes how to undo it before it begins; success
 * settles entries one by one; failure, cancel and shutdown run what is left. Every undo looks at
 * reality and is harmless when nothing is to be undone.
 *
 * The order of undoing is that of `enum undo_name`, whatever the order of pushing was; of entries
 * with one name the newest is undone first. So a freeze, which surrounds the snapshot that is taken
 * in it, is undone before the snapshot's overlays are committed. */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "worker/job/report.h"

enum { UNDO_MAX = 16 };

struct undo_entry {
        enum undo_name name; /* what it undoes */
        int (*undo)(void *data, struct error **err);
        void *data; /* not owned */
};

struct undo_stack {
        struct undo_entry entries[UNDO_MAX]; /* the next one to be undone comes last */
        size_t count;
};

void undo_push(struct undo_stack *stack, enum undo_name name,
               int (*undo)(void *data, struct error **err), void *data);
/* Removes the newest entry of that name without running it: what it would undo is settled. None
 * is fine. */
void undo_settle(struct undo_stack *stack, enum undo_name name);
/* Runs and removes all, in the order above, going on after a failure. Returns -1 with the first
 * failure's error when one failed. */
int undo_run(struct undo_stack *stack, struct report *report, struct error **err) _must_check_;
/* The same after a job's failure: what cannot be undone is added to the job's error, because a
 * person needs to know it most of all. `what` is the undoing ("Putting the VM back"), `vm` whose
 * recovery tries it again. */
void undo_run_after(struct undo_stack *stack, struct report *report, const char *what,
                    const char *vm, struct error **failure);
