/* Implements notify/failure.h. */
#include "notify/failure.h"

#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "schema/records/steps.h"

enum { ERROR_SHOWN_BYTES = 1500, NAMES_SHOWN = 60 };

struct failure *failure_free(struct failure *failure)
{
        if (!failure)
                return NULL;
        free(failure->job);
        free(failure->vm);
        free(failure->hypervisor);
        free(failure->step);
        free(failure->check);
        free(failure->error);
        strv_free(failure->tags);
        free(failure->log);
        free(failure);
        return NULL;
}

char *failure_cause(const struct failure *failure, bool share_is_down)
{
        const char *hypervisor = failure->hypervisor;
        enum step_name step = step_name_parse(failure->step);
        enum check_cause cause = check_cause(check_name_parse(failure->check));
        bool no_way = failure->kind == ERROR_UNREACHABLE || failure->kind == ERROR_AUTH ||
                      failure->kind == ERROR_TIMEOUT;
        if (cause == CHECK_CAUSE_SHARE || step_cause_is_share(step))
                return xstrdup("share");
        if (no_way && hypervisor && step_is_before_connection(step))
                return xasprintf("hypervisor/%s", hypervisor);
        if (share_is_down)
                return xstrdup("share");
        if (cause == CHECK_CAUSE_SHARE_FULL)
                return xstrdup("share-full");
        if (cause == CHECK_CAUSE_SHARE_ON_HOST && hypervisor)
                return xasprintf("share-on/%s", hypervisor);
        return NULL;
}

static const char *action_text(enum job_action action)
{
        switch (action) {
        case JOB_BACKUP:
                return "Backup";
        case JOB_RECOVER:
                return "Recovery";
        case JOB_VERIFY:
                return "Verification";
        case JOB_RESTORE:
                return "Restore";
        case JOB_TEST_RESTORE:
                return "Test restore";
        default:
                return "Job";
        }
}

/* The verb that repeats the failed action. */
static const char *verb_of(enum job_action action)
{
        switch (action) {
        case JOB_VERIFY:
                return "verify";
        case JOB_TEST_RESTORE:
                return "test-restore";
        case JOB_RECOVER:
                return "recover";
        default:
                return "backup vm";
        }
}

static char *corrupt_advice(const struct failure *failure, const char *vm)
{
        if (failure->action == JOB_VERIFY)
                return xasprintf("'orch log %s' names the files. Restore them, for example from a "
                                 "snapshot of the share; then 'orch verify %s' marks the point as "
                                 "good again. 'orch backup vm %s' makes a new point.",
                                 failure->job, vm, vm);
        if (failure->action == JOB_TEST_RESTORE)
                return xasprintf(
                        "A restore from that point may not boot: 'orch log %s' shows each step, "
                        "and the point's folder proof has its console and screen. 'orch backup vm "
                        "%s' makes a new point, 'orch test-restore %s' tests it.",
                        failure->job, vm, vm);
        return xasprintf(
                "Data is corrupt: check 'orch log %s', and the storage that the message names.",
                failure->job);
}

static char *what_to_do(const struct failure *failure)
{
        const char *vm = failure->vm ? failure->vm : "VM";
        const char *host = failure->hypervisor ? failure->hypervisor : "";
        if (failure->action == JOB_RECOVER && failure->kind != ERROR_CONFIG)
                return xasprintf("%s may still run on an overlay, or its guest may be frozen. orch "
                                 "retries the recovery automatically; 'orch recover %s' tries it "
                                 "now and reports what it finds.",
                                 vm, vm);
        _cleanup_free_ char *again = xasprintf("orch %s %s", verb_of(failure->action), vm);
        switch (failure->kind) {
        case ERROR_CONFIG:
                return xasprintf("Correct what the message names; 'orch config check' checks both "
                                 "files. Then '%s'.",
                                 again);
        case ERROR_AUTH:
                return xasprintf("Check the host key in known_hosts and orch's own key: 'orch "
                                 "hypervisor check %s'.",
                                 host);
        case ERROR_UNREACHABLE:
                return xasprintf(
                        "Is the host up and reachable? Run 'orch hypervisor check %s'. Then '%s'.",
                        host, again);
        case ERROR_TIMEOUT:
                return xasprintf(
                        "Something did not answer in time; 'orch log %s' shows what. Then '%s'.",
                        failure->job, again);
        case ERROR_BUSY:
                return xasprintf(
                        "It is in use by another process or job; when that has ended: '%s'.",
                        again);
        case ERROR_NOSPACE:
                return xasprintf("Free space where the message says, then '%s'.", again);
        case ERROR_CORRUPT:
                return corrupt_advice(failure, vm);
        case ERROR_REFUSED:
                return xasprintf("orch refuses until an operator has decided; the message names "
                                 "the question. Then '%s'.",
                                 again);
        default:
                return xasprintf("'orch log %s' shows each step. Then '%s'.", failure->job, again);
        }
}

