/* Cycles and ad-hoc jobs: order, the second try, attaching, filters, pause, a broken inventory. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../repository/share-fixture.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "notify/ledger.h"
#include "rig.h"
#include "schema/records/summary.h"

Test(cycle, tries_once_more_what_may_have_passed_and_writes_its_summary)
{
        struct rig rig;
        rig_begin(&rig, NULL,
                  (const char *const[]){ "once-1", "unreachable-2", "wrong-3", "ok-4", "off-5",
                                         NULL });
        cr_assert_eq(rig_run(&rig, "/v1/run", "{}"), 1);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history, "start backup once-1,end backup once-1,start backup "
                                  "unreachable-2,end backup unreachable-2,"
                                  "start backup wrong-3,end backup wrong-3,start backup ok-4,end "
                                  "backup ok-4,start backup off-5,end backup off-5,"
                                  "start backup once-1,end backup once-1,start backup "
                                  "unreachable-2,end backup unreachable-2");
        size_t length = 0;
        _cleanup_free_ char *text =
                fs_read_file(SHARE "/metadata/last-run-summary.json", 1 << 20, &length, NULL);
        cr_assert(text, "no summary when the cycle has ended");
        _cleanup_error_ struct error *error = NULL;
        _cleanup_(summary_freep) struct summary *summary = summary_parse(text, length, &error);
        cr_assert(summary, "%s", error_message(error));
        cr_assert_eq(summary->total, 5);
        cr_assert_eq(summary->succeeded, 2);
        cr_assert_eq(summary->failed, 2);
        cr_assert_eq(summary->skipped, 1);
        cr_assert_eq(summary->stored_bytes, 2 * 4096);

        /* What failed is still due, what succeeded is not. */
        json_t *plan = rig_post(&rig, "/v1/run", "{\"dry_run\":true}", 200);
        size_t i;
        json_t *item;
        json_array_foreach(json_object_get(plan, "plan"), i, item)
        {
                bool good =
                        streq(text_of(item, "vm"), "once-1") || streq(text_of(item, "vm"), "ok-4");
                cr_assert_eq(json_is_true(json_object_get(item, "due")), !good, "%s: %s",
                             text_of(item, "vm"), text_of(item, "reason"));
        }
        cr_assert_eq(number_of(plan, "usual"), 5);
        json_decref(plan);
        rig_end(&rig);
}

Test(cycle, a_second_one_is_refused_or_attached_to)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "slow-1", "ok-2", NULL });
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{\"bacula_job\":\"77\"}");
        json_decref(call_until(&call, "started", "slow-1", 10000));
        json_t *refusal = rig_post(&rig, "/v1/run", "{}", 409);
        cr_assert_eq(number_of(refusal, "exit_status"), 4);
        cr_assert(strstr(text_of(json_object_get(refusal, "error"), "message"), "--attach"));
        json_decref(refusal);
        json_t *status = rig_get(&rig, "/v1/status");
        cr_assert_str_eq(text_of(json_object_get(status, "cycle"), "bacula_job"), "77");
        cr_assert_eq(json_array_size(json_object_get(status, "queued")), 1);
        json_decref(status);
        struct call attached;
        call_open(&rig, &attached, "POST", "/v1/run", "{\"attach\":true}");
        json_decref(call_until(&attached, "queued", "ok-2", 10000));
        json_decref(call_until(&attached, "result", "ok-2", 20000));
        cr_assert_eq(call_finish(&attached, 10000), 0);
        cr_assert_eq(call_finish(&call, 10000), 0);
        cr_assert_eq(rig_run(&rig, "/v1/run", "{}"), 0, "nothing is due any more");
        rig_end(&rig);
}

