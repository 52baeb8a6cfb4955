/* Rolls a restore back, from its journal alone. Order: commands that still work on files → the new
 * definition → the new files → the replaced machine's files → its definition → its power state.
 * Each action first checks what exists. The journal is removed last, so that an interrupted
 * rollback is repeated.
 *
 * The replaced machine and the new one share one UUID. The journal's phase is stepped back as each
 * action is undone; otherwise a second rollback, after an interrupted one, could mistake the
 * restored original for the new machine and remove it. */
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "worker/restore/restore-internal.h"

static int stop_units(const struct restore_journal *journal, struct hypervisor *host,
                      struct error **err)
{
        static const char *const what[] = { "copy", "move" };
        for (size_t i = 0; i < ARRAY_LENGTH(what); i++) {
                _cleanup_free_ char *unit = xasprintf("%s-%s", journal->tag, what[i]);
                if (host->ops->stop_unit(host, unit, err) < 0)
                        return -1;
        }
        return 0;
}

/* The domain was started in between and runs on files that would be removed. */
static int refuse_active(const struct restore_journal *journal, struct hypervisor *host,
                         const char *uuid, struct error **err)
{
        _cleanup_domain_info_ struct domain_info info = { 0 };
        int found = host->ops->find_domain(host, uuid, NULL, &info, err);
        if (found <= 0 || domain_state_is_off(info.state))
                return found < 0 ? -1 : 0;
        return error_set(err, ERROR_REFUSED,
                         "%s runs on %s, though the restore %s was broken off before it was to "
                         "start: shut it off, then run: orch recover "
                         "%s",
                         info.name, host->name, journal->job, journal->vm);
}

/* Undefines the new domain. The replaced machine's domain on the same host has the same UUID;
 * defining it again is what restores it. */
static int take_definition_away(const struct restore_journal *journal, struct hypervisor *host,
                                struct error **err)
{
        _cleanup_domain_info_ struct domain_info info = { 0 };
        int found = host->ops->find_domain(host, journal->uuid, NULL, &info, err);
        if (found <= 0)
                return found;
        if (!domain_state_is_off(info.state) && host->ops->destroy(host, journal->uuid, err) < 0)
                return -1;
        return host->ops->undefine(host, journal->uuid, err);
}

static int define_original(struct repository *repository, const struct restore_journal *journal,
                           struct hypervisor *host, struct error **err)
{
        _cleanup_free_ char *xml = restores_read_original(repository, journal, err);
        if (!xml || host->ops->define(host, xml, NULL, err) < 0)
                return error_prefix(err, "the definition of the replaced %s", journal->vm);
        return journal->original_autostart
                       ? host->ops->set_autostart(host, journal->original_uuid, true, err)
                       : 0;
}

static int start_original(const struct restore_journal *journal, struct hypervisor *host,
                          struct error **err)
{
        enum domain_state state = DOMAIN_STATE_OTHER;
        if (hypervisor_domain_state(host, journal->original_uuid, journal->vm, &state, err) < 0)
                return -1;
        if (!domain_state_is_off(state) || !journal->original_ran)
                return 0;
        return host->ops->start(host, journal->original_uuid, false, err);
}

/* If no machine is replaced, none can be mistaken for another, and the share is not written until
 * the end. */
static int step_back(struct repository *repository, struct restore_journal *journal, bool replaces,
                     enum restore_phase phase, struct error **err)
{
        if (!replaces || journal->phase <= phase)
                return 0;
        journal->phase = phase;
        return restores_write(repository, journal, err);
}

/* Reverses from the new definition back to that of the replaced machine. */
static int put_all_back(struct repository *repository, struct restore_journal *journal,
                        struct hypervisor *host, struct hypervisor *original_host,
                        struct error **err)
{
        struct hypervisor *aside_host = original_host ? original_host : host;
        bool moved = journal->phase >= RESTORE_MOVING;
        bool defined = journal->phase >= RESTORE_DEFINING;
        if (defined &&
            (take_definition_away(journal, host, err) < 0 ||
             step_back(repository, journal, original_host != NULL, RESTORE_DEFINING, err) < 0))
                return -1;
        if (restore_remove_items(journal, host, err) < 0 ||
            (moved && restore_put_back(journal, aside_host, err) < 0))
                return -1;
        if (original_host && defined &&
            define_original(repository, journal, original_host, err) < 0)
                return -1;
        return step_back(repository, journal, original_host != NULL, RESTORE_STOPPING, err);
}

int restore_roll_back(struct repository *repository, struct restore_journal *journal,
                      struct hypervisor *host, struct hypervisor *original_host,
                      struct report *report, struct error **err)
{
        struct hypervisor *aside_host = original_host ? original_host : host;
        bool stopped = original_host && journal->phase >= RESTORE_STOPPING;
        bool may_run = journal->phase < RESTORE_MOVING || journal->phase == RESTORE_STARTING;
        if (!may_run && (refuse_active(journal, host, journal->uuid, err) < 0 ||
                         refuse_active(journal, aside_host, journal->uuid, err) < 0))
                return -1;
        if (stop_units(journal, host, err) < 0 ||
            (aside_host != host && stop_units(journal, aside_host, err) < 0) ||
            put_all_back(repository, journal, host, original_host, err) < 0)
                return -1;
        if (stopped && start_original(journal, original_host, err) < 0)
                return error_prefix(err, "the replaced %s was put back, but does not start",
                                    journal->vm);
        if (stopped)
                report_log(report, "%s on %s is as it was", journal->vm, original_host->name);
        return restore_drop_lease(repository, journal, err) < 0
                       ? -1
                       : restores_remove(repository, journal, err);
}
