/* POST /v1/prune. With dry_run: what retention would remove now, VM by VM, with the reason for each
 * point, from the rows of the catalog. Otherwise: jobs that remove it. Points of VMs that left the
 * inventory are listed and never removed, because nothing defines how long they are kept. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api-order.h"
#include "daemon/api/choose-vms.h"
#include "daemon/jobs/batch.h"
#include "daemon/jobs/runner.h"
#include "daemon/state/state.h"
#include "policies/retention.h"
#include "schema/records/prune-options.h"

struct prune_body {
        char **vms;    /* names or globs; none: all */
        char **points; /* "VM/POINT": only these; NULL: all that may go */
        bool dry_run;
};

#define FIELD(member) .name = #member, .offset = offsetof(struct prune_body, member)
static const struct json_field prune_fields[] = {
        { FIELD(vms), .type = JSON_FIELD_TEXTS },
        { FIELD(points), .type = JSON_FIELD_TEXTS },
        { FIELD(dry_run), .type = JSON_FIELD_FLAG },
        { 0 },
};

struct prune_order {
        struct daemon *daemon;
        struct api_request *request;
        struct prune_body body;
};

static void prune_order_free(void *data)
{
        struct prune_order *order = data;
        json_fields_done(prune_fields, &order->body);
        free(order);
}

static const char *point_row_text(const json_t *row, const char *name)
{
        return json_string_value(json_object_get(row, name));
}

static const char *home_of(const struct daemon *daemon, const struct inventory_vm *vm)
{
        const struct vm_state *state = vm_states_find(&daemon->states, vm->name);
        return vm->hypervisor ? vm->hypervisor : state ? state->pin_hypervisor : NULL;
}

/* One VM's points with the decision for each. Points under a hypervisor that is not its home are
 * left to an operator. */
static json_t *plan_vm(const struct daemon *daemon, const struct inventory_vm *vm,
                       const json_t *rows)
{
        const char *home = home_of(daemon, vm);
        size_t count = json_array_size(rows);
        _cleanup_free_ struct retention_point *points = xcalloc(count + 1, sizeof *points);
        _cleanup_free_ const json_t **of = xcalloc(count + 1, sizeof *of);
        size_t n = 0;
        for (size_t i = 0; i < count; i++) {
                const json_t *row = json_array_get(rows, i);
                if (!streq(point_row_text(row, "vm"), vm->name) ||
                    !streq(point_row_text(row, "hypervisor"), home))
                        continue;
                of[n] = row;
                struct retention_point *point = &points[n++];
                point->name = point_row_text(row, "point");
                point->parent = point_row_text(row, "parent");
                point->good = streq(point_row_text(row, "status"), "ok");
                point->held = json_is_true(json_object_get(row, "held"));
                point->unreadable = !point_row_text(row, "job");
                const char *started = point_row_text(row, "started");
                if (!started || !clock_parse_rfc3339(started, &point->started))
                        point->started = 0;
        }
        retention_decide(vm, points, n, clock_realtime_s());
        json_t *array = json_array();
        for (size_t i = 0; i < n; i++) {
                json_t *point = json_object();
                json_object_set_new(point, "point", json_from_text(points[i].name));
                json_object_set(point, "started", json_object_get(of[i], "started"));
                json_object_set(point, "stored_bytes", json_object_get(of[i], "stored_bytes"));
                json_object_set_new(point, "remove", json_boolean(points[i].remove));
                json_object_set_new(point, "reason", json_from_text(points[i].reason));
                json_array_append_new(array, point);
        }
        json_t *json = json_object();
        json_object_set_new(json, "vm", json_from_text(vm->name));
        json_object_set_new(json, "hypervisor", json_from_text(home));
        json_object_set_new(json, "points", array);
        return json;
}

static void add_unlisted(json_t *unlisted, const json_t *row)
{
        const char *name = point_row_text(row, "vm");
        json_t *entry = NULL;
        for (size_t i = 0; i < json_array_size(unlisted) && !entry; i++)
                if (streq(point_row_text(json_array_get(unlisted, i), "vm"), name))
                        entry = json_array_get(unlisted, i);
        if (!entry) {
                entry = json_object();
                json_object_set_new(entry, "vm", json_from_text(name));
                json_array_append_new(unlisted, entry);
        }
        json_int_t points = json_integer_value(json_object_get(entry, "points"));
        json_int_t bytes = json_integer_value(json_object_get(entry, "stored_bytes"));
        json_object_set_new(entry, "points", json_integer(points + 1));
        json_object_set_new(
                entry, "stored_bytes",
                json_integer(bytes + json_integer_value(json_object_get(row, "stored_bytes"))));
}

