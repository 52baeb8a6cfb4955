/* Which failures become messages, and when (daemon/notices/notices.h). A failure with a cause of
 * its own is sent at once. One that may share its cause with others is sent at once as an alert
 * about that cause; failures that follow within seconds are added to the alert, later ones are only
 * counted until the cause is over. Whether the share is the cause is checked first, by the catalog
 * thread. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/cycle/cycle.h"
#include "daemon/notices/notices-internal.h"
#include "daemon/state/state.h"

enum { GATHER_SECONDS = 3, GATHER_MAX_SECONDS = 10, LOG_LINES = 12 };

static void open_alert_free(struct notices *notices, size_t index)
{
        struct open_alert *alert = &notices->alerts[index];
        free(alert->cause);
        free(alert->key);
        failure_free(alert->first);
        memmove(alert, alert + 1, (notices->n_alerts - index - 1) * sizeof *alert);
        notices->n_alerts--;
}

void failure_watch_done(struct notices *notices)
{
        while (notices->n_alerts)
                open_alert_free(notices, 0);
        free(notices->alerts);
        while (notices->unjudged) {
                struct unjudged *unjudged = notices->unjudged;
                notices->unjudged = unjudged->next;
                failure_free(unjudged->failure);
                free(unjudged);
        }
}

static struct open_alert *find_alert(struct notices *notices, const char *cause, int64_t now)
{
        for (size_t i = notices->n_alerts; i > 0; i--)
                if (now > notices->alerts[i - 1].until)
                        open_alert_free(notices, i - 1);
        for (size_t i = 0; i < notices->n_alerts; i++)
                if (streq(notices->alerts[i].cause, cause))
                        return &notices->alerts[i];
        return NULL;
}

/* VMs whose hypervisor is unreachable. */
static char **other_vms(const struct notices *notices, const char *cause, char *const *failed)
{
        const struct inventory *inventory = inventory_keeper_get(notices->daemon->inventory);
        const char *host = strchr(cause, '/');
        char **names = NULL;
        for (size_t i = 0; host && inventory && i < inventory->n_vms; i++) {
                const struct inventory_vm *vm = &inventory->vms[i];
                if (streq(vm->hypervisor, host + 1) && !strv_contains(failed, vm->name) &&
                    vm->schedule != VM_SCHEDULE_MANUAL)
                        strv_add(&names, vm->name);
        }
        return names;
}

static struct notice *make_alert(const struct notices *notices, const struct open_alert *alert,
                                 const struct incident *incident)
{
        _cleanup_strv_ char **others = other_vms(notices, alert->cause, incident->vms);
        return cause_notice(alert->cause, alert->first, incident->vms, others, incident->reason,
                            incident->since);
}

static void begin_alert(struct notices *notices, const char *cause, struct failure *failure,
                        int64_t now)
{
        char *vms[] = { failure->vm, NULL };
        const struct incident incident = { .reason = failure->error, .vms = vms, .since = now };
        notices->alerts =
                xrealloc_array(notices->alerts, notices->n_alerts + 1, sizeof *notices->alerts);
        struct open_alert *alert = &notices->alerts[notices->n_alerts++];
        *alert = (struct open_alert){ .cause = xstrdup(cause),
                                      .key = xasprintf("%s@%lld", cause, (long long)now),
                                      .first = failure,
                                      .until = now + GATHER_MAX_SECONDS };
        notices_queue_add(notices, make_alert(notices, alert, &incident), alert->key,
                          GATHER_SECONDS);
        (void)incidents_begin(notices->incidents, cause, failure->error, now);
        if (failure->vm)
                incidents_add_vm(notices->incidents, cause, failure->vm);
}

static void add_to_alert(struct notices *notices, const char *cause, const struct failure *failure,
                         int64_t now)
{
        if (failure->vm)
                incidents_add_vm(notices->incidents, cause, failure->vm);
        struct open_alert *alert = find_alert(notices, cause, now);
        if (!alert)
                return;
        int64_t left = alert->until - now;
        _cleanup_notice_ struct notice *notice =
                make_alert(notices, alert, incidents_find(notices->incidents, cause, now));
        (void)outbox_change(notices->outbox, alert->key, notice,
                            (unsigned)(left < GATHER_SECONDS ? left : GATHER_SECONDS));
}

/* Takes ownership of the failure. */
static void report_failure(struct notices *notices, struct failure *given)
{
        _cleanup_failure_ struct failure *failure = given;
        int64_t now = clock_realtime_s();
        _cleanup_share_view_ struct share_view view = share_look(notices->daemon->share);
        _cleanup_free_ char *cause = failure_cause(failure, view.state == SHARE_UNAVAILABLE);
        if (!cause)
                notices_queue_add(notices, failure_notice(failure), NULL, 0);
        else if (incidents_find(notices->incidents, cause, now))
                add_to_alert(notices, cause, failure, now);
        else
                begin_alert(notices, cause, TAKE_PTR(failure), now);
}

static void on_share_seen(void *data, const struct error *error, const char *unused)
{
        (void)error;
        (void)unused;
        struct unjudged *unjudged = data;
        struct notices *notices = unjudged->notices;
        struct unjudged **link = &notices->unjudged;
        while (*link != unjudged)
                link = &(*link)->next;
        *link = unjudged->next;
        report_failure(notices, unjudged->failure);
        free(unjudged);
}

