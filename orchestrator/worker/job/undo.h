/* The undo stack. A step that changes something pushes its undo before it begins. Success settles
 * the entries one by one; a failure, a cancel or a shutdown runs the remaining ones. Every undo
 * inspects the actual state and does nothing if there is nothing to undo.
 *
 * The order of undoing is that of `enum undo_name`, whatever the order of pushing was; of entries
 * with the same name, the newest is undone first. So a freeze, within which the snapshot is taken,
 * is undone before the snapshot's overlays are committed. */
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
        struct undo_entry entries[UNDO_MAX]; /* the next one to be undone is the last */
        size_t count;
};

void undo_push(struct undo_stack *stack, enum undo_name name,
               int (*undo)(void *data, struct error **err), void *data);
/* Removes the newest entry of that name without running it, because what it would undo is settled.
 * Does nothing if there is none. */
void undo_settle(struct undo_stack *stack, enum undo_name name);
/* Runs and removes all entries, in the order above, and continues after a failure. Returns -1 with
 * the error of the first failure if any failed. */
int undo_run(struct undo_stack *stack, struct report *report, struct error **err) _must_check_;
/* The same after a job's failure: what cannot be undone is added to the job's error, because the
 * operator needs to know that most of all. `what` names the undoing ("Putting the VM back"), `vm`
 * is the VM whose recovery tries it again. */
void undo_run_after(struct undo_stack *stack, struct report *report, const char *what,
                    const char *vm, struct error **failure);