static json_t *make_plan(const struct daemon *daemon, const struct inventory *inventory,
                         char *const *vms, bool all, const json_t *rows)
{
        json_t *planned = json_array();
        json_t *unlisted = json_array();
        for (size_t i = 0; i < inventory->n_vms; i++)
                if (strv_contains(vms, inventory->vms[i].name))
                        json_array_append_new(planned, plan_vm(daemon, &inventory->vms[i], rows));
        for (size_t i = 0; all && i < json_array_size(rows); i++) {
                const char *name = point_row_text(json_array_get(rows, i), "vm");
                if (name && !inventory_find_vm(inventory, name))
                        add_unlisted(unlisted, json_array_get(rows, i));
        }
        json_t *json = json_object();
        json_object_set_new(json, "vms", planned);
        json_object_set_new(json, "unlisted", unlisted);
        return json;
}

static int choose_pruned(const struct inventory *inventory, char *const *words, char ***ret,
                         struct error **err)
{
        const char *unknown = choose_vms(inventory, words, ret);
        if (!unknown)
                return 0;
        _cleanup_free_ char *shown = str_one_line(unknown, 120);
        return error_set(err, ERROR_CONFIG,
                         "no VM '%s' in the inventory %s: how long the points of such a VM are "
                         "kept is not defined",
                         shown, inventory->file);
}

/* The names of this VM's points that were confirmed in the request; *ret_any: whether there are
 * any. */
static void agreed_points(const struct prune_order *order, const char *vm,
                          struct prune_options *options, bool *ret_any)
{
        *ret_any = !order->body.points;
        for (size_t i = 0; order->body.points && order->body.points[i]; i++) {
                const char *text = order->body.points[i];
                if (!str_starts_with(text, vm) || text[strlen(vm)] != '/')
                        continue;
                strv_add(&options->points, text + strlen(vm) + 1);
                *ret_any = true;
        }
}

static void start_jobs(const struct prune_order *order, char *const *vms)
{
        struct daemon *daemon = order->daemon;
        daemon->next_sequence++;
        struct batch *batch = batch_new(daemon, "pruned", NULL);
        api_answer_stream(order->request, batch_subscribe(batch));
        for (size_t i = 0; vms && vms[i]; i++) {
                _cleanup_prune_options_ struct prune_options options = { 0 };
                bool any = false;
                agreed_points(order, vms[i], &options, &any);
                if (!any)
                        continue;
                struct job *job = runner_new_job(daemon, JOB_PRUNE, JOB_CLASS_ADHOC, vms[i], NULL);
                xstrdup_replace(&job->hypervisor, NULL); /* no point of it may go */
                job->options = prune_options_to_json(&options);
                batch_add(batch, job);
        }
        daemon_changed(daemon);
        batch_seal(batch);
}

static int answer_prune(void *data, const char *text, struct error **err)
{
        const struct prune_order *order = data;
        struct daemon *daemon = order->daemon;
        _cleanup_strv_ char **vms = NULL;
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        /* The inventory is read again first: a point may have to be kept for longer since the last
         * reading. */
        if (!inventory || inventory_keeper_state(daemon->inventory) != INVENTORY_OK)
                return error_set(err, ERROR_CONFIG, "%s",
                                 inventory_keeper_problems(daemon->inventory));
        if (daemon->phase != DAEMON_RUNNING)
                return error_set(err, ERROR_REFUSED, "the daemon is stopping");
        if (choose_pruned(inventory, order->body.vms, &vms, err) < 0)
                return -1;
        if (!order->body.dry_run) {
                start_jobs(order, vms);
                return 0;
        }
        _cleanup_json_ json_t *rows = json_loads(text, 0, NULL);
        api_answer_json(order->request, make_plan(daemon, inventory, vms,
                                                  !(order->body.vms && order->body.vms[0]), rows));
        return 0;
}

static void prune_ask(void *data, struct share *share, share_answer_function *answer,
                      void *answer_data)
{
        const struct prune_order *order = data;
        (void)!daemon_reload_inventory(order->daemon, NULL);
        share_list_points(share, NULL, false, answer, answer_data);
}

static const struct api_order_steps prune_steps = { .ask = prune_ask,
                                                    .answer = answer_prune,
                                                    .free = prune_order_free };

void api_prune(struct daemon *daemon, struct api_request *request)
{
        struct prune_order *order = xcalloc(1, sizeof *order);
        order->daemon = daemon;
        order->request = request;
        _cleanup_error_ struct error *error = NULL;
        if (api_body(request, prune_fields, &order->body, &error) < 0) {
                api_answer_error(request, error);
                prune_order_free(order);
                return;
        }
        api_when_share_ready(request, &prune_steps, order);
}
