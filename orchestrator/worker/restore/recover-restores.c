/* Recovers the leftovers of interrupted restores (worker/restore/restore.h). Each journal on the
 * share is handled under its lock, so that a running restore is never touched and two recoveries do
 * not interfere. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "worker/job/connect.h"
#include "worker/restore/restore-internal.h"
#include "worker/restore/restore.h"

enum { SEARCH_CONNECT_MS = 8000 };

struct recovery_of_restores {
        struct repository *repository;
        const struct settings *settings;
        const struct inventory *inventory;
        struct report *report;
        bool dry_run;
        bool for_backup;
        size_t repaired;
};

static struct hypervisor *connect_to(const struct recovery_of_restores *recovery, const char *name,
                                     struct error **err)
{
        struct inventory_hypervisor fallback;
        return worker_connect(recovery->settings,
                              worker_host_entry(recovery->inventory, name, &fallback), 0, err);
}

static void report_restore(struct recovery_of_restores *recovery, char *text)
{
        if (recovery->dry_run)
                report_log(recovery->report, "would be put right: %s", text);
        else
                report_warning(recovery->report, "%s", text);
        recovery->repaired++;
        free(text);
}

static int remove_asides(struct recovery_of_restores *recovery,
                         const struct restore_journal *journal, const char *host_name,
                         struct error **err)
{
        _cleanup_(hypervisor_freep) struct hypervisor *host = connect_to(recovery, host_name, err);
        return !host || restore_remove_asides(journal, host, err) < 0
                       ? -1
                       : restores_remove(recovery->repository, journal, err);
}

/* Expired files that were set aside never block anything, even if their host does not return. */
static int remove_expired(struct recovery_of_restores *recovery,
                          const struct restore_journal *journal)
{
        const char *name =
                journal->original_hypervisor ? journal->original_hypervisor : journal->hypervisor;
        _cleanup_error_ struct error *error = NULL;
        if (journal->keep_until > clock_realtime_s())
                return 0;
        if (!recovery->dry_run && remove_asides(recovery, journal, name, &error) < 0)
                report_warning(recovery->report,
                               "what the restore %s of %s replaced on %s is kept no longer and "
                               "cannot be removed: %s. It is tried "
                               "again; if that host is gone for good, or they are to stay, remove "
                               "metadata/restores/%s.json from "
                               "the share",
                               journal->job, journal->vm, name, error->message, journal->job);
        else
                report_log(recovery->report,
                           "what the restore %s of %s replaced on %s was kept for %d days and is "
                           "removed",
                           journal->job, journal->vm, name, RESTORE_KEEP_DAYS);
        return 0;
}

/* A machine that was seen running had all its files in place. */
static int is_complete(const struct restore_journal *journal, struct hypervisor *host,
                       struct error **err)
{
        if (journal->phase != RESTORE_STARTING)
                return 0;
        _cleanup_domain_info_ struct domain_info info = { 0 };
        int found = host->ops->find_domain(host, journal->uuid, NULL, &info, err);
        return found <= 0 ? found : info.state == DOMAIN_STATE_RUNNING;
}

static int close_complete(struct recovery_of_restores *recovery, struct restore_journal *journal,
                          struct error **err)
{
        report_restore(
                recovery,
                xasprintf("the restore %s of %s was interrupted when all was done: %s runs on %s",
                          journal->job, journal->vm, journal->name, journal->hypervisor));
        if (recovery->dry_run)
                return 0;
        if (journal->n_asides == 0 && !journal->original_file && !journal->instant)
                return restores_remove(recovery->repository, journal, err);
        journal->phase = journal->instant ? RESTORE_PULLING : RESTORE_DONE;
        journal->keep_until = clock_realtime_s() + (int64_t)RESTORE_KEEP_DAYS * 24 * 3600;
        return restores_write(recovery->repository, journal, err);
}

/* 1: it runs there, 0: it does not, -1 with an error: it may. */
static int runs_on(const struct recovery_of_restores *recovery,
                   const struct inventory_hypervisor *entry, const char *uuid, bool *ret_is_there,
                   struct error **err)
{
        _cleanup_domain_info_ struct domain_info info = { 0 };
        _cleanup_(hypervisor_freep) struct hypervisor *host =
                worker_connect(recovery->settings, entry, SEARCH_CONNECT_MS, err);
        int found = host ? host->ops->find_domain(host, uuid, NULL, &info, err) : -1;
        *ret_is_there = found > 0;
        return found <= 0 ? found : !domain_state_is_off(info.state);
}

