/* Implements daemon/cycle/cycle-plan.h: policies/due.h decides on what vm-states knows of each
 * VM. */
#include "daemon/cycle/cycle-plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "daemon/state/state.h"
#include "policies/due.h"
#include "policies/order.h"

void cycle_plan_done(struct cycle_plan *plan)
{
        free(plan->items);
        *plan = (struct cycle_plan){ 0 };
}

static bool any_glob_matches(char *const *globs, const char *name)
{
        for (size_t i = 0; globs && globs[i]; i++)
                if (name_matches(globs[i], name))
                        return true;
        return false;
}

static bool any_tag(const struct inventory_vm *vm, char *const *tags)
{
        for (size_t i = 0; tags && tags[i]; i++)
                if (strv_contains(vm->tags, tags[i]))
                        return true;
        return false;
}

static bool filter_passes(const struct inventory_vm *vm, const struct cycle_filter *filter)
{
        if (filter->tags && !any_tag(vm, filter->tags))
                return false;
        if (filter->hypervisors &&
            !(vm->hypervisor && strv_contains(filter->hypervisors, vm->hypervisor)))
                return false;
        return !any_glob_matches(filter->exclude, vm->name);
}

static int unknown_word(const char *kind, const char *word, char *const *known, struct error **err)
{
        const char *nearest = known ? nearest_word(word, (const char *const *)known) : NULL;
        return error_set(err, ERROR_CONFIG, "no VM of the inventory has the %s '%s'%s%s%s", kind,
                         word, nearest ? "; nearest: '" : "", nearest ? nearest : "",
                         nearest ? "'" : "");
}

static int check_filter(const struct inventory *inventory, const struct cycle_filter *filter,
                        struct error **err)
{
        _cleanup_strv_ char **tags = NULL;
        _cleanup_strv_ char **hypervisors = NULL;
        for (size_t i = 0; i < inventory->n_vms; i++) {
                for (size_t t = 0; inventory->vms[i].tags && inventory->vms[i].tags[t]; t++)
                        if (!strv_contains(tags, inventory->vms[i].tags[t]))
                                strv_add(&tags, inventory->vms[i].tags[t]);
                if (inventory->vms[i].hypervisor &&
                    !strv_contains(hypervisors, inventory->vms[i].hypervisor))
                        strv_add(&hypervisors, inventory->vms[i].hypervisor);
        }
        for (size_t i = 0; filter->tags && filter->tags[i]; i++)
                if (!strv_contains(tags, filter->tags[i]))
                        return unknown_word("tag", filter->tags[i], tags, err);
        for (size_t i = 0; filter->hypervisors && filter->hypervisors[i]; i++)
                if (!strv_contains(hypervisors, filter->hypervisors[i]))
                        return unknown_word("hypervisor", filter->hypervisors[i], hypervisors, err);
        return 0;
}

static struct cycle_item make_item(const struct daemon *daemon, const struct inventory_vm *vm,
                                   int64_t now)
{
        const struct vm_state *state = vm_states_find(&daemon->states, vm->name);
        int64_t last_good = state ? state->last_good : 0;
        struct due_verdict verdict =
                due_decide(vm->schedule, &daemon->settings->cycle_start, last_good, now);
        struct cycle_item item = {
                .vm = vm,
                .due = verdict.due,
                .overdue = verdict.overdue,
                .slot = verdict.slot,
                .next_slot = verdict.next_slot,
                .last_good = last_good,
        };
        memcpy(item.reason, verdict.reason, sizeof item.reason);
        return item;
}

static int compare_items(const void *a, const void *b)
{
        return order_compare(&((const struct cycle_item *)a)->vm,
                             &((const struct cycle_item *)b)->vm);
}

static size_t count_usual(const struct daemon *daemon, const struct inventory *inventory,
                          int64_t now)
{
        size_t usual = 0;
        int64_t newest = 0;
        for (size_t i = 0; i < inventory->n_vms; i++) {
                int64_t slot = make_item(daemon, &inventory->vms[i], now).slot;
                if (slot > newest)
                        usual = 0;
                newest = slot > newest ? slot : newest;
                usual += slot && slot == newest;
        }
        return usual;
}

int cycle_plan_make(const struct daemon *daemon, const struct cycle_filter *filter,
                    bool with_manual, int64_t now, struct cycle_plan *ret, struct error **err)
{
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        if (!inventory)
                return error_set(err, ERROR_CONFIG, "%s",
                                 inventory_keeper_problems(daemon->inventory));
        if (check_filter(inventory, filter, err) < 0)
                return -1;
        struct cycle_plan plan = { .items = xcalloc(inventory->n_vms + 1, sizeof *plan.items) };
        for (size_t i = 0; i < inventory->n_vms; i++)
                if (filter_passes(&inventory->vms[i], filter) &&
                    (with_manual || inventory->vms[i].schedule != VM_SCHEDULE_MANUAL))
                        plan.items[plan.count++] = make_item(daemon, &inventory->vms[i], now);
        qsort(plan.items, plan.count, sizeof *plan.items, compare_items);
        plan.usual = count_usual(daemon, inventory, now);
        *ret = plan;
        return 0;
}

int64_t cycle_plan_next_slot(const struct daemon *daemon, int64_t now)
{
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        int64_t next = 0;
        for (size_t i = 0; inventory && i < inventory->n_vms; i++) {
                int64_t slot = due_slot_after(inventory->vms[i].schedule,
                                              &daemon->settings->cycle_start, now);
                if (slot && (!next || slot < next))
                        next = slot;
        }
        return next;
}
