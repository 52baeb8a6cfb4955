/* Implements worker/backup/config-changes.h. This file decides whether anything changed, by the
 * lines that count. The diff itself is made by diff(1) from the unmodified files, in a child
 * process that can be ended. */
#include "worker/backup/config-changes.h"

#include <errno.h>
#include <string.h>

#include "base/child.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/points.h"
#include "transports/appliance/appliance-text.h"
#include "worker/job/cancel.h"

enum {
        MAX_CONFIG_BYTES = 64 * 1024 * 1024,
        MAX_DIFF_BYTES = 16 * 1024 * 1024,
        DIFF_TIMEOUT_MS = 60 * 1000
};

static const char diff_name[] = "configs/changes.diff";

struct comparison {
        struct backup *backup;
        const struct appliance_profile *profile;
        const struct point *before;
        struct strbuf diff; /* of all files */
};

/* The newest good point with configurations; NULL: none. */
static const struct point *newest_with_configs(const struct point_list *points)
{
        for (size_t i = 0; i < points->count; i++) {
                const struct point *point = &points->items[i];
                if (point->metadata && point->metadata->n_configs && !point->state.damaged)
                        return point;
        }
        return NULL;
}

/* The first two lines of a diff name its files and are not counted. */
static void count_lines(const char *diff, struct metadata_config *config)
{
        size_t number = 0;
        for (const char *line = diff; *line; number++) {
                if (number >= 2 && *line == '+')
                        config->lines_added++;
                if (number >= 2 && *line == '-')
                        config->lines_removed++;
                line += strcspn(line, "\n");
                line += *line == '\n';
        }
}

static int run_diff(struct comparison *comparison, struct metadata_config *config,
                    struct error **err)
{
        const struct backup *backup = comparison->backup;
        _cleanup_free_ char *old_label = xasprintf("%s/%s", comparison->before->name, config->file);
        _cleanup_free_ char *new_label = xasprintf("%s/%s", backup->job.point, config->file);
        _cleanup_free_ char *old_folder =
                path_join(repository_path(backup->job.repository), comparison->before->path);
        _cleanup_free_ char *old_path = path_join(old_folder, config->file);
        _cleanup_free_ char *new_path = path_join(staging_path(backup->staging), config->file);
        const char *const argv[] = { "diff",    "-a", "-u",     "--label", old_label, "--label",
                                     new_label, "--", old_path, new_path,  NULL };
        struct child_options options = { .timeout_ms = DIFF_TIMEOUT_MS,
                                         .max_output = MAX_DIFF_BYTES,
                                         .cancelled = worker_cancelled };
        _cleanup_child_result_ struct child_result result = { 0 };
        if (child_run(argv, &options, &result, err) < 0)
                return -1;
        if (result.status != 1) {
                _cleanup_free_ char *reason = str_one_line(result.errors, 200);
                return error_set(err, ERROR_INTERNAL, "diff ended with status %d: %s",
                                 result.status, reason);
        }
        count_lines(result.output, config);
        size_t room = MAX_DIFF_BYTES - comparison->diff.length;
        size_t length = strlen(result.output);
        strbuf_append(&comparison->diff, result.output, length < room ? length : room);
        return 0;
}

static int compare_file(struct comparison *comparison, struct metadata_config *config,
                        const char *text, struct error **err)
{
        struct backup *backup = comparison->backup;
        _cleanup_error_ struct error *error = NULL;
        _cleanup_free_ char *before =
                points_read_file(backup->job.repository, comparison->before->path, config->file,
                                 MAX_CONFIG_BYTES, NULL, &error);
        if (!before && error->errnum == ENOENT)
                return 0;
        if (!before)
                return error_propagate(err, TAKE_PTR(error));
        bool differs = appliance_text_differs(comparison->profile, before, text);
        config->change = differs ? CONFIG_CHANGED : CONFIG_UNCHANGED;
        if (!differs)
                return 0;
        if (run_diff(comparison, config, err) < 0)
                return -1;
        report_log(backup->job.report, "%s has changed since %s: %llu lines added, %llu removed",
                   config->file, comparison->before->name, (unsigned long long)config->lines_added,
                   (unsigned long long)config->lines_removed);
        return 0;
}

static int write_diff(struct comparison *comparison, struct error **err)
{
        struct backup *backup = comparison->backup;
        const struct strbuf *diff = &comparison->diff;
        uint64_t bytes = 0;
        if (!diff->length)
                return 0;
        if (staging_write_file(backup->staging, diff_name, 0600, diff->data, diff->length, err) < 0)
                return -1;
        _cleanup_free_ char *sha256 =
                staging_hash_file(backup->staging, diff_name, NULL, &bytes, err);
        if (!sha256)
                return -1;
        backup->job.metadata->configs_diff = xstrdup(diff_name);
        return 0;
}

static void config_changes_warn(struct backup *backup, const struct error *error)
{
        report_warning(backup->job.report,
                       "what changed in the configuration of %s cannot be told: %s",
                       backup->job.vm->name, error_message(error));
}

int config_changes_note(struct backup *backup, const struct appliance_profile *profile,
                        char *const *texts, struct error **err)
{
        struct metadata *metadata = backup->job.metadata;
        _cleanup_error_ struct error *error = NULL;
        _cleanup_point_list_ struct point_list points = { 0 };
        if (points_scan_vm(backup->job.repository, backup->job.home, backup->job.vm->name, &points,
                           &error) < 0) {
                config_changes_warn(backup, error);
                return 0;
        }
        struct comparison comparison = { .backup = backup,
                                         .profile = profile,
                                         .before = newest_with_configs(&points) };
        if (!comparison.before)
                return 0;
        xstrdup_replace(&metadata->configs_compared_with, comparison.before->name);
        int r = 0;
        for (size_t i = 0; r == 0 && i < metadata->n_configs; i++)
                r = compare_file(&comparison, &metadata->configs[i], texts[i], &error);
        if (r < 0)
                config_changes_warn(backup, error);
        r = write_diff(&comparison, err);
        strbuf_done(&comparison.diff);
        return r;
}
