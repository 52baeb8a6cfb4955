/* The routes that make jobs outside of a cycle: POST /v1/backup, /v1/check, /v1/recover,
 * /v1/hypervisors/check. Each reads its body, waits for the share (a worker needs its UUID),
 * chooses VMs or hypervisors of the inventory, makes a batch of jobs and answers with its stream.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api-order.h"
#include "daemon/api/choose-vms.h"
#include "daemon/cycle/pause.h"
#include "daemon/jobs/batch.h"
#include "daemon/jobs/runner.h"
#include "daemon/state/state.h"
#include "daemon/state/stream-lines.h"
#include "policies/due.h"

struct jobs_body {
        char **vms;         /* names or globs */
        char **hypervisors; /* names */
        char *method;
        char *level;
        char *bacula_job;
        bool if_due;
        bool wait;
        bool accept_new_uuid;
        bool dry_run;
};

#define FIELD(member) .name = #member, .offset = offsetof(struct jobs_body, member)
#define FIELD_AS(field_name, member) \
        .name = field_name, .offset = offsetof(struct jobs_body, member)
static const struct json_field backup_fields[] = {
        { FIELD(vms), .type = JSON_FIELD_TEXTS, .required = true },
        { FIELD(method), .type = JSON_FIELD_TEXT },
        { FIELD(level), .type = JSON_FIELD_TEXT },
        { FIELD(if_due), .type = JSON_FIELD_FLAG },
        { FIELD(wait), .type = JSON_FIELD_FLAG },
        { FIELD(accept_new_uuid), .type = JSON_FIELD_FLAG },
        { FIELD(bacula_job), .type = JSON_FIELD_TEXT },
        { 0 },
};
static const struct json_field check_fields[] = {
        { FIELD(vms), .type = JSON_FIELD_TEXTS },
        { 0 },
};
static const struct json_field recover_fields[] = {
        { FIELD(vms), .type = JSON_FIELD_TEXTS },
        { FIELD(hypervisors), .type = JSON_FIELD_TEXTS },
        { FIELD(dry_run), .type = JSON_FIELD_FLAG },
        { 0 },
};
static const struct json_field hypervisors_check_fields[] = {
        { FIELD_AS("names", hypervisors), .type = JSON_FIELD_TEXTS },
        { 0 },
};
/* Frees a body, whichever table it was read by. */
static const struct json_field all_fields[] = {
        { FIELD(vms), .type = JSON_FIELD_TEXTS },
        { FIELD(hypervisors), .type = JSON_FIELD_TEXTS },
        { FIELD(method), .type = JSON_FIELD_TEXT },
        { FIELD(level), .type = JSON_FIELD_TEXT },
        { FIELD(bacula_job), .type = JSON_FIELD_TEXT },
        { 0 },
};

struct order {
        struct daemon *daemon;
        struct api_request *request;
        enum job_action action;
        const char *what;
        struct jobs_body body;
};

static void jobs_order_free(void *data)
{
        struct order *order = data;
        json_fields_done(all_fields, &order->body);
        free(order);
}

static int choose_known(const struct inventory *inventory, char *const *words, char ***ret,
                        struct error **err)
{
        _cleanup_strv_ char **chosen = NULL;
        const char *unknown = choose_vms(inventory, words, &chosen);
        if (unknown && name_is_glob(unknown))
                return error_set(err, ERROR_CONFIG, "no VM in the inventory %s matches '%s'",
                                 inventory->file, unknown);
        if (unknown)
                return choose_unknown_vm(inventory, unknown, err);
        *ret = TAKE_PTR(chosen);
        return 0;
}

static int choose_hypervisors(const struct inventory *inventory, char *const *names, char ***ret,
                              struct error **err)
{
        _cleanup_strv_ char **chosen = NULL;
        _cleanup_strv_ char **known = NULL;
        for (size_t i = 0; i < inventory->n_hypervisors; i++)
                strv_add(&known, inventory->hypervisors[i].name);
        for (size_t i = 0; names && names[i]; i++) {
                if (!strv_contains(known, names[i])) {
                        _cleanup_free_ char *shown = str_one_line(names[i], 120);
                        const char *nearest =
                                known ? nearest_word(names[i], (const char *const *)known) : NULL;
                        return error_set(err, ERROR_CONFIG,
                                         "no hypervisor '%s' in the inventory %s%s%s%s", shown,
                                         inventory->file, nearest ? "; nearest: '" : "",
                                         nearest ? nearest : "", nearest ? "'" : "");
                }
                if (!strv_contains(chosen, names[i]))
                        strv_add(&chosen, names[i]);
        }
        *ret = names && names[0] ? TAKE_PTR(chosen) : TAKE_PTR(known);
        return 0;
}

