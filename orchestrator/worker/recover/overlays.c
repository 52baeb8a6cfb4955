/* Parts of a recovery (worker/recover/recovery.h): overlays of ours that the VM's disks use, and
 * overlay files that no disk uses.
 *
 * An overlay is recognised by its name, in an XML of the domain or beside a disk of it; its base is
 * the layer directly below it in the chain. An overlay that no disk uses and that nobody saw
 * committed may hold the only copy of some writes. It is removed only if the QEMU that began its
 * pivot still runs on the base, if it holds no data of its own, or if the VM is off and the overlay
 * holds the same data as the base. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/host/overlay.h"
#include "worker/job/names.h"
#include "worker/recover/recovery.h"
#include "worker/recover/scripts.h"
#include "worker/vm/commit-offline.h"
#include "worker/vm/commit.h"

enum { COMMAND_TIMEOUT_MS = 30 * 1000 };

static bool is_listed(const struct recovery *recovery, const char *overlay)
{
        for (size_t i = 0; i < recovery->leftover.n_disks; i++)
                if (streq(recovery->leftover.disks[i].overlay, overlay))
                        return true;
        return false;
}

static int leftover_add_disk(struct recovery *recovery, const struct domain_disk *disk,
                             struct error **err)
{
        _cleanup_free_ char *base = NULL;
        _cleanup_free_ char *format = NULL;
        /* An inactive XML may omit its backing chain. */
        if (disk->n_backing && disk->backing[0].path) {
                base = xstrdup(disk->backing[0].path);
                format = xstrdup(disk->backing[0].format ? disk->backing[0].format : "raw");
        } else if (overlay_ask_base(recovery->job->host, disk->path, &base, &format, err) < 0) {
                return -1;
        }
        struct vm_job *leftover = &recovery->leftover;
        leftover->disks =
                xrealloc_array(leftover->disks, leftover->n_disks + 1, sizeof *leftover->disks);
        leftover->disks[leftover->n_disks++] = (struct vm_disk){
                .target = xstrdup(disk->target),
                .base = TAKE_PTR(base),
                .format = TAKE_PTR(format),
                .overlay = xstrdup(disk->path),
        };
        return 0;
}

static int take_disk(struct recovery *recovery, const struct domain_disk *disk, struct error **err)
{
        const struct vm_job *job = recovery->job;
        _cleanup_free_ char *id = NULL;
        if (names_is_our_overlay(disk->path, recovery->short_uuid, &id)) {
                if (!strv_contains(recovery->jobs, id))
                        strv_add(&recovery->jobs, id);
                return is_listed(recovery, disk->path) ? 0 : leftover_add_disk(recovery, disk, err);
        }
        if (names_is_an_overlay(disk->path))
                report_warning(job->report,
                               "disk %s of %s is on an overlay of another orch (%s): left alone",
                               disk->target, job->vm->name, disk->path);
        for (size_t i = 0; i < disk->n_backing; i++)
                if (names_is_our_overlay(disk->backing[i].path, recovery->short_uuid, NULL))
                        report_warning(job->report,
                                       "disk %s of %s has an overlay of an interrupted job (%s) in "
                                       "the middle of its chain, below "
                                       "%s, which is not orch's: left alone. "
                                       "To merge it (on %s): virsh blockcommit %s %s --top '%s' "
                                       "--base '%s' --wait",
                                       disk->target, job->vm->name, disk->backing[i].path,
                                       disk->path, job->host->name, job->vm->domain, disk->target,
                                       disk->backing[i].path,
                                       i + 1 < disk->n_backing ? disk->backing[i + 1].path : "?");
        return 0;
}

int recover_read_disks(struct recovery *recovery, struct error **err)
{
        struct vm_job *job = recovery->job;
        if ((job->running && vm_job_read_xml(job, false, &recovery->live, err) < 0) ||
            vm_job_read_xml(job, true, &recovery->inactive, err) < 0)
                return -1;
        for (size_t i = 0; recovery->live && i < recovery->live->n_disks; i++)
                if (take_disk(recovery, &recovery->live->disks[i], err) < 0)
                        return -1;
        for (size_t i = 0; i < recovery->inactive->n_disks; i++) {
                const struct domain_disk *disk = &recovery->inactive->disks[i];
                const struct domain_disk *live =
                        recovery->live ? domain_xml_find_disk(recovery->live, disk->target) : NULL;
                if (!(live && streq(live->path, disk->path)) && take_disk(recovery, disk, err) < 0)
                        return -1;
        }
        return 0;
}

