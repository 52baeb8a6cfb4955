/* `orch status`: shows running and queued jobs, and what is overdue, failed or damaged. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/terminal/output.h"
#include "cli/terminal/table.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"

enum { WATCH_SECONDS = 2 };

static const struct option_spec options[] = {
        { .name = "watch", .help = "repeat every 2 seconds, until Ctrl-C" },
        { 0 },
};

const struct verb_manual manual_status = {
        .arguments = "",
        .options = options,
        .text = "Shows the state of the daemon, the share and the inventory; running and queued "
                "jobs; and what needs an operator: overdue VMs, damaged points, failed jobs.",
        .exits = MANUAL_EXIT(STATUS_NO_DAEMON),
        .example = "orch status --watch",
};

/* "cycle  running since 2026-02-07 12:00:03: 3 of 12 done, 1 failed; next slot 2026-02-14
 * 12:00:00" */
static void add_cycle_lines(struct strbuf *out, const json_t *status)
{
        const json_t *cycle = value_object(status, "cycle");
        const json_t *summary = value_object(cycle, "summary");
        _cleanup_free_ char *started = value_local_time(cycle, "started");
        _cleanup_free_ char *next = value_local_time(status, "next_slot");
        int64_t failed = value_integer(summary, "failed", 0);
        int64_t ended = value_integer(summary, "succeeded", 0) + failed +
                        value_integer(summary, "cancelled", 0) +
                        value_integer(summary, "skipped", 0);
        strbuf_add(out, "cycle       ");
        if (cycle)
                strbuf_addf(out, "running since %s: %lld of %lld done", started, (long long)ended,
                            (long long)value_integer(summary, "total", 0));
        else
                strbuf_add(out, "none running");
        if (failed)
                strbuf_addf(out, ", %lld failed", (long long)failed);
        if (*next)
                strbuf_addf(out, "; next slot %s", next);
        strbuf_add_char(out, '\n');
}

static void add_status_head(struct strbuf *out, const json_t *status)
{
        _cleanup_free_ char *started = value_local_time(status, "started");
        _cleanup_free_ char *until = value_local_time(status, "paused_until");
        strbuf_addf(out, "daemon      orch %s, process %lld, since %s",
                    value_text(status, "version"), (long long)value_integer(status, "pid", 0),
                    started);
        if (value_bool(status, "paused"))
                strbuf_addf(out, ", PAUSED%s%s", *until ? " until " : "", until);
        strbuf_addf(out, "\n");

        const json_t *repository = value_object(status, "repository");
        _cleanup_free_ char *free_text = value_bytes(repository, "free_bytes");
        _cleanup_free_ char *total_text = value_bytes(repository, "total_bytes");
        strbuf_addf(out, "repository  %s, %s", value_text(repository, "path"),
                    value_text(repository, "state"));
        if (*total_text && value_integer(repository, "total_bytes", 0) > 0)
                strbuf_addf(out, ", %s free of %s", free_text, total_text);
        if (*value_text(repository, "error"))
                strbuf_addf(out, ": %s", value_text(repository, "error"));
        strbuf_add_char(out, '\n');

        const json_t *inventory = value_object(status, "inventory");
        _cleanup_free_ char *vms = format_count(value_integer(inventory, "vms", 0), "VM");
        bool last_good = streq(value_text(inventory, "state"), "last-good");
        strbuf_addf(out, "inventory   %s, %s%s\n", value_text(inventory, "file"), vms,
                    last_good ? ": THE FILE IS BROKEN, the last good one is in use" : "");
        if (last_good)
                strbuf_addf(out, "%s\n", value_text(inventory, "problems"));

        add_cycle_lines(out, status);
}

/* The channels, with the messages that wait for delivery. */
static void add_channels(struct strbuf *out, const json_t *channels)
{
        const json_t *channel;
        for (size_t i = 0; (channel = json_array_get(channels, i)); i++) {
                int64_t waiting = value_integer(channel, "waiting", 0);
                _cleanup_free_ char *delivered = value_local_time(channel, "delivered");
                _cleanup_free_ char *count = format_count(waiting, "message");
                strbuf_addf(out, "%s%s (%s), %s%s%s", i ? "            " : "messages    ",
                            value_text(channel, "channel"), value_text(channel, "kind"),
                            waiting ? count : "none", " waiting",
                            *delivered ? "; last delivered " : "");
                strbuf_addf(out, "%s\n", delivered);
        }
}

static void cell_progress(struct table *table, const json_t *progress)
{
        int64_t total = value_integer(progress, "total_bytes", 0);
        int64_t done = value_integer(progress, "done_bytes", 0);
        if (total <= 0) {
                table_cell(table, NULL);
                return;
        }
        _cleanup_free_ char *rate = value_bytes(progress, "bytes_per_second");
        int64_t left = value_integer(progress, "remaining_seconds", -1);
        _cleanup_free_ char *left_text = left < 0 ? xstrdup("") : format_duration_ms(left * 1000);
        table_cellf(table, "%s %d%%, %s/s%s%s%s", value_text(progress, "disk"),
                    (int)(100 * ((double)done / (double)total)), rate, *left_text ? ", " : "",
                    left_text, *left_text ? " left" : "");
}

