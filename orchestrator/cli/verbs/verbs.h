/* The verbs. Each has a file verb-<name>.c that defines manual_<name> and verb_<name>(); `struct
 * verb` in cli.h describes both. */
#pragma once

#include "cli/cli.h"

#define DECLARE_VERB(name)                             \
        extern const struct verb_manual manual_##name; \
        int verb_##name(const struct cli *cli, struct error **err)

DECLARE_VERB(run);
DECLARE_VERB(backup_vm);
DECLARE_VERB(status);
DECLARE_VERB(log);
DECLARE_VERB(list);
DECLARE_VERB(show);
DECLARE_VERB(check);
DECLARE_VERB(verify);
DECLARE_VERB(prune);
DECLARE_VERB(discover);
DECLARE_VERB(hold);
DECLARE_VERB(release);
DECLARE_VERB(pause);
DECLARE_VERB(resume);
DECLARE_VERB(test_restore);
DECLARE_VERB(schedule);
DECLARE_VERB(cancel);
DECLARE_VERB(recover);
DECLARE_VERB(restore);
DECLARE_VERB(hypervisor_list);
DECLARE_VERB(hypervisor_check);
DECLARE_VERB(hypervisor_enroll);
DECLARE_VERB(notify_test);
DECLARE_VERB(notify_failure);
DECLARE_VERB(config_check);
DECLARE_VERB(repository_init);
DECLARE_VERB(repository_check);
DECLARE_VERB(repository_unlock);
DECLARE_VERB(catalog_rebuild);
DECLARE_VERB(catalog_backup);
DECLARE_VERB(files_ls);
DECLARE_VERB(files_get);
DECLARE_VERB(bacula_config);
DECLARE_VERB(version);
DECLARE_VERB(daemon);
DECLARE_VERB(worker);

#undef DECLARE_VERB
