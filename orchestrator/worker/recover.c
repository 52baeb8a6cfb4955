/* Implements worker/recover.h.
 *
 * Order: stop what still copies (a commit must never meet a reader of its base) → thaw → commit → leftover files → staging. An overlay is
 * recognised by its name in an XML of the domain or beside a disk of it; its base is the layer directly below it, as the chain itself says. */
#include "worker/recover.h"

#include <jansson.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/staging-sweep.h"
#include "worker/commit.h"
#include "worker/names.h"

enum { COMMAND_TIMEOUT_MS = 30 * 1000 };

/* One interrupted job of ours on this VM, as a backup that has only its disks: commit_all() then does what it does for a live one. */
static void leftover_done(struct backup *leftover)
{
        for (size_t i = 0; i < leftover->n_disks; i++)
                backup_disk_done(&leftover->disks[i]);
        free(leftover->disks);
        domain_info_done(&leftover->info);
        free(leftover->tag);
        *leftover = (struct backup){ 0 };
}

/* What lies under an overlay, from the overlay itself: an inactive XML need not spell out its chain. */
static int ask_image_for_base(struct backup *backup, const char *overlay, char **ret_base, char **ret_format, struct error **err)
{
        const char *const argv[] = { "qemu-img", "info", "-U", "--output=json", overlay, NULL };
        _cleanup_free_ char *text = NULL;
        if (hypervisor_run(backup->host, argv, COMMAND_TIMEOUT_MS, &text, err) < 0)
                return error_prefix(err, "the overlay %s cannot be read", overlay);
        json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        const char *base = json_string_value(json_object_get(root, "full-backing-filename"));
        const char *format = json_string_value(json_object_get(root, "backing-filename-format"));
        int r = 0;
        if (base && base[0] == '/') {
                *ret_base = xstrdup(base);
                *ret_format = xstrdup(format ? format : "raw");
        } else {
                r = error_set(err, ERROR_CORRUPT, "the overlay %s does not say what it lies on", overlay);
        }
        json_decref(root);
        return r;
}

static int add_leftover_disk(struct backup *backup, struct backup *leftover, const struct domain_disk *disk, struct error **err)
{
        _cleanup_free_ char *base = NULL;
        _cleanup_free_ char *format = NULL;
        if (disk->n_backing && disk->backing[0].path) {
                base = xstrdup(disk->backing[0].path);
                format = xstrdup(disk->backing[0].format ? disk->backing[0].format : "raw");
        } else if (ask_image_for_base(backup, disk->path, &base, &format, err) < 0) {
                return -1;
        }
        leftover->disks = xrealloc_array(leftover->disks, leftover->n_disks + 1, sizeof *leftover->disks);
        leftover->disks[leftover->n_disks++] = (struct backup_disk){
                .target = xstrdup(disk->target),
                .base = TAKE_PTR(base),
                .format = TAKE_PTR(format),
                .overlay = xstrdup(disk->path),
        };
        return 0;
}

static void stop_job_units(struct backup *backup, const char *job)
{
        _cleanup_free_ char *tag = names_tag(repository_short_uuid(backup->repository), job);
        static const char *const suffixes[] = { "copy", "pre-command", "post-command" };
        for (size_t i = 0; i < ARRAY_LENGTH(suffixes); i++) {
                _cleanup_free_ char *unit = xasprintf("%s-%s", tag, suffixes[i]);
                _cleanup_error_ struct error *error = NULL;
                if (backup->host->ops->stop_unit(backup->host, unit, &error) < 0)
                        report_warning(backup->report, "%s on %s could not be stopped: %s", unit, backup->host->name, error->message);
        }
}

/* Collects the disks of this domain that are on overlays of ours; a foreign orch's are told. */
static int find_overlays(struct backup *backup, struct backup *leftover, char ***jobs, struct error **err)
{
        _cleanup_(domain_xml_freep) struct domain_xml *xml = NULL;
        if (backup_read_xml(backup, !backup->running, &xml, err) < 0)
                return -1;
        for (size_t i = 0; i < xml->n_disks; i++) {
                const struct domain_disk *disk = &xml->disks[i];
                _cleanup_free_ char *job = NULL;
                if (names_is_our_overlay(disk->path, repository_short_uuid(backup->repository), &job)) {
                        if (!strv_contains(*jobs, job))
                                strv_add(jobs, job);
                        if (add_leftover_disk(backup, leftover, disk, err) < 0)
                                return -1;
                } else if (names_is_an_overlay(disk->path)) {
                        report_warning(backup->report, "disk %s of %s is on an overlay of another orch (%s): left alone", disk->target, backup->vm->name,
                                       disk->path);
                }
        }
        return 0;
}

/* A guest that is frozen, with a dead-man file of ours for it: our freeze. Without one it is somebody else's. */
static int thaw_ours(struct backup *backup, size_t *repaired, struct error **err)
{
        static const char script[] =
                "for f in /run/orch/orch-\"$1\"-*.thaw.id; do [ -e \"$f\" ] || continue; read -r _ u < \"$f\"; [ \"$u\" = \"$2\" ] && echo ours; done; exit 0";
        const char *const argv[] = { "sh", "-c", script, "orch-frozen", repository_short_uuid(backup->repository), backup->uuid, NULL };
        _cleanup_free_ char *output = NULL;
        if (backup->info.state != DOMAIN_STATE_RUNNING)
                return 0;
        if (hypervisor_run(backup->host, argv, COMMAND_TIMEOUT_MS, &output, err) < 0)
                return -1;
        if (!*output)
                return 0;
        enum fsfreeze_status status = FSFREEZE_THAWED;
        int filesystems = 0;
        if (backup->host->ops->fsfreeze_status(backup->host, backup->uuid, &status, err) < 0)
                return error_prefix(err, "%s was frozen by an interrupted job, and its agent does not answer", backup->vm->name);
        if (status == FSFREEZE_THAWED)
                return 0;
        if (backup->host->ops->fsthaw(backup->host, backup->uuid, &filesystems, err) < 0)
                return error_prefix(err, "%s, frozen by an interrupted job, could not be thawed", backup->vm->name);
        report_warning(backup->report, "%s was still frozen by an interrupted job: thawed", backup->vm->name);
        ++*repaired;
        return 0;
}

