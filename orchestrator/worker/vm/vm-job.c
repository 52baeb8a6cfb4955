/* Implements worker/vm/vm-job.h: what a job on a VM owns, and how it is freed. */
#include "worker/vm/vm-job.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

void vm_disk_done(struct vm_disk *disk)
{
        free(disk->target);
        free(disk->bus);
        free(disk->base);
        free(disk->format);
        strv_free(disk->chain);
        free(disk->overlay);
        free(disk->file);
        free(disk->scratch);
        free(disk->parent_file);
}

void vm_job_done(struct vm_job *job)
{
        for (size_t i = 0; i < job->n_disks; i++)
                vm_disk_done(&job->disks[i]);
        free(job->disks);
        repository_free(job->repository);
        hypervisor_free(job->host);
        domain_info_done(&job->info);
        domain_xml_free(job->live);
        free(job->live_xml);
        free(job->home);
        free(job->tag);
        free(job->uuid);
        strv_free(job->traces_elsewhere);
        free(job->point);
        deadman_done(&job->deadman);
        metadata_free(job->metadata);
}

int64_t vm_job_end_time(const struct vm_job *job)
{
        int64_t now = clock_realtime_s();
        int64_t lasted = (clock_monotonic_ms() - job->begun_ms) / 1000;
        return now >= job->request->started ? now : job->request->started + lasted;
}

unsigned vm_job_thaw_deadline_seconds(const struct vm_job *job)
{
        return job->vm->thaw_deadline_seconds ? job->vm->thaw_deadline_seconds
                                              : job->settings->limits.thaw_deadline_seconds;
}
