/* Implements daemon/api/metrics.h from what the loop knows. A number that is not known is left out
 * instead of reported as 0, and so is a metric without any number. Document followed: Prometheus'
 * text format 0.0.4. */
#include "daemon/api/metrics.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/api/api.h"
#include "daemon/state/state.h"

static void add_metric_head(struct strbuf *out, const char *name, const char *type,
                            const char *help)
{
        strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_daemon(struct strbuf *out, const struct daemon *daemon)
{
        _cleanup_share_view_ struct share_view view = share_look(daemon->share);
        add_metric_head(out, "orch_up", "gauge", "The daemon runs.");
        strbuf_add(out, "orch_up 1\n");
        add_metric_head(out, "orch_info", "gauge", "Version of the daemon.");
        strbuf_add(out, "orch_info{version=\"" ORCH_VERSION "\"} 1\n");
        add_metric_head(out, "orch_start_time_seconds", "gauge", "When the daemon started.");
        strbuf_addf(out, "orch_start_time_seconds %lld\n", (long long)daemon->started);
        add_metric_head(out, "orch_queue_length", "gauge", "Jobs that wait.");
        strbuf_addf(out, "orch_queue_length %zu\n", daemon->queue.count);
        add_metric_head(out, "orch_jobs_running", "gauge",
                        "Jobs with a worker, stuck ones included.");
        strbuf_addf(out, "orch_jobs_running %zu\n", daemon->n_busy);
        add_metric_head(out, "orch_cycle_running", "gauge", "Whether a cycle runs.");
        strbuf_addf(out, "orch_cycle_running %d\n", daemon->cycle != NULL);
        add_metric_head(out, "orch_paused", "gauge", "Whether new backups are paused.");
        strbuf_addf(out, "orch_paused %d\n", daemon->paused.on);
        add_metric_head(out, "orch_repository_available", "gauge",
                        "Whether the share can be used.");
        strbuf_addf(out, "orch_repository_available %d\n", view.state == SHARE_OK);
        if (view.total_bytes) {
                add_metric_head(out, "orch_repository_free_bytes", "gauge",
                                "Free space of the share, as last seen.");
                strbuf_addf(out, "orch_repository_free_bytes %llu\n",
                            (unsigned long long)view.free_bytes);
                add_metric_head(out, "orch_repository_size_bytes", "gauge",
                                "Size of the share, as last seen.");
                strbuf_addf(out, "orch_repository_size_bytes %llu\n",
                            (unsigned long long)view.total_bytes);
        }
        add_metric_head(out, "orch_inventory_ok", "gauge", "Whether the inventory file is valid.");
        strbuf_addf(out, "orch_inventory_ok %d\n",
                    inventory_keeper_state(daemon->inventory) == INVENTORY_OK);
}

static void add_job_failures(struct strbuf *out, const struct daemon *daemon)
{
        add_metric_head(out, "orch_failures_total", "counter",
                        "Jobs that failed since the daemon started, by kind of error.");
        for (enum error_kind kind = 0; kind < _ERROR_KIND_MAX; kind++)
                strbuf_addf(out, "orch_failures_total{kind=\"%s\"} %llu\n", error_kind_name(kind),
                            (unsigned long long)daemon->failures[kind]);
}

/* A metric of a VM at the time `now`; `value` returns false when it is not known. */
struct vm_metric {
        const char *name;
        const char *help;
        bool (*value)(const struct vm_state *state, int64_t now, double *ret);
};

static bool last_success(const struct vm_state *state, int64_t now, double *ret)
{
        (void)now;
        *ret = (double)state->last_good;
        return state->last_good > 0;
}

static bool last_success_age(const struct vm_state *state, int64_t now, double *ret)
{
        *ret = (double)(now - state->last_good);
        return state->last_good > 0;
}

static bool stored_size(const struct vm_state *state, int64_t now, double *ret)
{
        (void)now;
        *ret = (double)state->stored_bytes;
        return state->last_good > 0;
}

static bool backup_duration(const struct vm_state *state, int64_t now, double *ret)
{
        (void)now;
        *ret = (double)state->duration_seconds;
        return state->last_good > 0;
}

static bool freeze_duration(const struct vm_state *state, int64_t now, double *ret)
{
        (void)now;
        *ret = (double)state->freeze_milliseconds / 1000.0;
        return state->last_good > 0;
}

static bool last_proof(const struct vm_state *state, int64_t now, double *ret)
{
        (void)now;
        *ret = (double)state->proven;
        return state->proven > 0;
}

/* A VM that was never proven counts as unproven since its oldest good point. */
static bool unproven_age(const struct vm_state *state, int64_t now, double *ret)
{
        *ret = (double)(now - (state->proven ? state->proven : state->first_good));
        return state->proven > 0 || state->first_good > 0;
}

static bool verified_age(const struct vm_state *state, int64_t now, double *ret)
{
        *ret = (double)(now - state->known_whole);
        return state->known_whole > 0;
}

static bool last_failed(const struct vm_state *state, int64_t now, double *ret)
{
        (void)now;
        *ret = state->failed_when > state->last_good;
        return state->last_good > 0 || state->failed_when > 0;
}

/* Backslash, quote and line feed, as the text format wants them. */
static void add_label(struct strbuf *out, const char *value)
{
        for (const char *c = value; *c; c++) {
                if (*c == '\n')
                        strbuf_add(out, "\\n");
                else if (*c == '\\' || *c == '"')
                        strbuf_addf(out, "\\%c", *c);
                else
                        strbuf_add_char(out, *c);
        }
}

static void add_vm_metric(struct strbuf *out, const struct daemon *daemon,
                          const struct vm_metric *metric, int64_t now)
{
        bool headed = false;
        for (size_t i = 0; i < daemon->states.n_vms; i++) {
                const struct vm_state *state = &daemon->states.vms[i];
                double value = 0;
                if (!metric->value(state, now, &value))
                        continue;
                if (!headed)
                        add_metric_head(out, metric->name, "gauge", metric->help);
                headed = true;
                strbuf_addf(out, "%s{vm=\"", metric->name);
                add_label(out, state->name);
                strbuf_addf(out, "\"} %.15g\n", value);
        }
}

static void add_points(struct strbuf *out, const struct daemon *daemon)
{
        if (daemon->states.n_vms)
                add_metric_head(out, "orch_vm_points", "gauge",
                                "Points on the share, by whether they are damaged.");
        for (size_t i = 0; i < daemon->states.n_vms; i++) {
                const struct vm_state *state = &daemon->states.vms[i];
                const struct {
                        const char *status;
                        size_t count;
                } points[] = { { "ok", state->good_points }, { "damaged", state->damaged_points } };
                for (size_t p = 0; p < ARRAY_LENGTH(points); p++) {
                        strbuf_add(out, "orch_vm_points{vm=\"");
                        add_label(out, state->name);
                        strbuf_addf(out, "\",status=\"%s\"} %zu\n", points[p].status,
                                    points[p].count);
                }
        }
}

static void add_vms(struct strbuf *out, const struct daemon *daemon)
{
        static const struct vm_metric metrics[] = {
                { "orch_vm_last_success_timestamp_seconds", "Start of the newest good point.",
                  last_success },
                { "orch_vm_last_success_age_seconds", "Time since the newest good point began.",
                  last_success_age },
                { "orch_vm_last_failed", "Whether a backup has failed since the newest good point.",
                  last_failed },
                { "orch_vm_stored_bytes", "Stored size of the newest good point.", stored_size },
                { "orch_vm_duration_seconds", "How long the newest good point took.",
                  backup_duration },
                { "orch_vm_freeze_seconds", "How long the guest was frozen for it.",
                  freeze_duration },
                { "orch_vm_last_proof_timestamp_seconds", "When a point was last seen booting.",
                  last_proof },
                { "orch_vm_unproven_age_seconds",
                  "Time since a point was last seen booting; never: since the first good point.",
                  unproven_age },
                { "orch_vm_verified_age_seconds",
                  "Time since the good point that was read back longest ago was read back (or "
                  "published).",
                  verified_age },
        };
        int64_t now = clock_realtime_s();
        for (size_t m = 0; m < ARRAY_LENGTH(metrics); m++)
                add_vm_metric(out, daemon, &metrics[m], now);
        add_points(out, daemon);
}

char *metrics_text(const struct daemon *daemon)
{
        struct strbuf out = { 0 };
        add_daemon(&out, daemon);
        add_job_failures(&out, daemon);
        add_vms(&out, daemon);
        return strbuf_take(&out);
}

void api_metrics(struct daemon *daemon, struct api_request *request)
{
        api_answer_text(request, METRICS_CONTENT_TYPE, metrics_text(daemon));
}
