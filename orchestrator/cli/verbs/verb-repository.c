/* `orch repository init|check|unlock`: actions on the share itself, without a daemon. */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/terminal/output.h"
#include "cli/verbs/verbs.h"
#include "repository/repository.h"
#include "schema/json/json-fields.h"

enum { PROBE_TIMEOUT_MS = 15000 };

const struct verb_manual manual_repository_init = {
        .arguments = "",
        .text = "Makes the share at `repository.path` an orch repository: writes its marker, with "
                "a new UUID. Do this once for each share. It is refused if nothing is mounted, if "
                "the mount is not NFSv4 (unless `repository.fstype: any` is set), and if there is "
                "a marker already.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch repository init",
};

const struct verb_manual manual_repository_check = {
        .arguments = "",
        .text = "Checks the share at `repository.path`: whether it is mounted, of the right type, "
                "marked and writable, and how much space is free.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch repository check",
};

static const struct option_spec unlock_options[] = {
        { .name = "force",
          .help = "break a lock that another host took; make sure that no orch runs there" },
        { .name = "yes", .help = "with --force: do not ask" },
        { 0 },
};

const struct verb_manual manual_repository_unlock = {
        .arguments = "",
        .options = unlock_options,
        .text = "Breaks the repository's lock if its holder is dead. It is refused while the "
                "holder lives. If the lock was taken on another host, whose processes cannot be "
                "checked from here, it is refused unless --force is given.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_REFUSED) |
                 MANUAL_EXIT(STATUS_CANCELLED),
        .example = "orch repository unlock",
};

static int print_repository_json(json_t *owned)
{
        _cleanup_json_ json_t *json = owned;
        return cli_printed(output_json(json));
}

int verb_repository_init(const struct cli *cli, struct error **err)
{
        _cleanup_(settings_freep) struct settings *settings = cli_load_settings(cli);
        if (!settings)
                return STATUS_USAGE;
        _cleanup_free_ char *uuid = NULL;
        if (repository_init(settings->repository_path, settings->repository_fstype, &uuid, err) < 0)
                return STATUS_FROM_ERROR;
        if (cli->json)
                return print_repository_json(
                        json_pack("{s:s, s:s}", "path", settings->repository_path, "uuid", uuid));
        _cleanup_free_ char *line =
                xasprintf("%s is now an orch repository (%s)", settings->repository_path, uuid);
        return cli_printed(output_line(line));
}

static int print_status(const struct cli *cli, const struct repository_status *status)
{
        if (cli->json)
                return print_repository_json(json_pack(
                        "{s:s, s:s, s:s, s:b, s:I, s:I}", "path", status->path, "mount_type",
                        status->mount_type, "uuid", status->uuid, "writable", (int)status->writable,
                        "free_bytes", (json_int_t)status->free_bytes, "total_bytes",
                        (json_int_t)status->total_bytes));
        _cleanup_free_ char *free_text = format_bytes(status->free_bytes);
        _cleanup_free_ char *total_text = format_bytes(status->total_bytes);
        _cleanup_strbuf_ struct strbuf out = { 0 };
        strbuf_addf(&out, "path      %s\n", status->path);
        strbuf_addf(&out, "mounted   %s\n", status->mount_type);
        strbuf_addf(&out, "uuid      %s\n", status->uuid);
        strbuf_addf(&out, "writable  %s\n", status->writable ? "yes" : "no");
        strbuf_addf(&out, "free      %s of %s\n", free_text, total_text);
        return cli_printed(output_text(out.data));
}

int verb_repository_check(const struct cli *cli, struct error **err)
{
        _cleanup_(settings_freep) struct settings *settings = cli_load_settings(cli);
        if (!settings)
                return STATUS_USAGE;
        _cleanup_repository_status_ struct repository_status status = { 0 };
        if (repository_probe(settings->repository_path, settings->repository_fstype,
                             PROBE_TIMEOUT_MS, &status, err) < 0)
                return STATUS_FROM_ERROR;
        int printed = print_status(cli, &status);
        return status.writable ? printed : STATUS_JOB_FAILED;
}

static int print_unlocked(const struct cli *cli, const char *path, const struct lock_holder *holder)
{
        if (cli->json) {
                _cleanup_free_ char *when =
                        holder->since ? clock_format_rfc3339(holder->since) : NULL;
                return print_repository_json(json_pack("{s:s?, s:I, s:s?}", "host", holder->host,
                                                       "pid", (json_int_t)holder->pid, "since",
                                                       when));
        }
        _cleanup_free_ char *since =
                holder->since ? clock_format_local(holder->since) : xstrdup("an unknown time");
        _cleanup_free_ char *line =
                holder->host
                        ? xasprintf("%s is unlocked; process %lld on %s had locked it since %s",
                                    path, (long long)holder->pid, holder->host, since)
                        : xasprintf("%s is not locked", path);
        return cli_printed(output_line(line));
}

int verb_repository_unlock(const struct cli *cli, struct error **err)
{
        _cleanup_(settings_freep) struct settings *settings = cli_load_settings(cli);
        if (!settings)
                return STATUS_USAGE;
        bool force = options_has(cli->options, "force");
        if (force && !options_has(cli->options, "yes")) {
                if (!cli->can_ask) {
                        error_set(err, ERROR_CONFIG,
                                  "--force needs --yes without a terminal, and with --json");
                        return STATUS_USAGE;
                }
                if (!cli_ask("Two orchestrators on one share can destroy backups. Is no other orch "
                             "running on it, on any host?"))
                        return STATUS_CANCELLED;
        }
        _cleanup_(repository_freep) struct repository *repository =
                repository_open(settings->repository_path, settings->repository_fstype, err);
        if (!repository)
                return STATUS_FROM_ERROR;
        _cleanup_(lock_holder_done) struct lock_holder holder = { 0 };
        if (repository_break_lock(repository, force, &holder, err) < 0)
                return STATUS_FROM_ERROR;
        return print_unlocked(cli, settings->repository_path, &holder);
}
