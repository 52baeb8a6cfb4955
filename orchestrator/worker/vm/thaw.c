/* Thawing, by whoever does it: the capture, its undoing, a recovery.
 *
 * A guest takes its freeze along: into the image that it is saved in, and to the hypervisor that it
 * is moved to. So a thaw looks where the guest is now, and one that waits in a saved image is not
 * done with. */
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/backup/backup-internal.h"

enum { THAW_PATIENCE_MS = 20 * 1000, THAW_PAUSE_US = 300 * 1000 };

enum guest_place { GUEST_HERE, GUEST_SAVED, GUEST_MOVED, GUEST_OFF };

/* With GUEST_MOVED, *ret_moved is a connection to where it runs; the caller frees it. */
static int find_guest(struct backup *backup, enum guest_place *ret, struct hypervisor **ret_moved,
                      struct error **err)
{
        _cleanup_domain_info_ struct domain_info info = { 0 };
        int found = backup->host->ops->find_domain(backup->host, backup->uuid, NULL, &info, err);
        if (found < 0)
                return -1;
        if (found && !domain_state_is_off(info.state))
                *ret = GUEST_HERE;
        else if (found && info.has_managed_save)
                *ret = GUEST_SAVED;
        else
                *ret = (*ret_moved = backup_find_moved(backup)) ? GUEST_MOVED : GUEST_OFF;
        return 0;
}

int backup_refuse_saved(const struct backup *backup, struct error **err)
{
        return error_set(err, ERROR_BUSY,
                         "%s was saved (managed save) while it may have been frozen: it is thawed "
                         "as soon as it is found started again "
                         "(on %s: virsh start %s; then at once: orch recover %s)",
                         backup->vm->name, backup->host->name, backup->vm->domain,
                         backup->vm->name);
}

/* A thaw that is answered with an error counts for nothing: the status does. */
static bool is_thawed(const struct backup *backup, struct hypervisor *host,
                      struct error **ret_error)
{
        enum fsfreeze_status status = FSFREEZE_FROZEN;
        _cleanup_error_ struct error *error = NULL;
        int filesystems = 0;
        int r = host->ops->fsthaw(host, backup->uuid, &filesystems, &error);
        if (host->ops->fsfreeze_status(host, backup->uuid, &status, ret_error) < 0)
                return false;
        if (status == FSFREEZE_THAWED)
                return true;
        if (r < 0)
                error_propagate(ret_error, TAKE_PTR(error));
        else
                error_set(ret_error, ERROR_TIMEOUT, "the guest still says frozen");
        return false;
}

int backup_thaw(struct backup *backup, struct error **err)
{
        struct deadline deadline = deadline_in_ms(THAW_PATIENCE_MS);
        _cleanup_(hypervisor_freep) struct hypervisor *moved = NULL;
        for (;;) {
                struct hypervisor *host = moved ? moved : backup->host;
                enum guest_place place = GUEST_HERE;
                _cleanup_error_ struct error *error = NULL;
                if (is_thawed(backup, host, &error))
                        return 0;
                bool lost = error->kind == ERROR_UNREACHABLE;
                if (!moved && !lost && find_guest(backup, &place, &moved, NULL) == 0 &&
                    place == GUEST_SAVED)
                        return backup_refuse_saved(backup, err);
                if (place == GUEST_OFF)
                        return 0;
                if (place == GUEST_MOVED) {
                        report_warning(backup->report,
                                       "%s was moved from %s to %s while it was frozen: it is "
                                       "thawed there",
                                       backup->vm->name, backup->host->name, moved->name);
                        continue;
                }
                if (deadline_passed(deadline) || lost) {
                        error_propagate(err, TAKE_PTR(error));
                        return error_prefix(err,
                                            "%s could not be thawed (the dead-man timer on %s goes "
                                            "on trying; by hand: virsh domfsthaw %s)",
                                            backup->vm->name, host->name, backup->vm->domain);
                }
                usleep(THAW_PAUSE_US);
        }
}

int backup_undo_freeze(void *data, struct error **err)
{
        struct backup *backup = data;
        bool fired = false;
        enum guest_place place = GUEST_HERE;
        _cleanup_(hypervisor_freep) struct hypervisor *moved = NULL;
        if (backup_ensure_connection(backup, err) < 0 ||
            find_guest(backup, &place, &moved, err) < 0)
                return -1;
        if (place == GUEST_SAVED)
                return backup_refuse_saved(backup, err);
        if (place != GUEST_OFF && backup_thaw(backup, err) < 0)
                return -1;
        return deadman_disarm(&backup->deadman, backup->host, &fired, err);
}
