/* Workers that misbehave: each makes one failed job, tells what happened, and harms neither the
 * daemon nor the next VM. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "rig.h"

/* Longer than a good worker takes to begin, also on a busy machine. */
static const char *quick[] = { "stall_ms=4000", "grace_ms=500", "stuck_ms=500", NULL };

/* Runs the two VMs; the first plays its part, the second is well. *ret gets the first one's
 * result. */
static int run_with_a_good_one(struct rig *rig, const char *bad, json_t **ret)
{
        rig_set_vms(rig, (const char *const[]){ bad, "ok-2", NULL });
        rig_start(rig);
        struct call call;
        call_open(rig, &call, "POST", "/v1/run", "{}");
        *ret = call_until(&call, "result", bad, 30000);
        json_decref(call_until(&call, "result", "ok-2", 30000));
        int exit_status = call_finish(&call, 20000);
        return exit_status;
}

static void wait_until_idle(struct rig *rig)
{
        size_t running = 1;
        for (int i = 0; i < 2000 && running; i++) {
                json_t *status = rig_get(rig, "/v1/status");
                running = json_array_size(json_object_get(status, "running"));
                json_decref(status);
                usleep(20000);
        }
        cr_assert_eq(running, 0, "something still runs");
}

static void assert_fails(const char *bad, const char *kind, const char *said, bool recovered)
{
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig.options = quick;
        json_t *result = NULL;
        cr_assert_eq(run_with_a_good_one(&rig, bad, &result), 1);
        cr_assert_str_eq(text_of(result, "status"), "failed");
        cr_assert_str_eq(text_of(result, "error_kind"), kind);
        cr_assert(strstr(text_of(result, "error"), said), "%s", text_of(result, "error"));
        json_decref(result);
        _cleanup_free_ char *history = rig_history(&rig);
        _cleanup_free_ char *recovery = xasprintf("start recover %s", bad);
        cr_assert_eq(strstr(history, recovery) != NULL, recovered, "%s", history);
        json_t *points = rig_get(&rig, "/v1/points?failed=1");
        /* that one is tried once more at the cycle's end */
        size_t tries = streq(kind, "timeout") ? 2 : 1;
        cr_assert_eq(json_array_size(points), 1 + tries, "the failed jobs are in the catalog too");
        json_decref(points);
        wait_until_idle(&rig);
        json_t *status = rig_get(&rig, "/v1/status");
        cr_assert_str_eq(text_of(json_array_get(json_object_get(status, "failed"), 0), "vm"), bad);
        json_decref(status);
        rig_end(&rig);
}

Test(supervision, a_worker_that_ends_without_a_result)
{
        assert_fails("dies-1", "internal", "exit status 3", true);
}

Test(supervision, a_worker_that_is_killed)
{
        assert_fails("killed-1", "internal", "signal 9", true);
}

Test(supervision, a_worker_that_hangs_is_ended)
{
        assert_fails("hangs-1", "timeout", "sent no event for 4 s", true);
}

Test(supervision, a_worker_that_ignores_sigterm_is_killed)
{
        assert_fails("deaf-1", "timeout", "sent no event", true);
}

Test(supervision, a_vm_that_was_not_put_back_is_recovered_until_it_is)
{
        static const char *options[] = { "keepalive_ms=400", "recover_delay_ms=200", NULL };
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig.options = options;
        json_t *result = NULL;
        cr_assert_eq(run_with_a_good_one(&rig, "leaves-1", &result), 1);
        json_decref(result);
        /* the first recovery fails, and another is tried */
        rig_wait_for_history(&rig, "start recover leaves-1", 2);
        wait_until_idle(&rig);
        usleep(1500 * 1000);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_eq(count_of(history, "start recover leaves-1"), 2,
                     "after one that succeeds there is no other");
        rig_end(&rig);
}

