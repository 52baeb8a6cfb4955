/* Generates the Director's resources from inventory and settings, and compares a file with them.
 * Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strings.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"

struct bacula_config {
        bool split; /* one job for each VM; otherwise one job for the cycle */
        /* the command that the jobs call, words separated by blanks: "podman exec orch orch" */
        const char *command;
        /* the command that the script after a failed job calls; it has to work when `command` does
         * not */
        const char *alert_command;
        /* path of bconsole's configuration, as `command` sees it; NULL: orch does not check for a
         * cancel in bconsole */
        const char *console;
        const char *catalog; /* the name of the Director's Catalog resource */
};

/* The text of the file that bacula-dir.conf includes. The same input gives the same bytes. NULL
 * with ERROR_CONFIG for values that Bacula does not accept, and for two VMs whose jobs would have
 * the same name. The caller frees. */
char *bacula_config_make(const struct inventory *inventory, const struct settings *settings,
                         const struct bacula_config *config, struct error **err) _must_check_;

/* The name of a VM's job: "backup-vm-<vm>". If that is longer than Bacula's 127 bytes, its
 * beginning and a checksum of the whole name. The caller frees. */
char *bacula_job_name(const char *vm);

/* How `found` differs from `wanted`, one sentence for each resource; NULL-terminated; NULL if both
 * are the same bytes. The caller frees. */
char **bacula_config_compare(const char *wanted, const char *found);
