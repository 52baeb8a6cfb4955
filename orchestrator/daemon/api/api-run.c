/* POST /v1/run: starts a cycle. It waits for the share first, since nothing can be backed up
 * without it, then reloads the inventory. The state may have changed meanwhile, so the reasons to
 * refuse are checked last. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api-order.h"
#include "daemon/cycle/cycle.h"
#include "daemon/cycle/pause.h"
#include "daemon/jobs/batch.h"
#include "daemon/state/state.h"
#include "daemon/state/stream-lines.h"

struct run_body {
        bool all;
        char **tag;
        char **hypervisor;
        char **exclude;
        bool dry_run;
        bool attach;
        bool plan_only;
        char *bacula_job;
};

#define FIELD(member) .name = #member, .offset = offsetof(struct run_body, member)
static const struct json_field run_fields[] = {
        { FIELD(all), .type = JSON_FIELD_FLAG },
        { FIELD(tag), .type = JSON_FIELD_TEXTS },
        { FIELD(hypervisor), .type = JSON_FIELD_TEXTS },
        { FIELD(exclude), .type = JSON_FIELD_TEXTS },
        { FIELD(dry_run), .type = JSON_FIELD_FLAG },
        { FIELD(attach), .type = JSON_FIELD_FLAG },
        { FIELD(plan_only), .type = JSON_FIELD_FLAG },
        { FIELD(bacula_job), .type = JSON_FIELD_TEXT },
        { 0 },
};

struct run {
        struct daemon *daemon;
        struct api_request *request;
        struct run_body body;
};

static void run_free(void *data)
{
        struct run *run = data;
        json_fields_done(run_fields, &run->body);
        free(run);
}

static char **none_if_empty(char **strv)
{
        return strv && strv[0] ? strv : NULL;
}

static json_t *plan_to_json(const struct cycle_plan *plan)
{
        json_t *items = json_array();
        for (size_t i = 0; i < plan->count; i++) {
                json_t *item = json_object();
                json_object_set_new(item, "vm", json_from_text(plan->items[i].vm->name));
                json_object_set_new(item, "hypervisor",
                                    json_from_text(plan->items[i].vm->hypervisor));
                json_object_set_new(item, "priority", json_integer(plan->items[i].vm->priority));
                json_object_set_new(item, "due", json_boolean(plan->items[i].due));
                json_object_set_new(item, "reason", json_from_text(plan->items[i].reason));
                json_array_append_new(items, item);
        }
        json_t *json = json_object();
        json_object_set_new(json, "plan", items);
        json_object_set_new(json, "usual", json_integer((json_int_t)plan->usual));
        return json;
}

/* For a stream that joins a cycle late: the jobs that wait and that run. */
static void attach_to_cycle(struct run *run)
{
        struct batch *batch = cycle_batch(run->daemon->cycle);
        batch_add_bacula_job(batch, run->body.bacula_job);
        struct stream *stream = batch_subscribe(batch);
        const struct tally *tally = batch_tally(batch);
        _cleanup_free_ char *since = clock_format_local(batch_started(batch));
        _cleanup_free_ char *notice = line_notice(
                "info", "attached to the cycle that started at %s: %zu of %zu VMs are done", since,
                tally->succeeded + tally->failed + tally->cancelled + tally->skipped, tally->total);
        stream_push(stream, notice, NULL);
        size_t count = 0;
        struct job *const *jobs = batch_jobs(batch, &count);
        for (size_t i = 0; i < count; i++) {
                if (!job_is_live(jobs[i]))
                        continue;
                _cleanup_free_ char *line =
                        jobs[i]->state == JOB_QUEUED
                                ? line_queued(jobs[i], queue_position(&run->daemon->queue, jobs[i]))
                                : line_started(jobs[i]);
                stream_push(stream, line, NULL);
        }
        api_answer_stream(run->request, stream);
}

static int refuse_if_running(const struct daemon *daemon, struct error **err)
{
        if (!daemon->cycle)
                return 0;
        struct batch *batch = cycle_batch(daemon->cycle);
        const struct tally *tally = batch_tally(batch);
        _cleanup_free_ char *since = clock_format_local(batch_started(batch));
        return error_set(
                err, ERROR_REFUSED,
                "a cycle is running since %s (%zu of %zu VMs done); `orch run --attach` follows it",
                since, tally->succeeded + tally->failed + tally->cancelled + tally->skipped,
                tally->total);
}

static int start_cycle(struct run *run, const struct error *broken, struct error **err)
{
        struct daemon *daemon = run->daemon;
        const struct cycle_filter filter = {
                .all = run->body.all,
                .tags = none_if_empty(run->body.tag),
                .hypervisors = none_if_empty(run->body.hypervisor),
                .exclude = none_if_empty(run->body.exclude),
        };
        _cleanup_cycle_plan_ struct cycle_plan plan = { 0 };
        if (cycle_plan_make(daemon, &filter, false, clock_realtime_s(), &plan, err) < 0)
                return -1;
        if (run->body.dry_run || run->body.plan_only) {
                api_answer_json(run->request, plan_to_json(&plan));
                return 0;
        }
        if (refuse_if_running(daemon, err) < 0 || pause_refuse_backups(daemon, err) < 0)
                return -1;
        struct cycle *cycle = cycle_new(daemon, run->body.bacula_job);
        api_answer_stream(run->request, batch_subscribe(cycle_batch(cycle)));
        cycle_go(cycle, &plan, run->body.all, broken);
        return 0;
}

static int run_when_ready(void *data, const char *unused, struct error **err)
{
        (void)unused;
        struct run *run = data;
        _cleanup_error_ struct error *broken = NULL;
        if (run->body.attach && run->daemon->cycle) {
                attach_to_cycle(run);
                return 0;
        }
        (void)!daemon_reload_inventory(run->daemon, &broken);
        return start_cycle(run, broken, err);
}

static const struct api_order_steps run_steps = { .answer = run_when_ready, .free = run_free };

void api_run(struct daemon *daemon, struct api_request *request)
{
        struct run *run = xcalloc(1, sizeof *run);
        run->daemon = daemon;
        run->request = request;
        _cleanup_error_ struct error *error = NULL;
        if (api_body(request, run_fields, &run->body, &error) < 0 ||
            batch_check_bacula_job(run->body.bacula_job, &error) < 0 ||
            (!run->body.attach && !run->body.dry_run && !run->body.plan_only &&
             refuse_if_running(daemon, &error) < 0)) {
                api_answer_error(request, error);
                run_free(run);
        } else if (run->body.attach && daemon->cycle) {
                attach_to_cycle(run);
                run_free(run);
        } else {
                api_when_share_ready(request, &run_steps, run);
        }
}
