/* `orch show`: shows one point with its metadata. */
#include "base/memory.h"
#include "base/strings.h"
#include "cli/client/client.h"
#include "cli/terminal/listing.h"
#include "cli/terminal/output.h"
#include "cli/terminal/table.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "schema/json/json-fields.h"

const struct verb_manual manual_show = {
        .arguments = "VM [POINT]",
        .min_words = 1,
        .max_words = 2,
        .text = "Shows one restore point: its disks, checks and warnings. POINT is its name, the "
                "unique beginning of its name, or `latest`, the newest good point (the default).",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_NO_DAEMON) |
                 MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch show prod-db-01 2026-02-01",
};

static void add_line(struct strbuf *out, const char *name, const char *value)
{
        if (!str_empty(value))
                strbuf_addf(out, "%-13s %s\n", name, value);
}

static void add_time(struct strbuf *out, const char *name, const json_t *object, const char *field)
{
        _cleanup_free_ char *text = value_local_time(object, field);
        add_line(out, name, text);
}

static void add_bytes(struct strbuf *out, const char *name, const json_t *object, const char *field)
{
        _cleanup_free_ char *text = value_bytes(object, field);
        add_line(out, name, text);
}

static void add_summary(struct strbuf *out, const json_t *point)
{
        const json_t *metadata = value_object(point, "metadata");
        add_line(out, "vm", value_text(point, "vm"));
        add_line(out, "point", value_text(point, "point"));
        add_line(out, "status", value_text(point, "status"));
        add_line(out, "error", value_text(point, "error"));
        add_line(out, "hypervisor", value_text(point, "hypervisor"));
        if (!streq(value_text(metadata, "ran_on"), value_text(point, "hypervisor")))
                add_line(out, "ran on", value_text(metadata, "ran_on"));
        add_line(out, "uuid", value_text(metadata, "uuid"));
        add_line(out, "job", value_text(metadata, "job"));
        add_line(out, "path", value_text(point, "path"));
        add_line(out, "level", value_text(point, "level"));
        add_line(out, "parent", value_text(point, "parent"));
        add_line(out, "method", value_text(point, "method"));
        add_line(out, "consistency", value_text(point, "consistency"));
        add_time(out, "started", point, "started");
        add_time(out, "finished", point, "finished");
        add_time(out, "shows", metadata, "snapshot_at");
        int64_t freeze = value_integer(point, "freeze_milliseconds", 0);
        if (freeze > 0)
                strbuf_addf(out, "%-13s %lld ms\n", "frozen for", (long long)freeze);
        add_bytes(out, "size", point, "virtual_bytes");
        add_bytes(out, "stored", point, "stored_bytes");
        add_line(out, "held", value_bool(point, "held") ? "yes" : NULL);
        add_time(out, "verified", point, "verified");
        add_time(out, "proven", point, "proven");
        add_time(out, "last tried", point, "proof_at");
        add_line(out, "proof", value_text(point, "proof"));
        add_line(out, "because", value_text(point, "proof_reason"));
        for (size_t i = 0; i < json_array_size(value_array(point, "proof_evidence")); i++)
                add_line(
                        out, i ? "" : "seen",
                        json_string_value(json_array_get(value_array(point, "proof_evidence"), i)));
}

/* Adds the table, unless it has no rows. */
static void add_table(struct strbuf *out, const struct table *table, size_t rows)
{
        _cleanup_free_ char *text = table_format(table);
        if (rows)
                strbuf_addf(out, "\n%s", text);
}

static void add_disks(struct strbuf *out, const json_t *metadata)
{
        static const char *const headers[] = { "DISK", "FILE", ">SIZE", ">STORED", "SOURCE", NULL };
        _cleanup_table_ struct table *table = table_new(headers);
        size_t i;
        const json_t *disk;
        for (i = 0; (disk = json_array_get(value_array(metadata, "disks"), i)); i++) {
                _cleanup_free_ char *size = value_bytes(disk, "virtual_bytes");
                _cleanup_free_ char *stored = value_bytes(disk, "stored_bytes");
                table_cell(table, value_text(disk, "target"));
                table_cell(table, value_text(disk, "file"));
                table_cell(table, size);
                table_cell(table, stored);
                table_cell(table, value_text(disk, "source_path"));
        }
        add_table(out, table, i);
}