static void add_error(struct notice *notice, const char *error)
{
        _cleanup_free_ char *cut =
                str_one_line(error ? error : "no reason was given", ERROR_SHOWN_BYTES);
        notice_add_part(notice, "What failed", true, cut);
}

static void failure_add_time(struct notice *notice, int64_t when)
{
        _cleanup_free_ char *text = clock_format_local(when);
        notice_add_fact(notice, "time", "Time", text);
}

struct notice *failure_notice(const struct failure *failure)
{
        const char *action = action_text(failure->action);
        const char *subject = failure->vm           ? failure->vm
                              : failure->hypervisor ? failure->hypervisor
                                                    : "?";
        struct notice *notice =
                notice_new("job-failed", NOTICE_FAILURE, failure->when, "%s of %s failed%s", action,
                           subject, failure->second_try ? " again" : "");
        if (failure->vm)
                notice_add_tags(notice, failure->tags);
        notice_add_fact(notice, "vm", "VM", failure->vm);
        notice_add_fact(notice, "hypervisor", "Hypervisor",
                        failure->hypervisor ? failure->hypervisor : "not known");
        notice_add_fact(notice, "step", "Step", failure->step ? failure->step : "before the first");
        notice_add_fact(notice, "check", "Check", failure->check);
        notice_add_fact(notice, "error_kind", "Kind", error_kind_name(failure->kind));
        notice_add_fact(notice, "job", "Job", failure->job);
        failure_add_time(notice, failure->when);
        if (failure->duration_seconds) {
                _cleanup_free_ char *duration =
                        format_duration_ms(failure->duration_seconds * 1000);
                notice_add_fact(notice, "duration", "After", duration);
        }
        add_error(notice, failure->error);
        _cleanup_free_ char *advice = what_to_do(failure);
        _cleanup_free_ char *text = failure->tried_again
                                            ? xasprintf("orch tries it once more at the end of "
                                                        "this cycle. If that fails too: %s",
                                                        advice)
                                            : TAKE_PTR(advice);
        notice_add_part(notice, "What to do", false, text);
        notice_add_part(notice, "Last lines of its log", true, failure->log);
        return notice;
}

static const char *after_slash(const char *cause)
{
        const char *slash = strchr(cause, '/');
        return slash ? slash + 1 : NULL;
}

static char *cause_title(const char *cause, bool over)
{
        const char *host = after_slash(cause);
        if (streq(cause, "share"))
                return xstrdup(over ? "The share is available again"
                                    : "The share is not available");
        if (streq(cause, "share-full"))
                return xstrdup(over ? "The share has free space again"
                                    : "The share is too full for backups");
        if (str_starts_with(cause, "share-on/"))
                return xasprintf(over ? "%s can use the share again" : "%s cannot use the share",
                                 host);
        return xasprintf(over ? "%s can be reached again" : "%s cannot be reached", host);
}

static char *cause_advice(const char *cause)
{
        const char *host = after_slash(cause);
        if (streq(cause, "share"))
                return xstrdup("Check the mount and its server: 'orch repository check'. orch "
                               "retries automatically; VMs that failed meanwhile stay due for the "
                               "next 'orch run'.");
        if (streq(cause, "share-full"))
                return xstrdup("Free space on the share, or lower the retention. VMs that failed "
                               "stay due for the next 'orch run'.");
        if (str_starts_with(cause, "share-on/"))
                return xasprintf("Check the mount on %s: 'orch hypervisor check %s'. VMs that "
                                 "failed stay due for the next 'orch run'.",
                                 host, host);
        return xasprintf("Is %s up and reachable? Run 'orch hypervisor check %s'. VMs that failed "
                         "stay due for the next 'orch run'.",
                         host, host);
}

/* "a, b, c and 12 more" */
static char *name_list(char *const *names)
{
        struct strbuf out = { 0 };
        size_t count = strv_length(names);
        for (size_t i = 0; i < count && i < NAMES_SHOWN; i++)
                strbuf_addf(&out, "%s%s", i ? ", " : "", names[i]);
        if (count > NAMES_SHOWN)
                strbuf_addf(&out, " and %zu more", count - NAMES_SHOWN);
        return strbuf_take(&out);
}

