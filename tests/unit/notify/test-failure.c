/* What a failure's message says, and which failures are one. */
#include "notify/failure.h"

#include "base/clock.h"
#include "fixture.h"

static struct failure make_failure(void)
{
        return (struct failure){
                .action = JOB_BACKUP,
                .job = (char *)"20260201-00ab",
                .vm = (char *)"web-01",
                .hypervisor = (char *)"hv-1",
                .step = (char *)"copy",
                .kind = ERROR_NOSPACE,
                .error = (char *)"the share is full",
                .when = 1770000000,
                .duration_seconds = 62,
                .log = (char *)"12:00:00 web-01 copy: FAILED",
        };
}

Test(failure, causes_that_many_share)
{
        static const struct {
                const char *check;
                const char *step;
                enum error_kind kind;
                bool share_is_down;
                const char *cause;
        } cases[] = {
                { NULL, "copy", ERROR_NOSPACE, false, NULL },
                { NULL, "copy", ERROR_TIMEOUT, false, NULL },
                { NULL, "copy", ERROR_TIMEOUT, true, "share" },
                { NULL, "freeze", ERROR_UNREACHABLE, false, NULL },
                { "agent", "checks", ERROR_TIMEOUT, false, NULL },
                { "share-mounted-here", "locate", ERROR_REFUSED, false, "share" },
                { NULL, "open-share", ERROR_TIMEOUT, false, "share" },
                { NULL, "locate", ERROR_UNREACHABLE, false, "hypervisor/hv-1" },
                { NULL, "locate", ERROR_UNREACHABLE, true, "hypervisor/hv-1" },
                { NULL, "connect", ERROR_AUTH, false, "hypervisor/hv-1" },
                { NULL, "locate", ERROR_TIMEOUT, false, "hypervisor/hv-1" },
                { NULL, "locate", ERROR_REFUSED, false, NULL },
                { "share-space", "checks", ERROR_NOSPACE, false, "share-full" },
                { "share-mounted", "checks", ERROR_REFUSED, false, "share-on/hv-1" },
                { "share-writable", "checks", ERROR_REFUSED, true, "share" },
                { NULL, NULL, ERROR_INTERNAL, false, NULL },
        };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                struct failure failure = make_failure();
                failure.check = (char *)cases[i].check;
                failure.step = (char *)cases[i].step;
                failure.kind = cases[i].kind;
                _cleanup_free_ char *cause = failure_cause(&failure, cases[i].share_is_down);
                cr_assert(streq(cause, cases[i].cause), "case %zu: %s", i, cause);
        }
}

static const char *fact(const struct notice *notice, const char *name)
{
        for (size_t i = 0; i < notice->n_facts; i++)
                if (streq(notice->facts[i].name, name))
                        return notice->facts[i].value;
        return NULL;
}

static const char *part(const struct notice *notice, const char *label)
{
        for (size_t i = 0; i < notice->n_parts; i++)
                if (str_starts_with(notice->parts[i].label, label))
                        return notice->parts[i].text;
        return NULL;
}

Test(failure, an_alert_says_what_a_person_needs)
{
        cr_assert_eq(clock_set_timezone("Europe/Berlin", NULL), 0);
        struct failure failure = make_failure();
        char *tags[] = { (char *)"prod", NULL };
        failure.tags = tags;
        _cleanup_notice_ struct notice *notice = failure_notice(&failure);
        cr_assert_str_eq(notice->title, "Backup of web-01 failed");
        cr_assert_eq(notice->severity, NOTICE_FAILURE);
        cr_assert_str_eq(fact(notice, "vm"), "web-01");
        cr_assert_str_eq(fact(notice, "hypervisor"), "hv-1");
        cr_assert_str_eq(fact(notice, "step"), "copy");
        cr_assert_str_eq(fact(notice, "job"), "20260201-00ab");
        cr_assert_str_eq(fact(notice, "time"), "2026-02-02 03:40:00");
        cr_assert_str_eq(fact(notice, "error_kind"), "nospace");
        cr_assert_str_eq(part(notice, "What failed"), "the share is full");
        cr_assert(strstr(part(notice, "What to do"), "orch backup vm web-01"));
        cr_assert_str_eq(part(notice, "Last lines"), "12:00:00 web-01 copy: FAILED");
        cr_assert_str_eq(notice->tags[0], "prod");
        cr_assert(notice->about_vms);
}

Test(failure, each_kind_has_an_advice)
{
        for (enum error_kind kind = 0; kind < _ERROR_KIND_MAX; kind++) {
                struct failure failure = make_failure();
                failure.kind = kind;
                _cleanup_notice_ struct notice *notice = failure_notice(&failure);
                cr_assert(part(notice, "What to do"));
                cr_assert_not(str_starts_with(part(notice, "What to do"), "orch tries"));
        }
}

