/* What ties a job of Bacula to the jobs that it started or follows: who is cancelled with it, and
 * in which order many of them are served. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "rig.h"

Test(bacula, a_job_that_attached_to_a_cycle_can_cancel_it_and_so_can_the_one_that_began_it)
{
        static const char *const cancels[] = { "{\"bacula_job\":\"7\"}", "{\"bacula_job\":\"8\"}" };
        for (size_t i = 0; i < 2; i++) {
                struct rig rig;
                rig_begin(&rig, NULL, (const char *const[]){ "endless-1", "ok-2", NULL });
                struct call first;
                struct call second;
                call_open(&rig, &first, "POST", "/v1/run", "{\"bacula_job\":\"7\"}");
                json_decref(call_until(&first, "progress", "endless-1", 10000));
                call_open(&rig, &second, "POST", "/v1/run",
                          "{\"attach\":true,\"bacula_job\":\"8\"}");
                json_decref(call_until(&second, "queued", "ok-2", 10000));
                json_t *status = rig_get(&rig, "/v1/status");
                cr_assert_str_eq(text_of(json_object_get(status, "cycle"), "bacula_job"), "8");
                json_decref(status);
                json_decref(rig_post(&rig, "/v1/cancel", cancels[i], 200));
                cr_assert_eq(call_finish(&first, 20000), 5);
                cr_assert_eq(call_finish(&second, 20000), 5);
                _cleanup_free_ char *history = rig_history(&rig);
                cr_assert_str_eq(history, "start backup endless-1,end backup endless-1");
                json_decref(rig_post(&rig, "/v1/cancel", cancels[i], 404));
                rig_end(&rig);
        }
}

Test(bacula, cancelling_one_job_leaves_those_of_the_others)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "endless-1", "ok-2", "ok-3", NULL });
        struct call first;
        struct call second;
        call_open(&rig, &first, "POST", "/v1/backup",
                  "{\"vms\":[\"endless-1\",\"ok-3\"],\"bacula_job\":\"21\"}");
        json_decref(call_until(&first, "progress", "endless-1", 10000));
        call_open(&rig, &second, "POST", "/v1/backup",
                  "{\"vms\":[\"ok-2\"],\"bacula_job\":\"22\"}");
        json_decref(call_until(&second, "queued", "ok-2", 10000));
        json_decref(rig_post(&rig, "/v1/cancel", "{\"bacula_job\":\"2\"}", 404));
        json_decref(rig_post(&rig, "/v1/cancel", "{\"bacula_job\":\"21\"}", 200));
        cr_assert_eq(call_finish(&first, 20000), 5);
        cr_assert_eq(call_finish(&second, 20000), 0);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(
                history,
                "start backup endless-1,end backup endless-1,start backup ok-2,end backup ok-2");
        rig_end(&rig);
}

/* A Director starts all jobs of one moment, a VM each, in no order that means anything. */
Test(bacula, scheduled_jobs_of_single_vms_are_served_by_priority_whatever_order_they_come_in)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "slow-1", "ok-2", "ok-3", "ok-4", NULL });
        static const char *const bodies[] = {
                "{\"vms\":[\"slow-1\"],\"if_due\":true,\"bacula_job\":\"1\"}",
                "{\"vms\":[\"ok-4\"],\"if_due\":true,\"bacula_job\":\"2\"}",
                "{\"vms\":[\"ok-2\"],\"if_due\":true,\"bacula_job\":\"3\"}",
                "{\"vms\":[\"ok-3\"],\"bacula_job\":\"4\"}", /* by hand: ahead of those */
        };
        struct call calls[4];
        for (size_t i = 0; i < 4; i++) {
                call_open(&rig, &calls[i], "POST", "/v1/backup", bodies[i]);
                json_decref(call_until(&calls[i], i ? "queued" : "started", NULL, 10000));
        }
        for (size_t i = 0; i < 4; i++) {
                cr_assert_eq(call_finish(&calls[i], 30000), 0);
        }
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history,
                         "start backup slow-1,end backup slow-1,start backup ok-3,end backup ok-3,"
                         "start backup ok-2,end backup ok-2,start backup ok-4,end backup ok-4");
        rig_end(&rig);
}