static int commit_overlays(struct backup *backup, char *const *jobs, struct backup *leftover, size_t *repaired, struct error **err)
{
        for (size_t i = 0; jobs && jobs[i]; i++)
                stop_job_units(backup, jobs[i]);
        if (!leftover->n_disks)
                return 0;
        for (size_t i = 0; i < leftover->n_disks; i++)
                report_warning(backup->report, "disk %s of %s was left on the overlay %s by an interrupted job: committing it into %s",
                               leftover->disks[i].target, backup->vm->name, leftover->disks[i].overlay, leftover->disks[i].base);
        if (commit_all(leftover, err) < 0)
                return -1;
        *repaired += leftover->n_disks;
        return 0;
}

/* $1 short UUID, then the prefixes of overlay names ("<base>." and "<scratch>/<vm>-"). A `.committed` marker allows removal. */
static const char sweep_script[] =
        "short=$1; shift\n"
        "for p; do for f in \"$p\"*orch-\"$short\"-*; do f=${f%.committed}; f=${f%.pivoting}\n"
        "  if [ -e \"$f.committed\" ]; then [ -e \"$f\" ] && printf 'removed\\t%s\\n' \"$f\"; rm -f \"$f\" && rm -f \"$f.pivoting\" \"$f.committed\"\n"
        "  elif [ -e \"$f\" ]; then printf 'kept\\t%s\\n' \"$f\"\n"
        "  else rm -f \"$f.pivoting\"; fi\n"
        "done; done; exit 0";

static int sweep_files(struct backup *backup, size_t *repaired, struct error **err)
{
        _cleanup_(domain_xml_freep) struct domain_xml *xml = NULL;
        if (backup_read_xml(backup, !backup->running, &xml, err) < 0)
                return -1;
        _cleanup_strv_ char **argv = NULL;
        const char *const head[] = { "sh", "-c", sweep_script, "orch-sweep", repository_short_uuid(backup->repository) };
        for (size_t i = 0; i < ARRAY_LENGTH(head); i++)
                strv_add(&argv, head[i]);
        for (size_t i = 0; i < xml->n_disks; i++) {
                if (xml->disks[i].source == DISK_SOURCE_FILE && xml->disks[i].path)
                        strv_addf(&argv, "%s.", xml->disks[i].path);
                strv_addf(&argv, "%s/%s-%s.", backup->host_entry->scratch, backup->vm->name, xml->disks[i].target);
        }
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(backup->host, (const char *const *)argv, COMMAND_TIMEOUT_MS, &output, err) < 0)
                return -1;
        for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) {
                if (str_starts_with(line, "removed\t")) {
                        report_warning(backup->report, "the overlay %s of an interrupted job had been committed: removed", line + 8);
                        ++*repaired;
                } else if (str_starts_with(line, "kept\t")) {
                        report_warning(backup->report,
                                       "%s is an overlay of an interrupted job that %s does not use and nobody saw being committed: kept, because it may hold the "
                                       "only copy of some writes; compare it with its base, then remove it by hand", line + 5, backup->vm->name);
                }
        }
        return 0;
}

int recover_domain(struct backup *backup, size_t *ret_repaired, struct error **err)
{
        _cleanup_(leftover_done) struct backup leftover = {
                .request = backup->request,
                .settings = backup->settings,
                .vm = backup->vm,
                .report = backup->report,
                .repository = backup->repository,
                .host = backup->host,
                .host_entry = backup->host_entry,
                .uuid = backup->uuid,
                .running = backup->running,
        };
        _cleanup_strv_ char **jobs = NULL;
        size_t repaired = 0;
        size_t swept = 0;
        if (find_overlays(backup, &leftover, &jobs, err) < 0 || thaw_ours(backup, &repaired, err) < 0 ||
            commit_overlays(backup, jobs, &leftover, &repaired, err) < 0 || sweep_files(backup, &repaired, err) < 0 ||
            staging_sweep(backup->repository, backup->home, backup->vm->name, &swept, err) < 0)
                return -1;
        if (swept)
                report_warning(backup->report, "%zu unfinished staging folders of interrupted jobs were removed", swept);
        *ret_repaired = repaired + swept;
        return 0;
}

int backup_repair(struct backup *backup, struct error **err)
{
        size_t repaired = 0;
        if (recover_domain(backup, &repaired, err) < 0)
                return error_prefix(err, "what an interrupted job left of %s cannot be put right", backup->vm->name);
        /* The repair may have changed what the VM is doing. */
        domain_info_done(&backup->info);
        int found = backup->host->ops->find_domain(backup->host, backup->uuid, NULL, &backup->info, err);
        if (found == 0)
                return error_set(err, ERROR_REFUSED, "%s vanished from %s", backup->vm->name, backup->host->name);
        report_step_end(backup->report, STEP_DONE, "%zu leftovers put right", repaired);
        return found < 0 ? -1 : 0;
}
