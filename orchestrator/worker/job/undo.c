/* Implements worker/job/undo.h. */
#include "worker/job/undo.h"

#include <assert.h>
#include <string.h>

void undo_push(struct undo_stack *stack, enum undo_name name,
               int (*undo)(void *data, struct error **err), void *data)
{
        assert(stack->count < UNDO_MAX);
        size_t at = stack->count;
        while (at > 0 && stack->entries[at - 1].name < name)
                at--;
        memmove(&stack->entries[at + 1], &stack->entries[at],
                (stack->count - at) * sizeof stack->entries[0]);
        stack->entries[at] = (struct undo_entry){ .name = name, .undo = undo, .data = data };
        stack->count++;
}

void undo_settle(struct undo_stack *stack, enum undo_name name)
{
        for (size_t i = stack->count; i-- > 0;) {
                if (stack->entries[i].name != name)
                        continue;
                memmove(&stack->entries[i], &stack->entries[i + 1],
                        (stack->count - i - 1) * sizeof stack->entries[0]);
                stack->count--;
                return;
        }
}

int undo_run(struct undo_stack *stack, struct report *report, struct error **err)
{
        struct error *first = NULL;
        while (stack->count) {
                struct undo_entry entry = stack->entries[--stack->count];
                _cleanup_error_ struct error *error = NULL;
                int r = entry.undo(entry.data, &error);
                report_undone(report, entry.name, r < 0 ? error : NULL);
                if (r < 0 && !first)
                        first = TAKE_PTR(error);
        }
        return first ? error_propagate(err, first) : 0;
}

void undo_run_after(struct undo_stack *stack, struct report *report, const char *what,
                    const char *vm, struct error **failure)
{
        _cleanup_error_ struct error *error = NULL;
        if (undo_run(stack, report, &error) == 0)
                return;
        struct error *both = NULL;
        error_set(&both, (*failure)->kind == ERROR_CANCELLED ? error->kind : (*failure)->kind,
                  "%s. %s did not end well either: %s. To try again: orch recover %s",
                  (*failure)->message, what, error->message, vm);
        error_free(*failure);
        *failure = both;
}
