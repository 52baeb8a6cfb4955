/* Routes that are answered at once from what the loop knows: GET /v1/status, /v1/schedule,
 * /v1/hypervisors. Nothing here waits for the share, so a share that hangs is reported in the
 * answer instead of delaying it. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api.h"
#include "daemon/cycle/cycle.h"
#include "daemon/jobs/batch.h"
#include "daemon/notices/notices.h"
#include "daemon/state/state.h"
#include "daemon/state/stream-lines.h"

static json_t *from_time(int64_t epoch_seconds)
{
        if (!epoch_seconds)
                return json_null();
        _cleanup_free_ char *text = clock_format_rfc3339(epoch_seconds);
        return json_string(text);
}

static json_t *repository_json(const struct daemon *daemon)
{
        _cleanup_share_view_ struct share_view view = share_look(daemon->share);
        json_t *json = json_object();
        json_object_set_new(json, "path", json_from_text(view.path));
        json_object_set_new(json, "uuid", json_from_text(view.uuid));
        json_object_set_new(json, "state", json_string(share_state_name(view.state)));
        json_object_set_new(json, "error", json_from_text(view.error));
        json_object_set_new(json, "free_bytes", json_integer((json_int_t)view.free_bytes));
        json_object_set_new(json, "total_bytes", json_integer((json_int_t)view.total_bytes));
        return json;
}

static json_t *inventory_json(const struct daemon *daemon)
{
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        json_t *json = json_object();
        json_object_set_new(json, "file", json_from_text(inventory_keeper_path(daemon->inventory)));
        json_object_set_new(json, "vms",
                            json_integer(inventory ? (json_int_t)inventory->n_vms : 0));
        json_object_set_new(
                json, "state",
                json_string(inventory_state_name(inventory_keeper_state(daemon->inventory))));
        json_object_set_new(json, "problems",
                            json_from_text(inventory_keeper_problems(daemon->inventory)));
        json_object_set_new(json, "loaded", from_time(inventory_keeper_loaded(daemon->inventory)));
        return json;
}

static json_t *cycle_json(const struct daemon *daemon)
{
        if (!daemon->cycle)
                return json_null();
        struct batch *batch = cycle_batch(daemon->cycle);
        struct tally tally = *batch_tally(batch);
        tally.duration_seconds = clock_realtime_s() - batch_started(batch);
        json_t *json = json_object();
        json_object_set_new(json, "started", from_time(batch_started(batch)));
        json_object_set_new(json, "bacula_job", json_from_text(batch_bacula_job(batch)));
        json_object_set_new(json, "summary", tally_to_json(&tally));
        return json;
}

static json_t *running_json(const struct daemon *daemon)
{
        json_t *array = json_array();
        for (size_t i = 0; i < daemon->n_busy; i++)
                json_array_append_new(array, job_to_json(daemon->busy[i], 0));
        return array;
}

static json_t *queued_json(const struct daemon *daemon)
{
        json_t *array = json_array();
        for (size_t i = 0; i < daemon->queue.count; i++)
                json_array_append_new(array, job_to_json(daemon->queue.items[i], i + 1));
        return array;
}

static json_t *overdue_json(const struct cycle_plan *plan)
{
        json_t *array = json_array();
        for (size_t i = 0; i < plan->count; i++) {
                if (!plan->items[i].overdue)
                        continue;
                json_t *item = json_object();
                json_object_set_new(item, "vm", json_from_text(plan->items[i].vm->name));
                json_object_set_new(item, "reason", json_from_text(plan->items[i].reason));
                json_array_append_new(array, item);
        }
        return array;
}

static json_t *failed_json(const struct daemon *daemon, const struct cycle_plan *plan)
{
        json_t *array = json_array();
        for (size_t i = 0; i < plan->count; i++) {
                const struct vm_state *state =
                        vm_states_find(&daemon->states, plan->items[i].vm->name);
                if (!state || !state->failed_job)
                        continue;
                json_t *item = json_object();
                json_object_set_new(item, "vm", json_from_text(state->name));
                json_object_set_new(item, "job", json_from_text(state->failed_job));
                json_object_set_new(item, "error", json_from_text(state->failed_error));
                json_object_set_new(item, "when", from_time(state->failed_when));
                json_array_append_new(array, item);
        }
        return array;
}

static json_t *texts_json(char *const *texts)
{
        json_t *array = json_array();
        for (size_t i = 0; texts && texts[i]; i++)
                json_array_append_new(array, json_from_text(texts[i]));
        return array;
}

static json_t *warnings_json(const struct daemon *daemon)
{
        _cleanup_strv_ char **warnings = NULL;
        _cleanup_share_view_ struct share_view view = share_look(daemon->share);
        if (view.full)
                strv_add(&warnings, "the share is full: nothing can be backed up before space is "
                                    "freed (`orch prune`)");
        if (inventory_keeper_state(daemon->inventory) == INVENTORY_LAST_GOOD)
                strv_add(&warnings, "the inventory is broken; the last good one is used");
        else if (inventory_keeper_state(daemon->inventory) == INVENTORY_NONE)
                strv_add(&warnings, "the inventory is broken and there is no older one; nothing "
                                    "can be backed up");
        for (size_t i = 0; i < daemon->n_busy; i++)
                if (daemon->busy[i]->state == JOB_STUCK)
                        strv_addf(&warnings,
                                  "the worker of job %s hangs; %s is set aside until it has ended",
                                  daemon->busy[i]->id,
                                  daemon->busy[i]->vm ? daemon->busy[i]->vm
                                                      : daemon->busy[i]->hypervisor);
        _cleanup_free_ char *listed = xstrdup(inventory_keeper_warnings(daemon->inventory));
        char *rest = listed;
        for (char *line; (line = strsep(&rest, "\n"));)
                if (*line)
                        strv_add(&warnings, line);
        notices_warn(daemon->notices, &warnings);
        return texts_json(warnings);
}

void api_status(struct daemon *daemon, struct api_request *request)
{
        int64_t now = clock_realtime_s();
        _cleanup_cycle_plan_ struct cycle_plan plan = { 0 };
        /* Without the catalog no points are known, and no VM is reported as overdue. */
        if (daemon->states.loaded &&
            cycle_plan_make(daemon, &(struct cycle_filter){ 0 }, true, now, &plan, NULL) < 0)
                plan = (struct cycle_plan){ 0 };
        json_t *json = json_object();
        json_object_set_new(json, "version", json_string(ORCH_VERSION));
        json_object_set_new(json, "pid", json_integer(getpid()));
        json_object_set_new(json, "started", from_time(daemon->started));
        json_object_set_new(json, "repository", repository_json(daemon));
        json_object_set_new(json, "inventory", inventory_json(daemon));
        json_object_set_new(json, "paused", json_boolean(daemon->paused.on));
        json_object_set_new(json, "paused_until", from_time(daemon->paused.until));
        json_object_set_new(json, "stopping", json_boolean(daemon->phase != DAEMON_RUNNING));
        json_object_set_new(json, "cycle", cycle_json(daemon));
        json_object_set_new(json, "running", running_json(daemon));
        json_object_set_new(json, "queued", queued_json(daemon));
        json_object_set_new(json, "overdue", overdue_json(&plan));
        json_object_set_new(json, "damaged", texts_json(daemon->states.damaged));
        json_object_set_new(json, "failed", failed_json(daemon, &plan));
        json_object_set_new(json, "next_slot", from_time(cycle_plan_next_slot(daemon, now)));
        json_object_set_new(json, "notify", notices_to_json(daemon->notices));
        json_object_set_new(json, "warnings", warnings_json(daemon));
        api_answer_json(request, json);
}