/* A Director that was restarted runs the job again while the first one's backup goes on. */
Test(bacula, one_that_waited_for_a_backup_of_its_vm_is_not_due_any_more)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "slow-1", NULL });
        struct call first;
        struct call second;
        call_open(&rig, &first, "POST", "/v1/backup",
                  "{\"vms\":[\"slow-1\"],\"if_due\":true,\"bacula_job\":\"1\"}");
        json_decref(call_until(&first, "started", "slow-1", 10000));
        call_open(&rig, &second, "POST", "/v1/backup",
                  "{\"vms\":[\"slow-1\"],\"if_due\":true,\"bacula_job\":\"2\"}");
        json_decref(call_until(&second, "queued", "slow-1", 10000));
        cr_assert_eq(call_finish(&first, 30000), 0);
        json_t *result = call_until(&second, "result", "slow-1", 20000);
        cr_assert_str_eq(text_of(result, "status"), "skipped");
        json_decref(result);
        cr_assert_eq(call_finish(&second, 20000), 0);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history, "start backup slow-1,end backup slow-1");
        rig_end(&rig);
}

static bool is_queued(struct rig *rig, const char *body)
{
        int status = 0;
        json_t *json = rig_call(rig, "POST", "/v1/notify/failure", body, &status);
        cr_assert_eq(status, 200, "%s: %d", body, status);
        bool queued = json_is_true(json_object_get(json, "queued"));
        json_decref(json);
        return queued;
}

/* Many jobs of Bacula end within a minute: that the failure of one was told says nothing of the
 * next. */
Test(bacula, only_the_failure_that_was_told_is_not_told_again)
{
        struct rig rig;
        rig_prepare(
                &rig,
                "notify: [ { name: sink, kind: command, command: [sh, -c, 'cat >/dev/null'] } ]\n");
        rig_set_vms(&rig, (const char *const[]){ "wrong-1", "ok-2", NULL });
        rig_start(&rig);
        struct call call;
        call_open(&rig, &call, "POST", "/v1/backup",
                  "{\"vms\":[\"wrong-1\"],\"bacula_job\":\"31\"}");
        cr_assert_eq(call_finish(&call, 30000), 1);
        call_close(&call);
        call_open(&rig, &call, "POST", "/v1/backup", "{\"vms\":[\"ok-2\"],\"bacula_job\":\"32\"}");
        cr_assert_eq(call_finish(&call, 30000), 0);
        call_close(&call);
        cr_expect_not(is_queued(
                &rig, "{\"job\":\"backup-vm-wrong-1\",\"text\":\"x\",\"bacula_job\":\"31\"}"));
        cr_expect(is_queued(&rig, "{\"job\":\"backup-vm-ok-2\",\"text\":\"its client was "
                                  "killed\",\"bacula_job\":\"32\"}"));
        cr_expect(is_queued(
                &rig,
                "{\"job\":\"backup-vm-gone\",\"text\":\"no such VM\",\"bacula_job\":\"33\"}"));
        cr_expect_not(is_queued(&rig, "{\"job\":\"of another scheduler\",\"text\":\"x\"}"),
                      "it names no job: just now is meant");
        json_decref(rig_post(&rig, "/v1/notify/failure",
                             "{\"job\":\"a\",\"text\":\"b\",\"bacula_job\":\"1; rm\"}", 400));
        rig_end(&rig);
}

Test(bacula, what_can_be_no_id_is_refused)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "ok-1", NULL });
        json_decref(rig_post(&rig, "/v1/run", "{\"bacula_job\":\"1; rm\"}", 400));
        json_decref(rig_post(&rig, "/v1/backup", "{\"vms\":[\"ok-1\"],\"bacula_job\":\"\"}", 400));
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history, "");
        rig_end(&rig);
}
