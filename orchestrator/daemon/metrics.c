/* Implements daemon/metrics.h: what the loop knows; a number that is not known is left out rather than told as 0. VM names are safe
 * (design §6), so labels need no escaping but for what comes from settings. */
#include "daemon/metrics.h"

#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api.h"
#include "daemon/daemon-internal.h"

static void head(struct strbuf *out, const char *name, const char *type, const char *help)
{
        strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_daemon(struct strbuf *out, const struct daemon *daemon)
{
        _cleanup_share_view_ struct share_view view = share_look(daemon->share);
        head(out, "orch_up", "gauge", "The daemon runs.");
        strbuf_add(out, "orch_up 1\n");
        head(out, "orch_info", "gauge", "Version of the daemon.");
        strbuf_add(out, "orch_info{version=\"" ORCH_VERSION "\"} 1\n");
        head(out, "orch_start_time_seconds", "gauge", "When the daemon started.");
        strbuf_addf(out, "orch_start_time_seconds %lld\n", (long long)daemon->started);
        head(out, "orch_queue_length", "gauge", "Jobs that wait.");
        strbuf_addf(out, "orch_queue_length %zu\n", daemon->queue.count);
        head(out, "orch_jobs_running", "gauge", "Jobs with a worker, stuck ones included.");
        strbuf_addf(out, "orch_jobs_running %zu\n", daemon->n_busy);
        head(out, "orch_cycle_running", "gauge", "Whether a cycle runs.");
        strbuf_addf(out, "orch_cycle_running %d\n", daemon->cycle != NULL);
        head(out, "orch_paused", "gauge", "Whether new backups are paused.");
        strbuf_addf(out, "orch_paused %d\n", daemon->paused.on);
        head(out, "orch_repository_available", "gauge", "Whether the share can be used.");
        strbuf_addf(out, "orch_repository_available %d\n", view.state == SHARE_OK);
        if (view.total_bytes) {
                head(out, "orch_repository_free_bytes", "gauge", "Free space of the share, as last seen.");
                strbuf_addf(out, "orch_repository_free_bytes %llu\n", (unsigned long long)view.free_bytes);
                head(out, "orch_repository_size_bytes", "gauge", "Size of the share, as last seen.");
                strbuf_addf(out, "orch_repository_size_bytes %llu\n", (unsigned long long)view.total_bytes);
        }
        head(out, "orch_inventory_ok", "gauge", "Whether the inventory file is valid.");
        strbuf_addf(out, "orch_inventory_ok %d\n", inventory_keeper_state(daemon->inventory) == INVENTORY_OK);
}

static void add_failures(struct strbuf *out, const struct daemon *daemon)
{
        head(out, "orch_failures_total", "counter", "Jobs that failed since the daemon started, by kind of error.");
        for (enum error_kind kind = 0; kind < _ERROR_KIND_MAX; kind++)
                strbuf_addf(out, "orch_failures_total{kind=\"%s\"} %llu\n", error_kind_name(kind),
                            (unsigned long long)daemon->failures[kind]);
}

struct vm_metric {
        const char *name;
        const char *help;
        double (*value)(const struct vm_state *state);
};

static double last_success(const struct vm_state *state)
{
        return (double)state->last_good;
}

static double size(const struct vm_state *state)
{
        return (double)state->stored_bytes;
}

static double duration(const struct vm_state *state)
{
        return (double)state->duration_seconds;
}

static double freeze(const struct vm_state *state)
{
        return (double)state->freeze_milliseconds / 1000.0;
}

static void add_vms(struct strbuf *out, const struct daemon *daemon)
{
        static const struct vm_metric metrics[] = {
                { "orch_vm_last_success_timestamp_seconds", "Start of the newest good point.", last_success },
                { "orch_vm_stored_bytes", "Stored size of the newest good point.", size },
                { "orch_vm_duration_seconds", "How long the newest good point took.", duration },
                { "orch_vm_freeze_seconds", "How long the guest was frozen for it.", freeze },
        };
        for (size_t m = 0; m < ARRAY_LENGTH(metrics); m++) {
                head(out, metrics[m].name, "gauge", metrics[m].help);
                for (size_t i = 0; i < daemon->states.n_vms; i++) {
                        const struct vm_state *state = &daemon->states.vms[i];
                        if (state->last_good)
                                strbuf_addf(out, "%s{vm=\"%s\"} %.15g\n", metrics[m].name, state->name, metrics[m].value(state));
                }
        }
}

char *metrics_text(const struct daemon *daemon)
{
        struct strbuf out = { 0 };
        add_daemon(&out, daemon);
        add_failures(&out, daemon);
        add_vms(&out, daemon);
        return strbuf_take(&out);
}

void api_metrics(struct daemon *daemon, struct api_request *request)
{
        api_answer_text(request, METRICS_CONTENT_TYPE, metrics_text(daemon));
}