static const char *how_to_commit(const struct vm_job *job)
{
        if (job->running)
                return "to be committed while it runs";
        return job->info.has_managed_save
                       ? "left until the VM, which was saved on it, has been started"
                       : "to be committed without starting the VM";
}

void recover_overlays(struct recovery *recovery)
{
        struct vm_job *job = recovery->job;
        struct vm_job *leftover = &recovery->leftover;
        struct error *error = NULL;
        for (size_t i = 0; i < leftover->n_disks; i++) {
                const struct vm_disk *disk = &leftover->disks[i];
                if (recovery->dry_run)
                        recovery_says(recovery,
                                      "disk %s is on the overlay %s of an interrupted job: %s",
                                      disk->target, disk->overlay, how_to_commit(job));
                else
                        report_warning(job->report,
                                       "disk %s is on the overlay %s of an interrupted job: %s",
                                       disk->target, disk->overlay, how_to_commit(job));
        }
        if (!leftover->n_disks || recovery->dry_run)
                return;
        if (commit_all(leftover, &error) < 0)
                recovery_fails(recovery, error);
        for (size_t i = 0; i < leftover->n_disks; i++)
                recovery->repaired += leftover->disks[i].committed;
}

static void add_prefixes(const struct recovery *recovery, const struct domain_xml *xml,
                         char ***argv)
{
        const struct vm_job *job = recovery->job;
        for (size_t i = 0; xml && i < xml->n_disks; i++) {
                const struct domain_disk *disk = &xml->disks[i];
                const char *own = disk->path;
                for (size_t layer = 0; names_is_an_overlay(own) && layer < disk->n_backing; layer++)
                        own = disk->backing[layer].path;
                _cleanup_free_ char *beside = own && own[0] == '/' && !names_is_an_overlay(own)
                                                      ? xasprintf("%s.", own)
                                                      : NULL;
                _cleanup_free_ char *in_scratch = xasprintf("%s/%s-%s.", job->host_entry->scratch,
                                                            job->vm->name, disk->target);
                if (beside && !strv_contains(*argv, beside))
                        strv_add(argv, beside);
                if (!strv_contains(*argv, in_scratch))
                        strv_add(argv, in_scratch);
        }
}

static void strip_suffix(char *text, const char *suffix)
{
        if (str_ends_with(text, suffix))
                text[strlen(text) - strlen(suffix)] = '\0';
}

/* Lists the paths of overlays that exist, or have a marker, beside this VM's disks. */
static int list_files(struct recovery *recovery, char ***ret, struct error **err)
{
        _cleanup_strv_ char **argv = NULL;
        static const char *const head[] = { "sh", "-c", list_overlays_script, "orch-list" };
        for (size_t i = 0; i < ARRAY_LENGTH(head); i++)
                strv_add(&argv, head[i]);
        add_prefixes(recovery, recovery->live, &argv);
        add_prefixes(recovery, recovery->inactive, &argv);
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(recovery->job->host, (const char *const *)argv, COMMAND_TIMEOUT_MS,
                           &output, err) < 0)
                return -1;
        char *rest = NULL;
        for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                static const char *const suffixes[] = { ".committed", ".pivoting" };
                for (size_t i = 0; i < ARRAY_LENGTH(suffixes); i++)
                        strip_suffix(line, suffixes[i]);
                if (names_is_an_overlay(line) && !strv_contains(*ret, line))
                        strv_add(ret, line);
        }
        return 0;
}

static bool is_used_in(const struct domain_xml *xml, const char *path)
{
        for (size_t i = 0; xml && i < xml->n_disks; i++) {
                if (streq(xml->disks[i].path, path))
                        return true;
                for (size_t layer = 0; layer < xml->disks[i].n_backing; layer++)
                        if (streq(xml->disks[i].backing[layer].path, path))
                                return true;
        }
        return false;
}