/* Finds a machine that was migrated and is backed by the share on another host: *ret, else NULL. A
 * machine counts as gone only if every host was asked and none has it, because its lease is then
 * removed. */
static int find_moved(const struct recovery_of_restores *recovery,
                      const struct restore_journal *journal, bool is_gone,
                      const struct inventory_hypervisor **ret, struct error **err)
{
        _cleanup_error_ struct error *first = NULL;
        for (size_t i = 0; i < recovery->inventory->n_hypervisors; i++) {
                const struct inventory_hypervisor *entry = &recovery->inventory->hypervisors[i];
                struct error *error = NULL;
                bool is_there = false;
                if (streq(entry->name, journal->hypervisor))
                        continue;
                int runs = runs_on(recovery, entry, journal->uuid, &is_there, &error);
                if (runs > 0 || (is_gone && is_there)) {
                        *ret = entry;
                        return 0;
                }
                if (error && first)
                        error_free(error);
                else if (error)
                        first = error;
        }
        if (!first || !is_gone)
                return 0;
        error_propagate(err, TAKE_PTR(first));
        return error_prefix(
                err, "%s, which stands on the point %s, is not on %s any more and may be elsewhere",
                journal->name, journal->point, journal->hypervisor);
}

/* The host that the machine is on now. The journal still names the host on which the machine was
 * made, because its definition has the paths of that host, including that of the share. The caller
 * frees. */
static struct hypervisor *find_pulled(const struct recovery_of_restores *recovery,
                                      const struct restore_journal *journal,
                                      const struct inventory_hypervisor *entry, struct error **err)
{
        _cleanup_domain_info_ struct domain_info info = { 0 };
        const struct inventory_hypervisor *moved = NULL;
        _cleanup_(hypervisor_freep) struct hypervisor *host =
                worker_connect(recovery->settings, entry, 0, err);
        int found = host ? host->ops->find_domain(host, journal->uuid, NULL, &info, err) : -1;
        if (found < 0)
                return NULL;
        if (found > 0 && !domain_state_is_off(info.state))
                return TAKE_PTR(host);
        if (find_moved(recovery, journal, found == 0, &moved, err) < 0)
                return NULL;
        if (!moved)
                return TAKE_PTR(host);
        report_log(
                recovery->report,
                "%s of the instant restore %s was moved from %s to %s: its disks are pulled there",
                journal->name, journal->job, journal->hypervisor, moved->name);
        return worker_connect(recovery->settings, moved, 0, err);
}

/* The lease is renewed first: a machine whose host is away for longer than a lease lasts still
 * needs the point. */
static int resume_restore(struct recovery_of_restores *recovery, struct restore_journal *journal,
                          struct error **err)
{
        struct inventory_hypervisor fallback;
        const struct inventory_hypervisor *entry =
                worker_host_entry(recovery->inventory, journal->hypervisor, &fallback);
        /* A lost lease is reported once the machine has been found. */
        if (!recovery->dry_run)
                (void)!restore_renew_lease(recovery->repository, journal, NULL);
        _cleanup_(hypervisor_freep) struct hypervisor *host =
                find_pulled(recovery, journal, entry, err);
        if (!host)
                return -1;
        const struct pull_place place = {
                .repository = recovery->repository,
                .host = host,
                .share = worker_host_repository(recovery->settings, entry),
                .bandwidth_mib_s = recovery->settings->limits.bandwidth_mib_s,
                .dry_run = recovery->dry_run,
        };
        return restore_resume_pull(&place, journal, recovery->report, err);
}

static int undo_interrupted(struct recovery_of_restores *recovery, struct restore_journal *journal,
                            struct error **err)
{
        _cleanup_(hypervisor_freep) struct hypervisor *host =
                connect_to(recovery, journal->hypervisor, err);
        if (!host)
                return -1;
        bool elsewhere = journal->original_hypervisor &&
                         !streq(journal->original_hypervisor, journal->hypervisor);
        _cleanup_(hypervisor_freep) struct hypervisor *other =
                elsewhere ? connect_to(recovery, journal->original_hypervisor, err) : NULL;
        if (elsewhere && !other)
                return -1;
        int complete = is_complete(journal, host, err);
        if (complete < 0)
                return -1;
        if (complete && close_complete(recovery, journal, err) < 0)
                return -1;
        if (complete)
                return journal->instant && !recovery->dry_run
                               ? resume_restore(recovery, journal, err)
                               : 0;
        struct hypervisor *original = !journal->original_hypervisor ? NULL
                                      : elsewhere                   ? other
                                                                    : host;
        if (!recovery->dry_run && restore_roll_back(recovery->repository, journal, host, original,
                                                    recovery->report, err) < 0)
                return -1;
        report_restore(recovery,
                       xasprintf("the restore %s of %s to %s was interrupted: undone%s",
                                 journal->job, journal->vm, journal->hypervisor,
                                 original ? ", and what it was to replace is as it was" : ""));
        return 0;
}

