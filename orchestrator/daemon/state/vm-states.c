/* Implements daemon/state/vm-states.h. */
#include "daemon/state/vm-states.h"

#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"

static void clear_failure(struct vm_state *vm)
{
        xstrdup_replace(&vm->failed_job, NULL);
        xstrdup_replace(&vm->failed_error, NULL);
        vm->failed_when = 0;
}

void vm_states_done(struct vm_states *states)
{
        for (size_t i = 0; i < states->n_vms; i++) {
                clear_failure(&states->vms[i]);
                free(states->vms[i].name);
                free(states->vms[i].last_good_path);
                free(states->vms[i].pin);
                free(states->vms[i].pin_hypervisor);
        }
        free(states->vms);
        for (size_t i = 0; i < states->n_hypervisors; i++) {
                free(states->hypervisors[i].name);
                free(states->hypervisors[i].error);
        }
        free(states->hypervisors);
        strv_free(states->damaged);
        *states = (struct vm_states){ 0 };
}

const struct vm_state *vm_states_find(const struct vm_states *states, const char *vm)
{
        for (size_t i = 0; i < states->n_vms; i++)
                if (streq(states->vms[i].name, vm))
                        return &states->vms[i];
        return NULL;
}

static struct vm_state *find_or_add(struct vm_states *states, const char *vm)
{
        for (size_t i = 0; i < states->n_vms; i++)
                if (streq(states->vms[i].name, vm))
                        return &states->vms[i];
        states->vms = xrealloc_array(states->vms, states->n_vms + 1, sizeof *states->vms);
        struct vm_state *state = &states->vms[states->n_vms++];
        *state = (struct vm_state){ .name = xstrdup(vm) };
        return state;
}

/* Newest first: the names of points sort by time. */
static void add_damaged_point(struct vm_states *states, const struct catalog_entry *row)
{
        char **all = NULL;
        bool added = false;
        for (size_t i = 0; states->damaged && states->damaged[i]; i++) {
                if (!added && strcmp(path_base(states->damaged[i]), row->point) < 0) {
                        strv_addf(&all, "%s/%s", row->vm, row->point);
                        added = true;
                }
                strv_add(&all, states->damaged[i]);
        }
        if (!added)
                strv_addf(&all, "%s/%s", row->vm, row->point);
        strv_free(states->damaged);
        states->damaged = all;
}

static void note_proof(struct vm_state *vm, const struct catalog_entry *row)
{
        if (streq(row->status, "ok") && row->proven > vm->proven)
                vm->proven = row->proven;
        if (row->proof_at > vm->tried)
                vm->tried = row->proof_at;
}

static void count_point(struct vm_state *vm, const struct catalog_entry *row)
{
        int64_t known_whole = row->verified > row->finished ? row->verified : row->finished;
        if (!row->point || !streq(row->status, "ok")) {
                vm->damaged_points += row->point && streq(row->status, "damaged");
                return;
        }
        vm->good_points++;
        if (!vm->first_good || row->started < vm->first_good)
                vm->first_good = row->started;
        if (!vm->known_whole || known_whole < vm->known_whole)
                vm->known_whole = known_whole;
}

static void forget_counts(struct vm_state *vm)
{
        vm->good_points = vm->damaged_points = 0;
        vm->first_good = vm->known_whole = 0;
}

static void count_points(struct vm_state *vm, const struct catalog_list *rows)
{
        forget_counts(vm);
        for (size_t i = 0; i < rows->count; i++)
                count_point(vm, &rows->items[i]);
}

