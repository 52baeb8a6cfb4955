/* The lease of an instant restore: it protects the point that a running machine reads, and it
 * forbids operations that would change that machine's disks. */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "repository/leases.h"
#include "repository/restores.h"
#include "worker/restore/restore-internal.h"
#include "worker/restore/restore.h"

/* Splits the journal's "<hypervisor>/<vm>/<point>" and returns the first two parts; the caller
 * frees both. */
static void split_point(const struct restore_journal *journal, char **ret_hypervisor, char **ret_vm)
{
        const char *first = strchr(journal->point, '/');
        const char *second = first ? strchr(first + 1, '/') : NULL;
        *ret_hypervisor =
                first ? xstrndup(journal->point, (size_t)(first - journal->point)) : xstrdup("");
        *ret_vm = second ? xstrndup(first + 1, (size_t)(second - first - 1)) : xstrdup("");
}

int restore_drop_lease(struct repository *repository, const struct restore_journal *journal,
                       struct error **err)
{
        _cleanup_free_ char *hypervisor = NULL;
        _cleanup_free_ char *vm = NULL;
        split_point(journal, &hypervisor, &vm);
        if (!journal->instant || !name_is_safe(hypervisor) || !name_is_safe(vm))
                return 0;
        return leases_drop(repository, hypervisor, vm, journal->job, err);
}

int restore_renew_lease(struct repository *repository, const struct restore_journal *journal,
                        struct error **err)
{
        _cleanup_free_ char *hypervisor = NULL;
        _cleanup_free_ char *vm = NULL;
        split_point(journal, &hypervisor, &vm);
        if (!name_is_safe(hypervisor) || !name_is_safe(vm))
                return error_set(err, ERROR_CORRUPT, "the journal names %s, which is no point",
                                 journal->point);
        return leases_renew(repository, hypervisor, vm, journal->job, err);
}

int restore_refuse_pulled(struct repository *repository, const char *uuid, const char *what,
                          struct error **err)
{
        _cleanup_restore_journals_ struct restore_journals list = { 0 };
        if (restores_scan(repository, NULL, &list, err) < 0)
                return -1;
        for (size_t i = 0; i < list.count; i++) {
                const struct restore_journal *journal = list.items[i];
                if (journal->instant && journal->phase != RESTORE_DONE &&
                    streq(journal->uuid, uuid))
                        return error_set(err, ERROR_BUSY,
                                         "%s runs from its restore point %s until the instant "
                                         "restore %s has pulled its disks off the "
                                         "share: %s (`orch status`; to take the pull up again: "
                                         "orch recover %s)",
                                         journal->name, journal->point, journal->job, what,
                                         journal->vm);
        }
        return 0;
}

int restore_refuse_backup(struct repository *repository, const char *uuid, struct error **err)
{
        return restore_refuse_pulled(repository, uuid, "no backup of it is made before", err);
}