static const struct domain_disk *disk_on(const struct domain_xml *xml, const char *base)
{
        for (size_t i = 0; xml && i < xml->n_disks; i++)
                if (streq(xml->disks[i].path, base))
                        return &xml->disks[i];
        return NULL;
}

/* The reason why an overlay that no disk uses can be removed, or NULL. */
static int reason_to_remove(struct recovery *recovery, const char *path, const struct vm_disk *disk,
                            const char **ret_reason, struct error **err)
{
        struct vm_job *job = recovery->job;
        struct overlay_facts facts = { 0 };
        *ret_reason = NULL;
        if (overlay_look(job->host, job->uuid, path, &facts, err) < 0)
                return -1;
        if (!facts.exists || facts.committed) {
                *ret_reason = facts.exists ? "had been committed" : "";
                return 0;
        }
        if (!disk->target || job->info.has_managed_save)
                return 0;
        if (job->running) {
                bool unwritten = false;
                if (facts.pivoting && facts.same_qemu)
                        *ret_reason = "had been committed: the QEMU that began to pivot it still "
                                      "runs, on its base";
                else if (overlay_is_unwritten(job->host, path, &unwritten, err) < 0)
                        return -1;
                else if (unwritten)
                        *ret_reason = "holds nothing of its own";
                return 0;
        }
        bool same = false;
        if (commit_compare(job, disk, &same, err) < 0)
                return -1;
        if (same)
                *ret_reason = "holds nothing that its base does not have";
        return 0;
}

static void orphan_keep(struct recovery *recovery, const char *path, const struct vm_disk *disk)
{
        struct vm_job *job = recovery->job;
        const char *const words[] = { path, NULL };
        _cleanup_free_ char *quoted = shell_join(words);
        report_warning(job->report,
                       "%s, an overlay of an interrupted job, is not used by %s and nobody saw it "
                       "being committed: kept, it may "
                       "hold the only copy of some "
                       "writes",
                       path, job->vm->name);
        if (disk->base) {
                const char *const bases[] = { disk->base, NULL };
                _cleanup_free_ char *base = shell_join(bases);
                report_log(job->report,
                           "to see what it has that its base has not, on %s, with %s off: qemu-img "
                           "compare -f %s -F qcow2 %s %s",
                           job->host->name, job->vm->name, disk->format, base, quoted);
        }
        report_log(job->report, "when nothing in it is needed, on %s: rm %s", job->host->name,
                   quoted);
}

static void settle_orphan(struct recovery *recovery, const char *path)
{
        struct vm_job *job = recovery->job;
        struct vm_disk disk = { .overlay = xstrdup(path) };
        struct error *error = NULL;
        if (overlay_ask_base(job->host, path, &disk.base, &disk.format, NULL) == 0) {
                const struct domain_disk *found =
                        disk_on(recovery->live ? recovery->live : recovery->inactive, disk.base);
                disk.target = found ? xstrdup(found->target) : NULL;
        }
        const char *reason = NULL;
        if (reason_to_remove(recovery, path, &disk, &reason, &error) < 0) {
                recovery_fails(recovery, error);
        } else if (!reason) {
                orphan_keep(recovery, path, &disk);
        } else if (!recovery->dry_run && overlay_remove(job->host, path, &error) < 0) {
                recovery_fails(recovery, error);
        } else if (*reason) {
                recovery_says(recovery, "the overlay %s of an interrupted job %s: removed", path,
                              reason);
        }
        vm_disk_done(&disk);
}

void recover_orphans(struct recovery *recovery)
{
        struct vm_job *job = recovery->job;
        _cleanup_strv_ char **files = NULL;
        struct error *error = NULL;
        if (list_files(recovery, &files, &error) < 0)
                recovery_fails(recovery, error);
        for (size_t i = 0; files && files[i]; i++) {
                if (is_used_in(recovery->live, files[i]) ||
                    is_used_in(recovery->inactive, files[i]) || is_listed(recovery, files[i]))
                        continue;
                if (names_is_our_overlay(files[i], recovery->short_uuid, NULL))
                        settle_orphan(recovery, files[i]);
                else
                        report_warning(job->report,
                                       "%s was left, or is being used, by another orch (of another "
                                       "repository): left alone",
                                       files[i]);
        }
}