/* One that only looks puts nothing right. */
Test(supervision, a_dry_run_that_waits_is_no_recovery)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "endless-1", NULL });
        struct call backup;
        struct call look;
        call_open(&rig, &backup, "POST", "/v1/backup", "{\"vms\":[\"endless-1\"]}");
        json_decref(call_until(&backup, "progress", "endless-1", 10000));
        call_open(&rig, &look, "POST", "/v1/recover", "{\"vms\":[\"endless-1\"],\"dry_run\":true}");
        json_decref(call_until(&look, "queued", "endless-1", 10000));
        cr_assert_eq(kill(rig_worker_pid(&rig, "endless-1"), SIGKILL), 0);
        cr_assert_eq(call_finish(&backup, 10000), 1);
        cr_assert_eq(call_finish(&look, 10000), 0);
        rig_wait_for_history(&rig, "end recover endless-1", 2);
        rig_end(&rig);
}

/* No process could be made, or the program is being exchanged. */
Test(supervision, a_recovery_that_could_not_be_started_is_tried_again)
{
        static const char *options[] = { "keepalive_ms=400", "recover_delay_ms=1500", NULL };
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig.options = options;
        _cleanup_free_ char *worker = xstrdup(getenv("FAKE_WORKER"));
        _cleanup_free_ char *link = path_join(rig.folder, "worker");
        cr_assert_eq(symlink(worker, link), 0);
        setenv("FAKE_WORKER", link, 1);
        rig_set_vms(&rig, (const char *const[]){ "leaves-1", NULL });
        rig_start(&rig);
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"leaves-1\"]}"), 1);
        cr_assert_eq(unlink(link), 0);
        bool failed = false;
        for (int i = 0; i < 2000 && !failed; i++) {
                _cleanup_free_ char *log = rig_read(&rig, "daemon.log");
                failed = strstr(log, "recover of leaves-1 failed: cannot start a worker") != NULL;
                usleep(20000);
        }
        cr_assert(failed, "the recovery was to fail");
        cr_assert_eq(symlink(worker, link), 0);
        rig_wait_for_history(&rig, "end recover leaves-1", 2);
        setenv("FAKE_WORKER", worker, 1);
        rig_end(&rig);
}

/* What waits for a VM begins as soon as its instant restore only watches it, not when something
 * else happens to happen. */
Test(supervision, a_restore_that_begins_to_pull_lets_others_begin)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "pulls-1", NULL });
        struct call restore;
        call_open(&rig, &restore, "POST", "/v1/restore",
                  "{\"vm\":\"pulls-1\",\"options\":{\"instant\":true,\"start\":true}}");
        json_decref(call_until(&restore, "progress", "pulls-1", 10000));
        json_decref(rig_post(&rig, "/v1/backup", "{\"vms\":[\"pulls-1\"],\"wait\":false}", 200));
        rig_wait_for_history(&rig, "end backup pulls-1", 1);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history, "start restore pulls-1,pull restore pulls-1,start backup "
                                  "pulls-1,end backup pulls-1");
        call_close(&restore);
        rig_end(&rig);
}

/* A VM that stayed off or paused, a backup job or a checkpoint that stayed, a timer: whatever could
 * not be undone. */
Test(supervision, whatever_could_not_be_undone_is_recovered)
{
        static const char *const vms[] = { "leaves-power-on-1",  "leaves-resume-1",
                                           "leaves-increment-1", "leaves-checkpoint-1",
                                           "leaves-disarm-1",    "leaves-thaw-1",
                                           "leaves-copy-1",      NULL };
        static const char *options[] = { "keepalive_ms=400", "recover_delay_ms=200", NULL };
        struct rig rig;
        rig_begin_with(&rig, options, vms);
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        cr_assert_eq(call_finish(&call, 60000), 1);
        call_close(&call);
        for (size_t i = 0; vms[i]; i++) {
                _cleanup_free_ char *recovery = xasprintf("start recover %s", vms[i]);
                rig_wait_for_history(&rig, recovery, 1);
        }
        wait_until_idle(&rig);
        cr_assert_eq(rig_stop(&rig, SIGTERM), 0);
        rig_done(&rig);
}