Test(cycle, an_adhoc_backup_goes_behind_the_running_one_and_ahead_of_the_rest)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "slow-1", "ok-2", "ok-3", NULL });
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        json_decref(call_until(&call, "started", "slow-1", 10000));
        json_t *jobs = rig_post(&rig, "/v1/backup", "{\"vms\":[\"ok-3\"],\"wait\":false}", 200);
        cr_assert_eq(number_of(json_array_get(json_object_get(jobs, "jobs"), 0), "position"), 1);
        json_decref(jobs);
        json_t *skipped = call_until(&call, "result", "ok-3", 20000);
        cr_assert_str_eq(text_of(skipped, "status"), "skipped", "it need not be backed up twice");
        json_decref(skipped);
        cr_assert_eq(call_finish(&call, 10000), 0);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history, "start backup slow-1,end backup slow-1,start backup ok-3,end "
                                  "backup ok-3,start backup ok-2,end backup ok-2");
        rig_end(&rig);
}

Test(cycle, filters_and_their_mistakes)
{
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig_write(&rig, "vm-list.yaml",
                  "vms:\n"
                  "  - { name: ok-1, hypervisor: host-1, method: quiesce, schedule: daily, tags: "
                  "[gold] }\n"
                  "  - { name: ok-2, hypervisor: host-2, method: quiesce, schedule: daily }\n"
                  "  - { name: ok-3, hypervisor: host-2, method: quiesce, schedule: daily, tags: "
                  "[gold] }\n"
                  "  - { name: ok-4, hypervisor: host-2, method: quiesce, schedule: manual, tags: "
                  "[gold] }\n");
        rig_start(&rig);
        json_t *refusal = rig_post(&rig, "/v1/run", "{\"tag\":[\"glod\"]}", 400);
        cr_assert(strstr(text_of(json_object_get(refusal, "error"), "message"), "gold"));
        cr_assert_eq(number_of(refusal, "exit_status"), 2);
        json_decref(refusal);
        json_decref(rig_post(&rig, "/v1/run", "{\"hypervisor\":[\"host-3\"]}", 400));
        cr_assert_eq(rig_run(&rig, "/v1/run", "{\"tag\":[\"gold\"],\"hypervisor\":[\"host-2\"]}"),
                     0);
        cr_assert_eq(rig_run(&rig, "/v1/run", "{\"all\":true,\"exclude\":[\"*-1\",\"ok-3\"]}"), 0);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history,
                         "start backup ok-3,end backup ok-3,start backup ok-2,end backup ok-2");
        json_t *schedule = rig_get(&rig, "/v1/schedule");
        cr_assert_eq(json_array_size(schedule), 4);
        cr_assert_str_eq(text_of(json_array_get(schedule, 3), "schedule"), "manual");
        cr_assert(json_is_true(json_object_get(json_array_get(schedule, 0), "due")));
        cr_assert(json_is_false(json_object_get(json_array_get(schedule, 1), "due")));
        json_decref(schedule);
        rig_end(&rig);
}

Test(cycle, a_broken_inventory_runs_the_last_good_one_and_says_so)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "ok-1", NULL });
        rig_write(&rig, "vm-list.yaml",
                  "vms:\n  - { name: ok-1, hypervisor: host-1, metod: quiesce }\n");
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        json_t *first = call_line(&call, 10000);
        cr_assert_str_eq(text_of(first, "event"), "notice");
        cr_assert_str_eq(text_of(first, "level"), "error");
        cr_assert(strstr(text_of(first, "text"), "vm-list.yaml:2:"), "%s", text_of(first, "text"));
        json_decref(first);
        cr_assert_eq(call_finish(&call, 10000), 2);
        json_t *status = rig_get(&rig, "/v1/status");
        cr_assert_str_eq(text_of(json_object_get(status, "inventory"), "state"), "last-good");
        json_decref(status);
        json_t *refusal = rig_post(&rig, "/v1/reload", "{}", 400);
        cr_assert_eq(number_of(refusal, "exit_status"), 2);
        json_decref(refusal);
        rig_set_vms(&rig, (const char *const[]){ "ok-1", "ok-2", NULL });
        kill(rig.pid, SIGHUP);
        for (int i = 0; i < 1500; i++) {
                status = rig_get(&rig, "/v1/status");
                int64_t vms = number_of(json_object_get(status, "inventory"), "vms");
                json_decref(status);
                if (vms == 2)
                        break;
                usleep(20000);
        }
        cr_assert_eq(rig_run(&rig, "/v1/run", "{}"), 0);
        rig_end(&rig);
}

