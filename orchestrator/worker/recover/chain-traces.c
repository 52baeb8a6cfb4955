/* The leftovers of an interrupted increment: a libvirt backup job that still runs, scratch files on
 * the hypervisor, and checkpoints of jobs that made no point. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "repository/points.h"
#include "worker/job/names.h"
#include "worker/recover/recovery.h"
#include "worker/recover/scripts.h"

enum { FILES_TIMEOUT_MS = 30 * 1000 };

static int recover_job(struct vm_job *job, const char *short_uuid, bool dry_run,
                       void (*says)(void *data, const char *text), void *data, struct error **err)
{
        struct backup_job state = { 0 };
        _cleanup_free_ char *text = NULL;
        _cleanup_free_ char *mark = names_tag(short_uuid, "");
        if (!job->running || !job->info.job || !streq(job->info.job, "backup"))
                return 0;
        if (job->host->ops->backup_job(job->host, job->uuid, &state, &text, err) < 0)
                return -1;
        if (state.state != BACKUP_JOB_RUNNING || !text || !strstr(text, mark))
                return 0;
        if (!dry_run && job->host->ops->backup_abort(job->host, job->uuid, err) < 0)
                return -1;
        says(data, "a backup job of an interrupted job still ran: ended");
        return 0;
}

static int recover_scratch(struct vm_job *job, const char *short_uuid, bool dry_run,
                           void (*says)(void *data, const char *text), void *data,
                           struct error **err)
{
        const char *const argv[] = { "sh",
                                     "-c",
                                     find_increment_scratch_script,
                                     "orch-scratch",
                                     job->host_entry->scratch,
                                     short_uuid,
                                     job->uuid,
                                     dry_run ? "ls" : "rm",
                                     NULL };
        _cleanup_free_ char *output = NULL;
        if (hypervisor_run(job->host, argv, FILES_TIMEOUT_MS, &output, err) < 0)
                return -1;
        char *rest = NULL;
        for (char *line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                _cleanup_free_ char *text =
                        xasprintf("the scratch file %s of an interrupted increment: removed", line);
                says(data, text);
        }
        return 0;
}

static bool checkpoint_has_point(const struct vm_job *job, const struct point_list *list,
                                 const char *checkpoint)
{
        for (size_t i = 0; i < list->count; i++) {
                _cleanup_free_ char *name =
                        list->items[i].metadata ? names_tag(repository_short_uuid(job->repository),
                                                            list->items[i].metadata->job)
                                                : NULL;
                if (streq(name, checkpoint))
                        return true;
        }
        return false;
}

/* libvirt does not change checkpoints while the VM is shut off; they stay until its next backup. */
static int recover_checkpoints(struct vm_job *job, const char *short_uuid, bool dry_run,
                               void (*says)(void *data, const char *text), void *data,
                               struct error **err)
{
        _cleanup_strv_ char **checkpoints = NULL;
        _cleanup_point_list_ struct point_list list = { 0 };
        if (!job->running || !job->repository)
                return 0;
        if (job->host->ops->list_checkpoints(job->host, job->uuid, &checkpoints, err) < 0)
                return -1;
        if (!checkpoints[0])
                return 0;
        if (points_scan_vm(job->repository, job->home, job->vm->name, &list, err) < 0)
                return -1;
        for (size_t i = 0; checkpoints[i]; i++) {
                if (!names_is_our_checkpoint(checkpoints[i], short_uuid) ||
                    checkpoint_has_point(job, &list, checkpoints[i]))
                        continue;
                if (!dry_run && job->host->ops->checkpoint_delete(job->host, job->uuid,
                                                                  checkpoints[i], err) < 0)
                        return -1;
                _cleanup_free_ char *text = xasprintf(
                        "the checkpoint %s of a job that made no point: deleted", checkpoints[i]);
                says(data, text);
        }
        return 0;
}

int recover_chain_traces(struct vm_job *job, const char *short_uuid, bool dry_run,
                         void (*says)(void *data, const char *text), void *data, struct error **err)
{
        if (recover_job(job, short_uuid, dry_run, says, data, err) < 0 ||
            recover_scratch(job, short_uuid, dry_run, says, data, err) < 0)
                return -1;
        return recover_checkpoints(job, short_uuid, dry_run, says, data, err);
}