static void assert_succeeds(const char *odd)
{
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig.options = quick;
        json_t *result = NULL;
        cr_assert_eq(run_with_a_good_one(&rig, odd, &result), 0);
        cr_assert_str_eq(text_of(result, "status"), "ok");
        json_decref(result);
        json_t *points = rig_get(&rig, "/v1/points");
        cr_assert_eq(json_array_size(points), 2);
        json_decref(points);
        cr_assert_eq(rig_stop(&rig, SIGTERM), 0);
        _cleanup_free_ char *log = rig_read(&rig, "daemon.log");
        cr_assert_lt(strlen(log), 64000, "the log is flooded");
        rig_done(&rig);
}

Test(supervision, garbage_and_endless_lines_are_passed_over)
{
        assert_succeeds("garbage-1");
}

Test(supervision, a_flood_of_progress)
{
        assert_succeeds("flood-1");
}

Test(supervision, a_worker_that_lingers_after_its_result_is_ended_and_the_result_stands)
{
        assert_succeeds("lingers-1");
}

/* The signal of last resort is one that doesn't end it, as SIGKILL doesn't end a process that
 * sleeps in the kernel. */
Test(supervision, a_worker_that_cannot_be_killed_is_set_aside_and_its_vm_quarantined)
{
        static const char *options[] = { "stall_ms=3000", "grace_ms=300", "stuck_ms=300",
                                         "last_resort_signal=18", NULL };
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig.options = options;
        json_t *result = NULL;
        cr_assert_eq(run_with_a_good_one(&rig, "deaf-1", &result), 1);
        cr_assert_str_eq(text_of(result, "error_kind"), "timeout");
        cr_assert(strstr(text_of(result, "error"), "does not end even when killed"), "%s",
                  text_of(result, "error"));
        json_decref(result);

        json_t *status = rig_get(&rig, "/v1/status");
        json_t *stuck = json_array_get(json_object_get(status, "running"), 0);
        cr_assert_str_eq(text_of(stuck, "state"), "stuck");
        cr_assert(strstr(json_string_value(json_array_get(json_object_get(status, "warnings"), 0)),
                         "set aside"));
        json_decref(status);

        struct call call;
        call_open(&rig, &call, "POST", "/v1/backup", "{\"vms\":[\"deaf-1\"]}");
        result = call_until(&call, "result", "deaf-1", 10000);
        cr_assert_str_eq(text_of(result, "error_kind"), "busy");
        json_decref(result);
        cr_assert_eq(call_finish(&call, 10000), 1);

        /* When it ends after all, it is reaped and its VM recovered. */
        cr_assert_eq(kill(rig_worker_pid(&rig, "deaf-1"), SIGKILL), 0);
        rig_wait_for_history(&rig, "end recover deaf-1", 1);
        rig_end(&rig);
}

Test(supervision, a_stuck_worker_does_not_keep_the_daemon_from_ending)
{
        static const char *options[] = { "stall_ms=3000", "grace_ms=300", "stuck_ms=300",
                                         "last_resort_signal=18", NULL };
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig.options = options;
        json_t *result = NULL;
        run_with_a_good_one(&rig, "deaf-1", &result);
        json_decref(result);
        pid_t worker = rig_worker_pid(&rig, "deaf-1");
        cr_assert_eq(rig_stop(&rig, SIGTERM), 0);
        cr_assert_eq(kill(worker, SIGKILL), 0);
        rig_done(&rig);
}

