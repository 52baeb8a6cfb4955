/* What a job on a VM owns, and how it is freed. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/backup/backup-internal.h"

void backup_disk_done(struct backup_disk *disk)
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

void backup_done(struct backup *backup)
{
        for (size_t i = 0; i < backup->n_disks; i++)
                backup_disk_done(&backup->disks[i]);
        free(backup->disks);
        strv_free(backup->not_snapshotted);
        staging_free(backup->staging);
        repository_free(backup->repository);
        hypervisor_free(backup->host);
        domain_info_done(&backup->info);
        domain_xml_free(backup->live);
        free(backup->live_xml);
        free(backup->home);
        free(backup->staging_on_host);
        free(backup->tag);
        free(backup->uuid);
        strv_free(backup->traces_elsewhere);
        free(backup->point);
        free(backup->parent);
        free(backup->since);
        deadman_done(&backup->deadman);
        metadata_free(backup->metadata);
}

int64_t backup_end_time(const struct backup *backup)
{
        int64_t now = clock_realtime_s();
        int64_t lasted = (clock_monotonic_ms() - backup->begun_ms) / 1000;
        return now >= backup->request->started ? now : backup->request->started + lasted;
}

unsigned backup_thaw_deadline_seconds(const struct backup *backup)
{
        return backup->vm->thaw_deadline_seconds ? backup->vm->thaw_deadline_seconds
                                                 : backup->settings->limits.thaw_deadline_seconds;
}