static void judge_failure(struct notices *notices, struct failure *failure)
{
        if (notices->stopping || notices->daemon->phase != DAEMON_RUNNING) {
                report_failure(notices, failure);
                return;
        }
        struct unjudged *unjudged = xcalloc(1, sizeof *unjudged);
        *unjudged = (struct unjudged){ .notices = notices,
                                       .failure = failure,
                                       .next = notices->unjudged };
        notices->unjudged = unjudged;
        share_check(notices->daemon->share, on_share_seen, unjudged);
}

static char **tags_of(const struct notices *notices, const char *vm)
{
        const struct inventory *inventory = inventory_keeper_get(notices->daemon->inventory);
        const struct inventory_vm *listed =
                inventory && vm ? inventory_find_vm(inventory, vm) : NULL;
        return listed ? strv_copy(listed->tags) : NULL;
}

static struct failure *failure_of(const struct notices *notices, const struct job *job)
{
        const struct daemon *daemon = notices->daemon;
        struct failure *failure = xcalloc(1, sizeof *failure);
        *failure = (struct failure){
                .action = job->action,
                .job = xstrdup(job->id),
                .vm = xstrdup(job->vm),
                .hypervisor = xstrdup(job->hypervisor),
                .step = xstrdup(job->failed_step ? job->failed_step : job->step),
                .check = xstrdup(job->failed_check),
                .kind = job->error_kind,
                .error = xstrdup(job->error),
                .when = job->ended,
                .duration_seconds =
                        job->started && job->ended > job->started ? job->ended - job->started : 0,
                .tried_again = daemon->cycle && cycle_tries_again(daemon->cycle, job),
                .second_try = job->class == JOB_CLASS_RETRY,
                .tags = tags_of(notices, job->vm),
                .log = jobs_log_tail(daemon->jobs, job, LOG_LINES),
        };
        return failure;
}

/* Failures of jobs that an operator follows at a terminal are not sent. */
static bool is_worth_an_alert(struct notices *notices, const struct job *job)
{
        if (job->dry_run || !job->vm)
                return false;
        if (job->action == JOB_RECOVER) {
                /* It is tried again and again; one message is enough. */
                if (strv_contains(notices->recoveries_reported, job->vm))
                        return false;
                strv_add(&notices->recoveries_reported, job->vm);
                return true;
        }
        return job->action == JOB_BACKUP || job->action == JOB_VERIFY ||
               job->action == JOB_TEST_RESTORE;
}

static void forget_recovery(struct notices *notices, const char *vm)
{
        char **others = NULL;
        for (size_t i = 0; notices->recoveries_reported && notices->recoveries_reported[i]; i++)
                if (!streq(notices->recoveries_reported[i], vm))
                        strv_add(&others, notices->recoveries_reported[i]);
        strv_free(notices->recoveries_reported);
        notices->recoveries_reported = others;
}

/* True when the VM was among those that failed by this cause. */
static bool end_cause(struct notices *notices, const char *cause, const char *vm, int64_t now)
{
        const struct incident *incident = incidents_find(notices->incidents, cause, now);
        if (!incident)
                return false;
        bool among = strv_contains(incident->vms, vm);
        notices_queue_add(notices, cause_over_notice(cause, incident->vms, incident->since, now),
                          NULL, 0);
        incidents_end(notices->incidents, cause);
        return among;
}

/* A successful backup shows that its hypervisor and the share are reachable. */
static void note_success(struct notices *notices, const struct job *job)
{
        int64_t now = clock_realtime_s();
        bool ended = false;
        forget_recovery(notices, job->vm);
        if (job->action != JOB_BACKUP)
                return;
        if (job->hypervisor) {
                _cleanup_free_ char *way = xasprintf("hypervisor/%s", job->hypervisor);
                _cleanup_free_ char *mount = xasprintf("share-on/%s", job->hypervisor);
                ended |= end_cause(notices, way, job->vm, now);
                ended |= end_cause(notices, mount, job->vm, now);
        }
        ended |= end_cause(notices, "share-full", job->vm, now);
        if (job->class != JOB_CLASS_RETRY || ended)
                return;
        _cleanup_strv_ char **tags = tags_of(notices, job->vm);
        notices_queue_add(notices, second_try_notice(job->vm, job->hypervisor, job->id, tags, now),
                          NULL, 0);
}

void failure_watch_job_warned(struct notices *notices, const struct job *job, const char *text)
{
        if (!job_is_backup(job))
                return;
        _cleanup_strv_ char **tags = tags_of(notices, job->vm);
        notices_queue_add(
                notices,
                warning_notice(job->vm, job->hypervisor, job->id, text, tags, clock_realtime_s()),
                NULL, 0);
}

void failure_watch_job_ended(struct notices *notices, const struct job *job)
{
        if (job->outcome == JOB_OUTCOME_OK && job->vm && !job->dry_run)
                note_success(notices, job);
        else if (job->outcome == JOB_OUTCOME_FAILED && is_worth_an_alert(notices, job))
                judge_failure(notices, failure_of(notices, job));
}

void failure_watch_job_interrupted(struct notices *notices, const struct job *job)
{
        _cleanup_strv_ char **tags = tags_of(notices, job->vm);
        const struct failure failure = {
                .action = job->action,
                .job = (char *)job->id,
                .vm = job->vm,
                .hypervisor = job->hypervisor,
                .kind = job->error_kind,
                .error = job->error,
                .when = job->ended,
                .tags = tags,
        };
        notices_queue_add(notices, failure_notice(&failure), NULL, 0);
}