static void add_configs(struct strbuf *out, const json_t *metadata)
{
        static const char *const headers[] = { "CONFIGURATION", ">STORED", "SINCE THE POINT BEFORE",
                                               NULL };
        _cleanup_table_ struct table *table = table_new(headers);
        size_t i;
        const json_t *config;
        for (i = 0; (config = json_array_get(value_array(metadata, "configs"), i)); i++) {
                _cleanup_free_ char *stored = value_bytes(config, "stored_bytes");
                const char *change = value_text(config, "change");
                _cleanup_free_ char *lines =
                        xasprintf("changed, %lld lines added, %lld removed",
                                  (long long)value_integer(config, "lines_added", 0),
                                  (long long)value_integer(config, "lines_removed", 0));
                table_cell(table, value_text(config, "file"));
                table_cell(table, stored);
                table_cell(table, streq(change, "changed") ? lines : change);
        }
        add_table(out, table, i);
}

static void add_excluded(struct strbuf *out, const json_t *metadata)
{
        const json_t *disk;
        for (size_t i = 0; (disk = json_array_get(value_array(metadata, "excluded"), i)); i++)
                strbuf_addf(out, "%sdisk %s is excluded: %s\n", i ? "" : "\n",
                            value_text(disk, "target"), value_text(disk, "reason"));
}

static void add_checks(struct strbuf *out, const json_t *metadata)
{
        static const char *const headers[] = { "CHECK", "PHASE", "VERDICT", "MEASURED", NULL };
        _cleanup_table_ struct table *table = table_new(headers);
        size_t i;
        const json_t *check;
        for (i = 0; (check = json_array_get(value_array(metadata, "checks"), i)); i++) {
                table_cell(table, value_text(check, "name"));
                table_cell(table, value_text(check, "phase"));
                table_cell(table, value_text(check, "verdict"));
                table_cell(table, value_text(check, "measured"));
        }
        add_table(out, table, i);
}

static void add_warnings(struct strbuf *out, const json_t *point)
{
        const json_t *warning;
        for (size_t i = 0; (warning = json_array_get(value_array(point, "warnings"), i)); i++) {
                const char *text = json_string_value(warning);
                strbuf_addf(out, "%swarning: %s\n", i ? "" : "\n", text ? text : "");
        }
}

static int show_point(const json_t *point)
{
        _cleanup_strbuf_ struct strbuf out = { 0 };
        const json_t *metadata = value_object(point, "metadata");
        add_summary(&out, point);
        add_disks(&out, metadata);
        add_configs(&out, metadata);
        add_excluded(&out, metadata);
        add_checks(&out, metadata);
        add_warnings(&out, point);
        return cli_printed(output_text(out.data ? out.data : ""));
}

int verb_show(const struct cli *cli, struct error **err)
{
        const char *vm = cli->options->words[0];
        _cleanup_client_ struct client *client = cli_connect(cli);
        if (!client)
                return STATUS_USAGE;
        _cleanup_free_ char *vm_word = client_escape(vm);
        _cleanup_free_ char *list_path = xasprintf("/v1/points?vm=%s", vm_word);
        _cleanup_json_ json_t *points = NULL;
        int status = client_call(client, list_path, NULL, &points, err);
        if (status != STATUS_OK)
                return status;
        const char *name = listing_resolve(
                points, vm, cli->options->n_words > 1 ? cli->options->words[1] : NULL, err);
        if (!name)
                return STATUS_USAGE;
        _cleanup_free_ char *point_word = client_escape(name);
        _cleanup_free_ char *path = xasprintf("/v1/points/%s/%s", vm_word, point_word);
        _cleanup_json_ json_t *point = NULL;
        status = client_call(client, path, NULL, &point, err);
        if (status != STATUS_OK)
                return status;
        return cli->json ? cli_printed(output_json(point)) : show_point(point);
}