static int check_overrides(const struct jobs_body *body, struct error **err)
{
        static const char *const methods[] = { "quiesce", "snapshot", "suspend", "shutdown", NULL };
        static const char *const levels[] = { "full", "incremental", "differential", NULL };
        enum vm_method method;
        enum vm_level level;
        if (body->method && !vm_method_from_name(body->method, &method)) {
                const char *nearest = nearest_word(body->method, methods);
                return error_set(
                        err, ERROR_CONFIG,
                        "unknown method%s%s; expected quiesce, snapshot, suspend or shutdown",
                        nearest ? ", nearest: " : "", nearest ? nearest : "");
        }
        if (body->level && !vm_level_from_name(body->level, &level)) {
                const char *nearest = nearest_word(body->level, levels);
                return error_set(err, ERROR_CONFIG,
                                 "unknown level%s%s; expected full, incremental or differential",
                                 nearest ? ", nearest: " : "", nearest ? nearest : "");
        }
        return 0;
}

/* Whether --if-due skips this VM; the streams then get the reason. */
static bool not_due(const struct order *order, struct batch *batch,
                    const struct inventory *inventory, const char *name)
{
        if (!order->body.if_due)
                return false;
        const struct inventory_vm *vm = inventory_find_vm(inventory, name);
        const struct vm_state *state = vm_states_find(&order->daemon->states, name);
        struct due_verdict verdict = due_decide(vm->schedule, &order->daemon->settings->cycle_start,
                                                state ? state->last_good : 0, clock_realtime_s());
        if (verdict.due)
                return false;
        batch_skip(batch, name, verdict.reason);
        return true;
}

/* The UUIDs by which a discovery knows VMs. */
static json_t *list_pins(const struct daemon *daemon)
{
        json_t *pins = json_object();
        for (size_t i = 0; i < daemon->states.n_vms; i++)
                if (daemon->states.vms[i].pin)
                        json_object_set_new(pins, daemon->states.vms[i].name,
                                            json_from_text(daemon->states.vms[i].pin));
        return pins;
}

static void add_ordered_job(const struct order *order, struct batch *batch, const char *vm,
                            const char *hypervisor)
{
        /* One of many requests that Bacula sends at the same time, one for each VM: the jobs run in
         * the order of a cycle, not in the order of arrival. */
        bool scheduled = order->body.bacula_job && order->body.if_due;
        enum job_class class = scheduled ? JOB_CLASS_CYCLE : JOB_CLASS_ADHOC;
        struct job *job = runner_new_job(order->daemon, order->action, class, vm, hypervisor);
        job->method = xstrdup(order->body.method);
        job->level = xstrdup(order->body.level);
        job->accept_new_uuid = order->body.accept_new_uuid;
        job->dry_run = order->body.dry_run;
        const struct vm_state *state = vm ? vm_states_find(&order->daemon->states, vm) : NULL;
        job->if_due = order->body.if_due;
        job->last_good = state ? state->last_good : 0;
        if (order->action == JOB_DISCOVER)
                job->options = list_pins(order->daemon);
        batch_add(batch, job);
}

static void answer_with_jobs(const struct order *order, const struct batch *batch)
{
        json_t *array = json_array();
        size_t count = 0;
        struct job *const *jobs = batch_jobs(batch, &count);
        for (size_t i = 0; i < count; i++)
                json_array_append_new(
                        array,
                        job_to_json(jobs[i], queue_position(&order->daemon->queue, jobs[i])));
        json_t *json = json_object();
        json_object_set_new(json, "jobs", array);
        api_answer_json(order->request, json);
}

static void start_batch(const struct order *order, const struct inventory *inventory,
                        const struct error *broken, char *const *vms, char *const *hypervisors)
{
        struct daemon *daemon = order->daemon;
        daemon->next_sequence++;
        struct batch *batch = batch_new(daemon, order->what, NULL);
        batch_add_bacula_job(batch, order->body.bacula_job);
        if (order->body.wait)
                api_answer_stream(order->request, batch_subscribe(batch));
        batch_notice_broken_inventory(batch, broken);
        for (size_t i = 0; vms && vms[i]; i++)
                if (!not_due(order, batch, inventory, vms[i]))
                        add_ordered_job(order, batch, vms[i], NULL);
        for (size_t i = 0; hypervisors && hypervisors[i]; i++)
                add_ordered_job(order, batch, NULL, hypervisors[i]);
        if (!order->body.wait)
                answer_with_jobs(order, batch);
        daemon_changed(daemon);
        batch_seal(batch);
}

/* A name that is not in the inventory is passed to the worker: a restore of such a VM may have been
 * interrupted. */