Test(failure, what_failed_is_what_is_to_be_done_again)
{
        static const struct {
                enum job_action action;
                const char *again;
        } cases[] = { { JOB_BACKUP, "'orch backup vm web-01'" },
                      { JOB_VERIFY, "'orch verify web-01'" },
                      { JOB_TEST_RESTORE, "'orch test-restore web-01'" } };
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                struct failure failure = make_failure();
                failure.action = cases[i].action;
                _cleanup_notice_ struct notice *notice = failure_notice(&failure);
                cr_expect(strstr(part(notice, "What to do"), cases[i].again), "%s",
                          part(notice, "What to do"));
                failure.kind = ERROR_CORRUPT;
                _cleanup_notice_ struct notice *damage = failure_notice(&failure);
                bool of_a_point = failure.action != JOB_BACKUP;
                cr_expect_eq(!!strstr(part(damage, "What to do"), cases[i].again), of_a_point, "%s",
                             part(damage, "What to do"));
        }
}

Test(failure, one_that_is_tried_again_says_so)
{
        struct failure failure = make_failure();
        failure.tried_again = true;
        _cleanup_notice_ struct notice *first = failure_notice(&failure);
        cr_assert(str_starts_with(part(first, "What to do"),
                                  "orch tries it once more at the end of this cycle."));
        failure.tried_again = false;
        failure.second_try = true;
        _cleanup_notice_ struct notice *second = failure_notice(&failure);
        cr_assert_str_eq(second->title, "Backup of web-01 failed again");
}

Test(failure, a_failed_recovery_is_urgent)
{
        struct failure failure = make_failure();
        failure.action = JOB_RECOVER;
        _cleanup_notice_ struct notice *notice = failure_notice(&failure);
        cr_assert_str_eq(notice->title, "Recovery of web-01 failed");
        cr_assert(strstr(part(notice, "What to do"), "orch recover web-01"));
        failure.kind = ERROR_CONFIG;
        _cleanup_notice_ struct notice *mistyped = failure_notice(&failure);
        cr_assert_not(strstr(part(mistyped, "What to do"), "overlay"), "there is no such VM");
        cr_assert(strstr(part(mistyped, "What to do"), "orch recover web-01"));
}

Test(failure, one_alert_for_one_cause)
{
        struct failure failure = make_failure();
        char *vms[] = { (char *)"web-01", (char *)"web-02", NULL };
        char *others[] = { (char *)"web-03", NULL };
        _cleanup_notice_ struct notice *notice = cause_notice(
                "hypervisor/hv-1", &failure, vms, others, "no route to host", 1770000000);
        cr_assert_str_eq(notice->title, "hv-1 cannot be reached: 2 backups failed");
        cr_assert_str_eq(part(notice, "Failed for this cause (2)"), "web-01, web-02");
        cr_assert_str_eq(part(notice, "May fail for it too (1)"), "web-03");
        cr_assert_str_eq(part(notice, "What failed"), "no route to host");
        _cleanup_notice_ struct notice *share =
                cause_notice("share", NULL, NULL, NULL, "not mounted", 1);
        cr_assert_str_eq(share->title, "The share is not available");
        vms[1] = NULL;
        _cleanup_notice_ struct notice *single =
                cause_notice("share-on/hv-1", &failure, vms, NULL, "x", 1);
        cr_assert_str_eq(single->title, "hv-1 cannot use the share: the backup of web-01 failed");
        failure.action = JOB_TEST_RESTORE;
        _cleanup_notice_ struct notice *proof =
                cause_notice("share-on/hv-1", &failure, vms, NULL, "x", 1);
        cr_assert_str_eq(proof->title,
                         "hv-1 cannot use the share: the test restore of web-01 failed");
        _cleanup_notice_ struct notice *over =
                cause_over_notice("share", vms, 1770000000, 1770003600);
        cr_assert_str_eq(over->title, "The share is available again");
        cr_assert_eq(over->severity, NOTICE_RESOLVED);
        cr_assert_str_eq(part(over, "Failed meanwhile (1)"), "web-01");
        cr_assert_str_eq(fact(over, "lasted"), "1h00m");
}

Test(failure, forty_names_and_more_are_counted)
{
        _cleanup_strv_ char **vms = NULL;
        for (int i = 0; i < 200; i++)
                strv_addf(&vms, "vm-%03d", i);
        struct failure failure = make_failure();
        _cleanup_notice_ struct notice *notice = cause_notice("share", &failure, vms, NULL, "x", 1);
        cr_assert_str_eq(notice->title, "The share is not available: 200 backups failed");
        cr_assert(
                str_ends_with(part(notice, "Failed for this cause (200)"), "vm-059 and 140 more"));
}

Test(failure, a_warning_that_cannot_wait)
{
        _cleanup_notice_ struct notice *notice = warning_notice(
                "web-01", "hv-1", "20260201-00ab", "the agent is mute", NULL, 1770000000);
        cr_assert_eq(notice->severity, NOTICE_WARNING);
        cr_assert_str_eq(notice->title, "A warning about web-01");
        cr_assert_str_eq(part(notice, "The warning"), "the agent is mute");
        cr_assert(notice->about_vms);
}
