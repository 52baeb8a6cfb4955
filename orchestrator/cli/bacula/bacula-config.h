/* Bacula's view of orch: the Director's resources made from inventory and settings, and whether a
 * file still holds them. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strings.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"

struct bacula_config {
        bool split; /* a job a VM; else one job for the cycle */
        /* what the jobs call, words separated by blanks: "podman exec orch orch" */
        const char *command;
        /* what the script behind a failed job calls, which has to work when `command` does not */
        const char *alert_command;
        /* bconsole's configuration as the called orch sees it; NULL: a cancel in bconsole is not
         * looked for */
        const char *console;
        const char *catalog; /* the name of the Director's Catalog resource */
};

/* The text of the file to be included by bacula-dir.conf, the same bytes for the same input. NULL
 * with ERROR_CONFIG for what Bacula could not take, or two VMs whose jobs would have one name. The
 * caller frees. */
char *bacula_config_make(const struct inventory *inventory, const struct settings *settings,
                         const struct bacula_config *config, struct error **err) _must_check_;

/* The name of a VM's job: "backup-vm-<vm>"; where that is longer than Bacula's 127 bytes, its
 * beginning and a checksum of the whole. The caller frees. */
char *bacula_job_name(const char *vm);

/* What `found` has else than `wanted`, a sentence for each resource; NULL-terminated, NULL when
 * they are the same bytes. The caller frees. */
char **bacula_config_compare(const char *wanted, const char *found);