static void take_row(struct vm_states *states, const struct catalog_entry *row)
{
        struct vm_state *vm = find_or_add(states, row->vm);
        note_proof(vm, row);
        if (streq(row->status, "ok")) {
                if (row->started < vm->last_good)
                        return;
                vm->last_good = row->started;
                xstrdup_replace(&vm->last_good_path, row->path);
                vm->last_good_finished = row->finished;
                vm->stored_bytes = row->stored_bytes;
                vm->duration_seconds = row->duration_seconds;
                vm->freeze_milliseconds = row->freeze_milliseconds;
                if (vm->failed_when <= row->started)
                        clear_failure(vm);
        } else if (streq(row->status, "failed")) {
                if (row->started < vm->last_good || row->started < vm->failed_when)
                        return;
                xstrdup_replace(&vm->failed_job, row->job);
                xstrdup_replace(&vm->failed_error, row->error);
                vm->failed_when = row->started;
        } else if (streq(row->status, "damaged") && row->point) {
                add_damaged_point(states, row);
        }
}

void vm_states_note(struct vm_states *states, const struct catalog_entry *row)
{
        count_point(find_or_add(states, row->vm), row);
        take_row(states, row);
}

void vm_states_load(struct vm_states *states, const struct catalog_list *rows)
{
        for (size_t i = 0; i < states->n_vms; i++) {
                clear_failure(&states->vms[i]);
                states->vms[i].last_good = 0;
                states->vms[i].proven = states->vms[i].tried = 0;
                forget_counts(&states->vms[i]);
        }
        states->damaged = strv_free(states->damaged);
        for (size_t i = 0; i < rows->count; i++)
                vm_states_note(states, &rows->items[i]);
        states->loaded = true;
}

void vm_states_forget_point(struct vm_states *states, const char *vm, const char *point)
{
        _cleanup_free_ char *name = xasprintf("%s/%s", vm, point);
        char **kept = NULL;
        for (size_t i = 0; states->damaged && states->damaged[i]; i++)
                if (!streq(states->damaged[i], name))
                        strv_add(&kept, states->damaged[i]);
        strv_free(states->damaged);
        states->damaged = kept;
}

void vm_states_refresh_point(struct vm_states *states, const char *vm, const char *path,
                             const struct catalog_list *rows)
{
        struct vm_state *state = find_or_add(states, vm);
        vm_states_forget_point(states, vm, path_base(path));
        /* The newest good one is no more: the next one takes its place. */
        bool start_over = streq(state->last_good_path, path);
        if (start_over)
                state->last_good = 0;
        state->proven = state->tried = 0;
        for (size_t i = 0; i < rows->count; i++)
                note_proof(state, &rows->items[i]);
        for (size_t i = 0; i < rows->count; i++)
                if (streq(rows->items[i].path, path) ||
                    (start_over && streq(rows->items[i].status, "ok")))
                        take_row(states, &rows->items[i]);
        count_points(find_or_add(states, vm), rows);
}

void vm_states_set_pin(struct vm_states *states, const char *vm, const char *uuid,
                       const char *hypervisor)
{
        struct vm_state *state = find_or_add(states, vm);
        state->pin_known = true;
        xstrdup_replace(&state->pin, uuid);
        xstrdup_replace(&state->pin_hypervisor, hypervisor);
}

const struct hypervisor_state *vm_states_find_hypervisor(const struct vm_states *states,
                                                         const char *name)
{
        for (size_t i = 0; i < states->n_hypervisors; i++)
                if (streq(states->hypervisors[i].name, name))
                        return &states->hypervisors[i];
        return NULL;
}

void vm_states_set_hypervisor(struct vm_states *states, const char *name, const char *error,
                              int64_t when)
{
        struct hypervisor_state *found = NULL;
        for (size_t i = 0; i < states->n_hypervisors && !found; i++)
                if (streq(states->hypervisors[i].name, name))
                        found = &states->hypervisors[i];
        if (!found) {
                states->hypervisors = xrealloc_array(states->hypervisors, states->n_hypervisors + 1,
                                                     sizeof *states->hypervisors);
                found = &states->hypervisors[states->n_hypervisors++];
                *found = (struct hypervisor_state){ .name = xstrdup(name) };
        }
        found->ok = !error;
        xstrdup_replace(&found->error, error);
        found->when = when;
}