static void failure_add_names(struct notice *notice, const char *label, char *const *names)
{
        if (strv_length(names) == 0)
                return;
        _cleanup_free_ char *list = name_list(names);
        _cleanup_free_ char *counted = xasprintf("%s (%zu)", label, strv_length(names));
        notice_add_part(notice, counted, false, list);
}

struct notice *cause_notice(const char *cause, const struct failure *first, char *const *vms,
                            char *const *others, const char *reason, int64_t since)
{
        size_t count = strv_length(vms);
        _cleanup_free_ char *what = cause_title(cause, false);
        _cleanup_free_ char *action = xstrdup(action_text(first ? first->action : JOB_BACKUP));
        action[0] = (char)tolower((unsigned char)action[0]);
        _cleanup_free_ char *how_many = count == 1
                                                ? xasprintf(": the %s of %s failed", action, vms[0])
                                        : count > 1 ? xasprintf(": %zu backups failed", count)
                                                    : xstrdup("");
        struct notice *notice =
                notice_new("cause-of-failures", NOTICE_FAILURE, since, "%s%s", what, how_many);
        notice_add_fact(notice, "cause", "Cause", cause);
        notice_add_fact(notice, "hypervisor", "Hypervisor", after_slash(cause));
        if (count)
                notice_add_factf(notice, "failed", "Failed", "%zu", count);
        failure_add_time(notice, since);
        if (first) {
                notice_add_fact(notice, "vm", "First VM", first->vm);
                notice_add_fact(notice, "step", "Step", first->step);
                notice_add_fact(notice, "job", "Job", first->job);
        }
        add_error(notice, reason);
        failure_add_names(notice, "Failed for this cause", vms);
        failure_add_names(notice, "May fail for it too", others);
        _cleanup_free_ char *advice = cause_advice(cause);
        _cleanup_free_ char *text =
                xasprintf("%s\nFurther failures for this cause are not reported one by one: 'orch "
                          "status' lists them, and so does the message that reports its end.",
                          advice);
        notice_add_part(notice, "What to do", false, text);
        if (first)
                notice_add_part(notice, "Last lines of the first one's log", true, first->log);
        return notice;
}

struct notice *cause_over_notice(const char *cause, char *const *vms, int64_t since, int64_t now)
{
        _cleanup_free_ char *what = cause_title(cause, true);
        _cleanup_free_ char *lasted = format_duration_ms((now > since ? now - since : 0) * 1000);
        struct notice *notice = notice_new("cause-over", NOTICE_RESOLVED, now, "%s", what);
        notice_add_fact(notice, "cause", "Cause", cause);
        notice_add_fact(notice, "hypervisor", "Hypervisor", after_slash(cause));
        notice_add_fact(notice, "lasted", "After", lasted);
        failure_add_time(notice, now);
        failure_add_names(notice, "Failed meanwhile", vms);
        if (strv_length(vms))
                notice_add_part(notice, "What to do", false,
                                "VMs that failed and have not been backed up since are due: 'orch "
                                "run' backs them up now, or else the next cycle does.");
        return notice;
}

struct notice *warning_notice(const char *vm, const char *hypervisor, const char *job,
                              const char *text, char *const *tags, int64_t now)
{
        struct notice *notice =
                notice_new("job-warning", NOTICE_WARNING, now, "A warning about %s", vm);
        notice_add_tags(notice, tags);
        notice_add_fact(notice, "vm", "VM", vm);
        notice_add_fact(notice, "hypervisor", "Hypervisor", hypervisor);
        notice_add_fact(notice, "job", "Job", job);
        failure_add_time(notice, now);
        notice_add_part(notice, "The warning", true, text);
        _cleanup_free_ char *advice =
                xasprintf("The backup goes on. 'orch log %s' shows how it ends.", job);
        notice_add_part(notice, "What to do", false, advice);
        return notice;
}

struct notice *second_try_notice(const char *vm, const char *hypervisor, const char *job,
                                 char *const *tags, int64_t now)
{
        struct notice *notice = notice_new("second-try-succeeded", NOTICE_RESOLVED, now,
                                           "The second try of %s succeeded", vm);
        notice_add_tags(notice, tags);
        notice_add_fact(notice, "vm", "VM", vm);
        notice_add_fact(notice, "hypervisor", "Hypervisor", hypervisor);
        notice_add_fact(notice, "job", "Job", job);
        failure_add_time(notice, now);
        return notice;
}