/* Its worker goes by the new inventory; so must what is said of where it is, and what runs beside
 * it. */
Test(cycle, a_job_that_waits_moves_with_its_vm)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "endless-1", "ok-2", NULL });
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        json_decref(call_until(&call, "progress", "endless-1", 10000));
        rig_write(&rig, "vm-list.yaml",
                  "vms:\n"
                  "  - { name: endless-1, hypervisor: host-1, method: quiesce, schedule: daily }\n"
                  "  - { name: ok-2, hypervisor: host-2, method: quiesce, schedule: daily }\n");
        json_decref(rig_post(&rig, "/v1/reload", "{}", 200));
        json_decref(rig_post(&rig, "/v1/jobs/endless-1/cancel", "{}", 200));
        json_t *started = call_until(&call, "started", "ok-2", 10000);
        cr_expect_str_eq(text_of(started, "hypervisor"), "host-2");
        json_decref(started);
        cr_assert_eq(call_finish(&call, 10000), 5);
        rig_end(&rig);
}

Test(cycle, pause_refuses_backups_also_after_a_restart_and_resume_ends_it)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "ok-1", NULL });
        json_decref(rig_post(&rig, "/v1/pause", "{\"until\":\"2001-01-01T00:00:00Z\"}", 400));
        json_decref(rig_post(&rig, "/v1/pause", "{}", 200));
        cr_assert_eq(rig_stop(&rig, SIGTERM), 0);
        rig_start(&rig);
        json_t *refusal = rig_post(&rig, "/v1/run", "{}", 409);
        cr_assert_eq(number_of(refusal, "exit_status"), 4);
        json_decref(refusal);
        json_decref(rig_post(&rig, "/v1/backup", "{\"vms\":[\"ok-1\"]}", 409));
        cr_assert_eq(rig_run(&rig, "/v1/check", "{\"vms\":[\"ok-1\"]}"), 0,
                     "a check changes nothing and may run");
        json_decref(rig_post(&rig, "/v1/resume", "{}", 200));
        cr_assert_eq(rig_run(&rig, "/v1/run", "{}"), 0);
        rig_end(&rig);
}

Test(cycle, the_own_timer_starts_one)
{
        struct rig rig;
        time_t now = time(NULL);
        struct tm tm;
        gmtime_r(&now, &tm);
        static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
        _cleanup_free_ char *settings =
                xasprintf("cycle: { start: \"%s %02d:%02d\", timezone: UTC, trigger: internal }\n",
                          days[tm.tm_wday], tm.tm_hour, tm.tm_min);
        rig_begin(&rig, settings, (const char *const[]){ "ok-1", NULL });
        rig_wait_for_history(&rig, "end backup ok-1", 1);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history, "start backup ok-1,end backup ok-1");
        rig_end(&rig);
}

/* The moments that are kept for the weekly summary and for "no backup has begun". */
Test(cycle, what_a_clock_in_the_future_has_noted_silences_nothing)
{
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig_set_vms(&rig, (const char *const[]){ "ok-1", NULL });
        _cleanup_free_ char *folder = path_join(rig.folder, "state/notify");
        cr_assert_eq(fs_make_dirs(folder, NULL), 0);
        rig_write(&rig, "state/notify/state.json",
                  "{\"format\":1,\"first_started\":4000000001,\"last_begun\":4000000002,\"dead_"
                  "clock_slot\":4000000003,"
                  "\"summary_told\":4000000004,\"free_bytes\":5,\"free_at\":6}\n");
        rig_start(&rig);
        _cleanup_free_ char *kept = NULL;
        for (int i = 0; i < 2000 && (!kept || strstr(kept, "400000000")); i++) {
                usleep(20000);
                free(kept);
                kept = rig_read(&rig, "state/notify/state.json");
        }
        cr_assert_null(strstr(kept, "400000000"), "%s", kept);
        cr_assert(strstr(kept, "\"first_started\""), "%s", kept);
        cr_assert_eq(rig_stop(&rig, SIGTERM), 0);
        rig_done(&rig);
}