static int choose_recoverable(const struct inventory *inventory, char *const *patterns, char ***ret,
                              struct error **err)
{
        _cleanup_strv_ char **listed = NULL;
        _cleanup_strv_ char **unlisted = NULL;
        _cleanup_strv_ char **chosen = NULL;
        for (size_t i = 0; patterns && patterns[i]; i++)
                strv_add(name_is_safe(patterns[i]) && !inventory_find_vm(inventory, patterns[i])
                                 ? &unlisted
                                 : &listed,
                         patterns[i]);
        if ((listed || !unlisted) && choose_known(inventory, listed, &chosen, err) < 0)
                return -1;
        for (size_t i = 0; unlisted && unlisted[i]; i++)
                strv_add(&chosen, unlisted[i]);
        *ret = TAKE_PTR(chosen);
        return 0;
}

/* A recovery of hypervisors is a recovery of each VM that lives there. */
static int choose_for_recover(const struct inventory *inventory, const struct jobs_body *body,
                              char ***ret, struct error **err)
{
        _cleanup_strv_ char **hypervisors = NULL;
        _cleanup_strv_ char **chosen = NULL;
        if (!(body->hypervisors && body->hypervisors[0]))
                return choose_recoverable(inventory, body->vms, ret, err);
        if (choose_hypervisors(inventory, body->hypervisors, &hypervisors, err) < 0 ||
            (body->vms && body->vms[0] && choose_known(inventory, body->vms, &chosen, err) < 0))
                return -1;
        for (size_t i = 0; i < inventory->n_vms; i++)
                if (inventory->vms[i].hypervisor &&
                    strv_contains(hypervisors, inventory->vms[i].hypervisor) &&
                    !strv_contains(chosen, inventory->vms[i].name))
                        strv_add(&chosen, inventory->vms[i].name);
        *ret = TAKE_PTR(chosen);
        return 0;
}

static int jobs_order_start(void *data, const char *unused, struct error **err)
{
        (void)unused;
        const struct order *order = data;
        struct daemon *daemon = order->daemon;
        _cleanup_error_ struct error *broken = NULL;
        (void)!daemon_reload_inventory(daemon, &broken);
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        if (!inventory)
                return error_set(err, ERROR_CONFIG, "%s", error_message(broken));
        if (daemon->phase != DAEMON_RUNNING)
                return error_set(err, ERROR_REFUSED, "the daemon is stopping");
        _cleanup_strv_ char **vms = NULL;
        _cleanup_strv_ char **hypervisors = NULL;
        int r = job_action_is_of_hypervisor(order->action)
                        ? choose_hypervisors(inventory, order->body.hypervisors, &hypervisors, err)
                : order->action == JOB_RECOVER
                        ? choose_for_recover(inventory, &order->body, &vms, err)
                        : choose_known(inventory, order->body.vms, &vms, err);
        if (r < 0 || (order->action == JOB_BACKUP && pause_refuse_backups(daemon, err) < 0))
                return -1;
        start_batch(order, inventory, broken, vms, hypervisors);
        return 0;
}

static const struct api_order_steps order_steps = { .answer = jobs_order_start,
                                                    .free = jobs_order_free };

static void take_order(struct daemon *daemon, struct api_request *request, enum job_action action,
                       const char *what, const struct json_field fields[])
{
        struct order *order = xcalloc(1, sizeof *order);
        *order = (struct order){ .daemon = daemon,
                                 .request = request,
                                 .action = action,
                                 .what = what,
                                 .body.wait = true };
        _cleanup_error_ struct error *error = NULL;
        if (api_body(request, fields, &order->body, &error) < 0 ||
            check_overrides(&order->body, &error) < 0 ||
            batch_check_bacula_job(order->body.bacula_job, &error) < 0 ||
            (action == JOB_BACKUP && !order->body.vms &&
             error_set(&error, ERROR_CONFIG, "vms: expected at least one name") < 0)) {
                api_answer_error(request, error);
                jobs_order_free(order);
                return;
        }
        api_when_share_ready(request, &order_steps, order);
}

void api_backup(struct daemon *daemon, struct api_request *request)
{
        take_order(daemon, request, JOB_BACKUP, "backed up", backup_fields);
}

void api_check(struct daemon *daemon, struct api_request *request)
{
        take_order(daemon, request, JOB_CHECK, "checked", check_fields);
}

void api_recover(struct daemon *daemon, struct api_request *request)
{
        take_order(daemon, request, JOB_RECOVER, "recovered", recover_fields);
}

void api_hypervisors_check(struct daemon *daemon, struct api_request *request)
{
        take_order(daemon, request, JOB_HYPERVISOR_CHECK, "checked", hypervisors_check_fields);
}

void api_discover(struct daemon *daemon, struct api_request *request)
{
        static const struct json_field no_fields[] = { { 0 } };
        take_order(daemon, request, JOB_DISCOVER, "asked", no_fields);
}
