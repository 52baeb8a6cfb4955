/* What one restore owns, and queries on it that need nothing outside it. */
#include <stdlib.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/job/cancel.h"
#include "worker/restore/restore-internal.h"

static void firmware_done(struct restore_firmware *firmware)
{
        free(firmware->saved);
        free(firmware->temporary);
        free(firmware->path);
}

void restore_done(struct restore *restore)
{
        bool read = restore_stop_reading(restore);
        for (size_t i = 0; i < restore->n_disks; i++) {
                struct restore_disk *disk = &restore->disks[i];
                free(disk->image);
                free(disk->format);
                free(disk->temporary);
                free(disk->path);
                free(disk->replaced);
                strv_free(disk->layers);
        }
        free(restore->disks);
        firmware_done(&restore->nvram);
        firmware_done(&restore->tpm);
        if (restore->job.host != restore->original_host)
                hypervisor_free(restore->job.host);
        hypervisor_free(restore->original_host);
        domain_info_done(&restore->original_info);
        domain_xml_free(restore->original_xml);
        domain_xml_free(restore->xml);
        /* The lease of an instant restore ends with its journal. */
        if (restore->options.instant && restore->journal)
                lease_free(restore->lease);
        else
                lease_release(restore->lease);
        restore_journal_free(restore->journal);
        closep(&restore->journal_fd);
        if (read) {
                repository_free(restore->job.repository);
                point_list_done(&restore->points);
        }
        restore_options_done(&restore->options);
        strv_free(restore->chain);
        strv_free(restore->eject);
        strv_free(restore->models);
        strv_free(restore->keep);
        free(restore->original_xml_text);
        free(restore->unknown_because);
        free(restore->xml_text);
        free(restore->definition);
        free(restore->folder);
        free(restore->name);
        free(restore->job.uuid);
        free(restore->job.tag);
}

bool restore_drops_cards(const struct restore *restore)
{
        enum rewrite_network network = REWRITE_NETWORK_KEEP;
        _cleanup_free_ struct rewrite_network_map *map = NULL;
        _cleanup_strv_ char **texts = NULL;
        size_t count = 0;
        restore_options_network(&restore->options, &network, &map, &count, &texts);
        return network == REWRITE_NETWORK_NONE;
}

const struct restore_disk *restore_find_disk(const struct restore *restore, const char *target)
{
        for (size_t i = 0; i < restore->n_disks; i++)
                if (streq(restore->disks[i].saved->target, target))
                        return &restore->disks[i];
        return NULL;
}

int restore_enter_phase(struct restore *restore, enum restore_phase phase, struct error **err)
{
        if (worker_check_cancelled(err) < 0)
                return -1;
        restore->journal->phase = phase;
        return restores_write(restore->job.repository, restore->journal, err);
}