Test(supervision, cancel_lets_a_worker_undo)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "endless-1", "ok-2", NULL });
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        json_t *started = call_until(&call, "started", "endless-1", 10000);
        _cleanup_free_ char *path = xasprintf("/v1/jobs/%s/cancel", text_of(started, "job"));
        json_decref(started);
        json_decref(call_until(&call, "progress", "endless-1", 10000));
        int status = 0;
        json_t *answer = rig_call(&rig, "POST", path, "{}", &status);
        cr_assert_eq(status, 200);
        cr_assert_str_eq(text_of(answer, "state"), "cancelling");
        json_decref(answer);
        json_t *result = call_until(&call, "result", "endless-1", 10000);
        cr_assert_str_eq(text_of(result, "status"), "cancelled");
        json_decref(result);
        cr_assert_eq(call_finish(&call, 20000), 5);
        answer = rig_call(&rig, "POST", path, "{}", &status);
        cr_assert_eq(status, 409, "it has ended already");
        json_decref(answer);
        answer = rig_call(&rig, "POST", "/v1/jobs/20200101-0000/cancel", "{}", &status);
        cr_assert_eq(status, 404);
        json_decref(answer);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(
                history,
                "start backup endless-1,end backup endless-1,start backup ok-2,end backup ok-2");
        rig_end(&rig);
}

/* "hangs" does not take SIGTERM, as a worker does not in the first moment of its life. */
Test(supervision, a_worker_that_is_cancelled_before_it_can_take_it_is_no_failure)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "hangs-1", NULL });
        struct call call;
        call_open(&rig, &call, "POST", "/v1/backup", "{\"vms\":[\"hangs-1\"]}");
        json_decref(call_until(&call, "step", "hangs-1", 10000));
        json_decref(rig_post(&rig, "/v1/jobs/hangs-1/cancel", "{}", 200));
        json_t *result = call_until(&call, "result", "hangs-1", 10000);
        cr_expect_str_eq(text_of(result, "status"), "cancelled", "%s", text_of(result, "error"));
        json_decref(result);
        cr_expect_eq(call_finish(&call, 10000), 5);
        rig_wait_for_history(&rig, "end recover hangs-1", 1);
        rig_end(&rig);
}

Test(supervision, the_job_of_a_vm_that_waits_is_cancelled_by_the_name_of_its_vm)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "ok-1", "endless-2", NULL });
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"ok-1\"]}"), 0);
        json_decref(rig_post(&rig, "/v1/backup", "{\"vms\":[\"endless-2\"],\"wait\":false}", 200));
        rig_wait_for_history(&rig, "start backup endless-2", 1);
        struct call call;
        call_open(&rig, &call, "POST", "/v1/backup", "{\"vms\":[\"ok-1\"]}");
        json_decref(call_until(&call, "queued", "ok-1", 10000));
        json_decref(rig_post(&rig, "/v1/jobs/ok-1/cancel", "{}", 200));
        cr_assert_eq(call_finish(&call, 10000), 5);
        rig_end(&rig);
}

/* A client that does not read what comes, and one that is gone, cost nothing but themselves. */
Test(supervision, clients_that_do_not_read_or_go_away)
{
        struct rig rig;
        rig_prepare(&rig, NULL);
        static const char *options[] = { "keepalive_ms=400", NULL };
        rig.options = options;
        rig_set_vms(&rig, (const char *const[]){ "chatty-1", "slow-2", "ok-3", NULL });
        rig_start(&rig);
        struct call silent;
        struct call gone;
        call_open(&rig, &silent, "POST", "/v1/run", "{}");
        usleep(200000);
        call_open(&rig, &gone, "POST", "/v1/run", "{\"attach\":true}");
        json_decref(call_until(&gone, "notice", NULL, 10000));
        call_close(&gone);
        struct call good;
        call_open(&rig, &good, "POST", "/v1/run", "{\"attach\":true}");
        cr_assert_eq(call_finish(&good, 30000), 0);
        _cleanup_free_ char *log = rig_read(&rig, "daemon.log");
        cr_assert(strstr(log, "is disconnected"), "%s", log);
        call_close(&silent);
        rig_end(&rig);
}