/* The restore may have ended or progressed between listing the journals and taking the lock, so the
 * journal is read again under the lock. */
static int recover_locked(struct recovery_of_restores *recovery,
                          const struct restore_journal *listed, struct error **err)
{
        _cleanup_restore_journals_ struct restore_journals now = { 0 };
        if (restores_scan(recovery->repository, listed->vm, &now, err) < 0)
                return -1;
        for (size_t i = 0; i < now.count; i++)
                if (streq(now.items[i]->job, listed->job))
                        return now.items[i]->phase == RESTORE_DONE
                                       ? remove_expired(recovery, now.items[i])
                               : now.items[i]->phase == RESTORE_PULLING
                                       ? resume_restore(recovery, now.items[i], err)
                                       : undo_interrupted(recovery, now.items[i], err);
        /* taking the lock recreated its file */
        return recovery->dry_run ? 0 : restores_remove(recovery->repository, listed, err);
}

static int recover_one(struct recovery_of_restores *recovery, const struct restore_journal *journal,
                       struct error **err)
{
        _cleanup_close_ int fd = -1;
        int locked = restores_lock(recovery->repository, journal->job, &fd, err);
        if (locked <= 0)
                return locked;
        if (recover_locked(recovery, journal, err) < 0)
                return error_prefix(err, "restore %s of %s", journal->job, journal->vm);
        return 0;
}

/* A backup has to wait for a restore that has taken the machine apart. A restore that made another
 * machine, or that has ended, does not block it. */
static bool must_succeed(const struct recovery_of_restores *recovery,
                         const struct restore_journal *journal)
{
        return !recovery->for_backup ||
               (journal->original_file && journal->phase < RESTORE_PULLING);
}

/* A restore that was killed while it wrote its journal leaves temporary files that block
 * nothing. */
static void sweep_journals(struct recovery_of_restores *recovery)
{
        _cleanup_error_ struct error *error = NULL;
        if (restores_sweep(recovery->repository, clock_realtime_s(), &error) < 0)
                report_log(recovery->report, "%s", error->message);
}

static int recover_all(struct recovery_of_restores *recovery, const char *vm, struct error **err)
{
        _cleanup_restore_journals_ struct restore_journals list = { 0 };
        _cleanup_error_ struct error *first = NULL;
        if (restores_scan(recovery->repository, vm, &list, err) < 0)
                return -1;
        for (size_t i = 0; list.unreadable && list.unreadable[i]; i++)
                report_warning(recovery->report, "%s", list.unreadable[i]);
        for (size_t i = 0; i < list.count; i++) {
                _cleanup_error_ struct error *error = NULL;
                if (recover_one(recovery, list.items[i], &error) == 0)
                        continue;
                if (first || !must_succeed(recovery, list.items[i]))
                        report_warning(recovery->report, "%s", error->message);
                else
                        first = TAKE_PTR(error);
        }
        if (!recovery->dry_run)
                sweep_journals(recovery);
        return first ? error_propagate(err, TAKE_PTR(first)) : 0;
}

int restore_recover(const struct vm_job *job, size_t *ret_repaired, struct error **err)
{
        struct recovery_of_restores recovery = { .repository = job->repository,
                                                 .settings = job->settings,
                                                 .inventory = job->inventory,
                                                 .report = job->report,
                                                 .dry_run = job->request->dry_run };
        int r = recover_all(&recovery, job->request->vm, err);
        *ret_repaired = recovery.repaired;
        return r;
}

int restore_recover_for_backup(const struct vm_job *job, struct error **err)
{
        struct recovery_of_restores recovery = { .repository = job->repository,
                                                 .settings = job->settings,
                                                 .inventory = job->inventory,
                                                 .report = job->report,
                                                 .for_backup = true };
        return recover_all(&recovery, job->vm->name, err);
}
