/* `orch catalog rebuild|backup`: the catalog on the share, without a daemon. They hold the
 * repository's lock and so are refused while a daemon runs: the daemon is the only writer of the
 * catalog. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "catalog/catalog.h"
#include "cli/offline/standalone.h"
#include "cli/terminal/output.h"
#include "cli/terminal/values.h"
#include "cli/verbs/verbs.h"
#include "repository/points.h"
#include "repository/repository.h"
#include "schema/json/json-fields.h"

const struct verb_manual manual_catalog_rebuild = {
        .arguments = "",
        .text = "Makes the catalog agree with the points on the share. A missing or damaged "
                "catalog is created again; the damaged file is set aside. Failed jobs, which made "
                "no point, are restored from metadata/failed on the share. Stop the daemon first.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch catalog rebuild",
};

const struct verb_manual manual_catalog_backup = {
        .arguments = "FILE",
        .min_words = 1,
        .max_words = 1,
        .text = "Writes a consistent copy of the catalog to FILE, which must not exist. Stop the "
                "daemon first.",
        .exits = MANUAL_EXIT(STATUS_JOB_FAILED) | MANUAL_EXIT(STATUS_REFUSED),
        .example = "orch catalog backup /root/backup-catalog.db",
};

/* Opens the repository and takes its lock, which is held until the object is freed. NULL with an
 * error. */
static struct repository *open_locked(const struct settings *settings, struct error **err)
{
        _cleanup_(repository_freep) struct repository *repository =
                repository_open(settings->repository_path, settings->repository_fstype, err);
        if (!repository)
                return NULL;
        return standalone_lock(repository, err) == 0 ? TAKE_PTR(repository) : NULL;
}

static struct catalog *open_offline_catalog(const struct repository *repository, bool *ret_new,
                                            struct error **err)
{
        _cleanup_free_ char *path =
                path_join(repository_path(repository), "metadata/backup-catalog.db");
        return catalog_open(path, ret_new, err);
}

static int print_rebuilt(const struct cli *cli, bool made_new, size_t n_points, size_t added,
                         size_t removed)
{
        if (cli->json) {
                _cleanup_json_ json_t *json =
                        json_pack("{s:b, s:I, s:I, s:I}", "new", (int)made_new, "points",
                                  (json_int_t)n_points, "added", (json_int_t)added, "removed",
                                  (json_int_t)removed);
                return cli_printed(output_json(json));
        }
        _cleanup_free_ char *points = format_count((int64_t)n_points, "point");
        _cleanup_free_ char *line =
                xasprintf("the catalog%s has the %s of the share: %zu added, %zu removed",
                          made_new ? " was created again and" : "", points, added, removed);
        return cli_printed(output_line(line));
}

int verb_catalog_rebuild(const struct cli *cli, struct error **err)
{
        _cleanup_(settings_freep) struct settings *settings = cli_load_settings(cli);
        if (!settings)
                return STATUS_USAGE;
        _cleanup_(repository_freep) struct repository *repository = open_locked(settings, err);
        if (!repository)
                return STATUS_FROM_ERROR;
        _cleanup_point_list_ struct point_list points = { 0 };
        _cleanup_failure_list_ struct failure_list failures = { 0 };
        if (points_scan_all(repository, &points, err) < 0 ||
            points_scan_failures(repository, &failures, err) < 0)
                return STATUS_FROM_ERROR;
        bool made_new = false;
        _cleanup_(catalog_freep) struct catalog *catalog =
                open_offline_catalog(repository, &made_new, err);
        size_t added = 0;
        size_t removed = 0;
        if (catalog && catalog_set_aside(catalog))
                log_warning("the catalog was corrupt and is set aside as %s",
                            catalog_set_aside(catalog));
        if (!catalog || catalog_add_failures(catalog, &failures, &added, err) < 0 ||
            catalog_reconcile(catalog, &points, &added, &removed, err) < 0)
                return STATUS_FROM_ERROR;
        return print_rebuilt(cli, made_new, points.count, added, removed);
}

int verb_catalog_backup(const struct cli *cli, struct error **err)
{
        const char *file = cli->options->words[0];
        _cleanup_(settings_freep) struct settings *settings = cli_load_settings(cli);
        if (!settings)
                return STATUS_USAGE;
        if (access(file, F_OK) == 0) {
                error_set(err, ERROR_REFUSED, "%s exists already; name a new file", file);
                return STATUS_REFUSED;
        }
        _cleanup_(repository_freep) struct repository *repository = open_locked(settings, err);
        if (!repository)
                return STATUS_FROM_ERROR;
        bool made_new = false;
        _cleanup_(catalog_freep) struct catalog *catalog =
                open_offline_catalog(repository, &made_new, err);
        if (!catalog || catalog_backup(catalog, file, err) < 0)
                return STATUS_FROM_ERROR;
        if (cli->json) {
                _cleanup_json_ json_t *json = json_object();
                json_object_set_new(json, "file", json_from_text(file));
                return cli_printed(output_json(json));
        }
        _cleanup_free_ char *line = xasprintf("the catalog was copied to %s", file);
        return cli_printed(output_line(line));
}