static void add_running(struct strbuf *out, const json_t *jobs)
{
        static const char *const headers[] = { "RUNNING", "HYPERVISOR", "ACTION", "SINCE",
                                               "STEP",    "PROGRESS",   "JOB",    NULL };
        if (json_array_size(jobs) == 0)
                return;
        _cleanup_table_ struct table *table = table_new(headers);
        const json_t *job;
        for (size_t i = 0; (job = json_array_get(jobs, i)); i++) {
                _cleanup_free_ char *started = value_local_time(job, "started");
                bool stuck = streq(value_text(job, "state"), "stuck");
                table_cell(table, value_text(job, "vm"));
                table_cell(table, value_text(job, "hypervisor"));
                table_cell(table, value_text(job, "action"));
                table_cell(table, started);
                table_cellf(table, "%s%s", stuck ? "STUCK in " : "", value_text(job, "step"));
                cell_progress(table, value_object(job, "progress"));
                table_cell(table, value_text(job, "job"));
        }
        _cleanup_free_ char *text = table_format(table);
        strbuf_addf(out, "\n%s", text);
}

static void add_queued(struct strbuf *out, const json_t *jobs)
{
        static const char *const headers[] = { "QUEUED",  "HYPERVISOR", "ACTION", ">PRIORITY",
                                               "TRIGGER", "JOB",        NULL };
        if (json_array_size(jobs) == 0)
                return;
        _cleanup_table_ struct table *table = table_new(headers);
        const json_t *job;
        for (size_t i = 0; (job = json_array_get(jobs, i)); i++) {
                table_cell(table, value_text(job, "vm"));
                table_cell(table, value_text(job, "hypervisor"));
                table_cell(table, value_text(job, "action"));
                table_cellf(table, "%lld", (long long)value_integer(job, "priority", 0));
                table_cell(table, value_text(job, "trigger"));
                table_cell(table, value_text(job, "job"));
        }
        _cleanup_free_ char *text = table_format(table);
        strbuf_addf(out, "\n%s", text);
}

/* A point, as "VM/POINT". */
static void add_damaged_lines(struct table *table, const char *name)
{
        const char *slash = name ? strchr(name, '/') : NULL;
        _cleanup_free_ char *vm = slash ? xstrndup(name, (size_t)(slash - name)) : NULL;
        table_cell(table, "damaged");
        table_cell(table, vm);
        if (vm)
                table_cellf(table, "point %s; `orch show %s %s` shows why", slash + 1, vm,
                            slash + 1);
        else
                table_cell(table, name);
}

/* What needs an operator: a table of problem, VM and reason. */
static void add_trouble(struct strbuf *out, const json_t *status)
{
        static const char *const headers[] = { "TROUBLE", "VM", "WHAT", NULL };
        _cleanup_table_ struct table *table = table_new(headers);
        size_t n = 0;
        const json_t *entry;
        for (size_t i = 0; (entry = json_array_get(value_array(status, "overdue"), i)); i++) {
                table_cell(table, "overdue");
                table_cell(table, value_text(entry, "vm"));
                table_cell(table, value_text(entry, "reason"));
                n++;
        }
        for (size_t i = 0; (entry = json_array_get(value_array(status, "failed"), i)); i++) {
                _cleanup_free_ char *when = value_local_time(entry, "when");
                table_cell(table, "failed");
                table_cell(table, value_text(entry, "vm"));
                table_cellf(table, "%s, job %s: %s", when, value_text(entry, "job"),
                            value_text(entry, "error"));
                n++;
        }
        for (size_t i = 0; (entry = json_array_get(value_array(status, "damaged"), i)); i++) {
                add_damaged_lines(table, json_string_value(entry));
                n++;
        }
        if (n == 0)
                return;
        _cleanup_free_ char *text = table_format(table);
        strbuf_addf(out, "\n%s", text);
}

static char *format_status(const json_t *status)
{
        struct strbuf out = { 0 };
        add_status_head(&out, status);
        add_channels(&out, value_array(status, "notify"));
        add_running(&out, value_array(status, "running"));
        add_queued(&out, value_array(status, "queued"));
        add_trouble(&out, status);
        const json_t *warning;
        for (size_t i = 0; (warning = json_array_get(value_array(status, "warnings"), i)); i++) {
                const char *text = json_string_value(warning);
                strbuf_addf(&out, "%swarning: %s\n", i ? "" : "\n", text ? text : "");
        }
        return strbuf_take(&out);
}

static int watch_status(const struct cli *cli, struct error **err)
{
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        for (;;) {
                _cleanup_json_ json_t *answer = NULL;
                int status = client_call(client, "/v1/status", NULL, &answer, err);
                if (status != STATUS_OK)
                        return status;
                _cleanup_free_ char *now = clock_format_local(clock_realtime_s());
                _cleanup_free_ char *text = format_status(answer);
                printf("\033[H\033[2J%s, every %d s; Ctrl-C ends\n\n", now, (int)WATCH_SECONDS);
                if (!output_text(text))
                        return STATUS_JOB_FAILED;
                const struct timespec pause = { .tv_sec = WATCH_SECONDS };
                nanosleep(&pause, NULL);
        }
}

int verb_status(const struct cli *cli, struct error **err)
{
        bool watching = options_has(cli->options, "watch");
        if (watching && (!cli->terminal || cli->json)) {
                error_set(err, ERROR_CONFIG, "--watch needs a terminal and prints no JSON");
                return STATUS_USAGE;
        }
        if (watching)
                return watch_status(cli, err);
        _cleanup_json_ json_t *answer = NULL;
        int status = cli_call(cli, "/v1/status", NULL, &answer, err);
        if (!answer)
                return status;
        _cleanup_free_ char *text = format_status(answer);
        return cli_printed(output_text(text));
}