/* Not only at a start: a daemon runs for months. The line is too old only when the week is told. */
Test(cycle, telling_the_week_drops_what_no_summary_needs_any_more)
{
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig_set_vms(&rig, (const char *const[]){ "ok-1", NULL });
        _cleanup_free_ char *folder = path_join(rig.folder, "state/notify");
        cr_assert_eq(fs_make_dirs(folder, NULL), 0);
        int64_t now = clock_realtime_s();
        _cleanup_free_ char *moments =
                xasprintf("{\"format\":1,\"first_started\":1,\"last_begun\":%lld,\"dead_clock_"
                          "slot\":%lld,\"summary_told\":%lld,"
                          "\"free_bytes\":5,\"free_at\":6}\n",
                          (long long)now, (long long)now, (long long)now - 8 * 86400);
        _cleanup_free_ char *finished = clock_format_rfc3339(now - LEDGER_DAYS * 86400 + 4);
        _cleanup_free_ char *line = xasprintf(
                "{\"vm\":\"ok-1\",\"job\":\"20200101-0000\",\"status\":\"ok\",\"warnings\":[],"
                "\"stored_bytes\":1,\"finished\":\"%s\"}\n",
                finished);
        rig_write(&rig, "state/notify/state.json", moments);
        rig_write(&rig, "state/notify/ledger.jsonl", line);
        rig_start(&rig);
        bool gone = false;
        for (int i = 0; i < 2000 && !gone; i++) {
                _cleanup_free_ char *ledger = rig_read(&rig, "state/notify/ledger.jsonl");
                gone = strstr(ledger, "20200101-0000") == NULL;
                usleep(20000);
        }
        cr_assert(gone, "the line is still there");
        rig_end(&rig);
}

Test(cycle, pins_a_vm_and_takes_another_uuid_only_when_told)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "renewed-1", NULL });
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"renewed-*\"]}"), 0);
        sleep(1);
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"renewed-1\"]}"), 0);
        sleep(1);
        cr_assert_eq(
                rig_run(&rig, "/v1/backup", "{\"vms\":[\"renewed-1\"],\"accept_new_uuid\":true}"),
                0);
        sleep(1);
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"renewed-1\"]}"), 0);
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"renewed-1\"],\"if_due\":true}"), 0);
        /* What each worker was told: nothing, the first UUID, nothing, the third. */
        _cleanup_free_ char *log = rig_read(&rig, "worker.log");
        char pins[4][64];
        cr_assert_eq(sscanf(log,
                            "start backup renewed-1 %63s end backup renewed-1 %*s start backup "
                            "renewed-1 %63s end backup renewed-1 %*s "
                            "start backup renewed-1 %63s end backup renewed-1 %*s start backup "
                            "renewed-1 %63s",
                            pins[0], pins[1], pins[2], pins[3]),
                     4, "%s", log);
        cr_assert_str_eq(pins[0], "-");
        cr_assert_neq(strcmp(pins[1], "-"), 0);
        cr_assert_str_eq(pins[2], "-");
        cr_assert_neq(strcmp(pins[3], pins[1]), 0);
        cr_assert_null(strstr(strstr(log, pins[3]) + 1, "start"),
                       "it was not due and ran all the same");
        rig_end(&rig);
}

Test(cycle, is_cancelled_as_a_whole_by_its_bacula_job)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "endless-1", "ok-2", "ok-3", NULL });
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{\"bacula_job\":\"12\"}");
        json_decref(call_until(&call, "progress", "endless-1", 10000));
        json_decref(rig_post(&rig, "/v1/cancel", "{\"bacula_job\":\"13\"}", 404));
        json_decref(rig_post(&rig, "/v1/cancel", "{\"bacula_job\":\"12\"}", 200));
        cr_assert_eq(call_finish(&call, 10000), 5);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history, "start backup endless-1,end backup endless-1");
        rig_end(&rig);
}