static json_t *schedule_json(const struct cycle_plan *plan)
{
        json_t *array = json_array();
        for (size_t i = 0; i < plan->count; i++) {
                const struct cycle_item *item = &plan->items[i];
                json_t *json = json_object();
                json_object_set_new(json, "vm", json_from_text(item->vm->name));
                json_object_set_new(json, "hypervisor", json_from_text(item->vm->hypervisor));
                json_object_set_new(json, "priority", json_integer(item->vm->priority));
                json_object_set_new(json, "schedule",
                                    json_string(vm_schedule_name(item->vm->schedule)));
                json_object_set_new(json, "due", json_boolean(item->due));
                json_object_set_new(json, "overdue", json_boolean(item->overdue));
                json_object_set_new(json, "reason", json_from_text(item->reason));
                json_object_set_new(json, "next", from_time(item->next_slot));
                json_object_set_new(json, "last_good", from_time(item->last_good));
                json_object_set_new(json, "order", json_integer((json_int_t)i + 1));
                json_array_append_new(array, json);
        }
        return array;
}

static void schedule_when_ready(void *data, const struct error *unavailable, const char *unused)
{
        (void)unused;
        struct api_request *request = data;
        struct daemon *daemon = api_daemon(request);
        _cleanup_cycle_plan_ struct cycle_plan plan = { 0 };
        _cleanup_error_ struct error *error = NULL;
        /* What was known before the share became unavailable is still of use. */
        if (unavailable && !daemon->states.loaded)
                api_answer_unavailable(request, unavailable);
        else if (cycle_plan_make(daemon, &(struct cycle_filter){ 0 }, true, clock_realtime_s(),
                                 &plan, &error) < 0)
                api_answer_error(request, error);
        else
                api_answer_json(request, schedule_json(&plan));
}

void api_schedule(struct daemon *daemon, struct api_request *request)
{
        if (daemon->states.loaded)
                schedule_when_ready(request, NULL, NULL);
        else
                share_when_ready(daemon->share, schedule_when_ready, request);
}

static json_t *last_contact_json(const struct daemon *daemon, const char *name)
{
        const struct hypervisor_state *state = vm_states_find_hypervisor(&daemon->states, name);
        if (!state)
                return json_null();
        json_t *json = json_object();
        json_object_set_new(json, "ok", json_boolean(state->ok));
        json_object_set_new(json, "error", json_from_text(state->error));
        json_object_set_new(json, "when", from_time(state->when));
        return json;
}

void api_hypervisors(struct daemon *daemon, struct api_request *request)
{
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        json_t *array = json_array();
        for (size_t i = 0; inventory && i < inventory->n_hypervisors; i++) {
                const struct inventory_hypervisor *hypervisor = &inventory->hypervisors[i];
                json_int_t vms = 0;
                for (size_t v = 0; v < inventory->n_vms; v++)
                        vms += streq(inventory->vms[v].hypervisor, hypervisor->name);
                json_t *json = json_object();
                json_object_set_new(json, "name", json_from_text(hypervisor->name));
                json_object_set_new(json, "address", json_from_text(hypervisor->address));
                json_object_set_new(json, "vms", json_integer(vms));
                json_object_set_new(json, "last", last_contact_json(daemon, hypervisor->name));
                json_array_append_new(array, json);
        }
        api_answer_json(request, array);
}
