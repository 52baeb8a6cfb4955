/* Starting, stopping, dying, and a share that is not there. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../repository/share-fixture.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "rig.h"

static void wait_for_share(struct rig *rig, const char *state)
{
        for (int i = 0; i < 2000; i++) {
                json_t *status = rig_get(rig, "/v1/status");
                bool there = streq(text_of(json_object_get(status, "repository"), "state"), state);
                json_decref(status);
                if (there)
                        return;
                usleep(20000);
        }
        cr_assert_fail("the share does not become %s", state);
}

Test(restart, broken_settings_are_told_all_at_once)
{
        struct rig rig;
        rig_prepare(&rig, "sockett: x\nlimits: { jobs: many }\n");
        rig_launch(&rig);
        cr_assert_eq(rig_wait(&rig), 2);
        _cleanup_free_ char *log = rig_read(&rig, "daemon.log");
        cr_assert(strstr(log, "sockett") && strstr(log, "many"), "%s", log);
        rig_done(&rig);
}

Test(restart, a_second_daemon_is_refused_and_a_stale_socket_is_not_in_the_way)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "ok-1", NULL });
        struct rig second = rig;
        rig_launch(&second);
        cr_assert_eq(rig_wait(&second), 4);
        /* Also with a state folder of its own. */
        _cleanup_free_ char *settings = rig_read(&rig, "orch.yaml");
        _cleanup_free_ char *other =
                xasprintf("repository: { path: " SHARE ", fstype: any }\ninventory: vm-list.yaml\n"
                          "socket: %s/socket\ndaemon: { state: %s/other }\n",
                          rig.folder, rig.folder);
        rig_write(&rig, "orch.yaml", other);
        rig_launch(&second);
        cr_assert_eq(rig_wait(&second), 4);
        rig_write(&rig, "orch.yaml", settings);
        _cleanup_free_ char *log = rig_read(&rig, "daemon.log");
        cr_assert(strstr(log, "another daemon is running") && strstr(log, "another daemon answers"),
                  "%s", log);
        json_decref(rig_get(&rig, "/v1/status"));

        kill(rig.pid, SIGKILL);
        cr_assert_eq(rig_wait(&rig), 128 + SIGKILL);
        _cleanup_free_ char *socket = xasprintf("%s/socket", rig.folder);
        cr_assert_eq(access(socket, F_OK), 0);
        rig_start(&rig);
        json_decref(rig_get(&rig, "/v1/status"));
        cr_assert_eq(rig_stop(&rig, SIGINT), 0);
        rig_done(&rig);
}

Test(restart, a_killed_daemon_is_noticed_by_its_worker_and_its_vm_recovered)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "endless-1", "ok-2", NULL });
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        json_decref(call_until(&call, "progress", "endless-1", 10000));
        kill(rig.pid, SIGKILL);
        cr_assert_eq(rig_wait(&rig), 128 + SIGKILL);
        for (json_t *line; (line = call_line(&call, 5000));) {
                cr_assert_neq(strcmp(text_of(line, "event"), "end"), 0);
                json_decref(line);
        }
        call_close(&call);
        rig_wait_for_history(&rig, "orphaned backup endless-1", 1);
        rig_start(&rig);
        rig_wait_for_history(&rig, "end recover endless-1", 1);
        json_t *running = NULL;
        do {
                json_decref(running);
                json_t *status = rig_get(&rig, "/v1/status");
                running = json_incref(json_object_get(status, "running"));
                json_decref(status);
        } while (json_array_size(running));
        json_decref(running);
        /* The log of the interrupted job is still there. */
        call_open(&rig, &call, "GET", "/v1/jobs/endless-1/log", NULL);
        json_decref(call_until(&call, "queued", "endless-1", 5000));
        call_close(&call);
        cr_assert_eq(rig_stop(&rig, SIGTERM), 0);

        _cleanup_free_ char *running_folder = xasprintf("%s/state/running", rig.folder);
        cr_assert_eq(rmdir(running_folder), 0, "something is still noted as running");
        rig_done(&rig);
}

Test(restart, nothing_is_done_to_a_vm_while_the_worker_of_a_killed_daemon_still_undoes)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "reluctant-1", "ok-2", NULL });
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        json_decref(call_until(&call, "progress", "reluctant-1", 10000));
        call_close(&call);
        kill(rig.pid, SIGKILL);
        cr_assert_eq(rig_wait(&rig), 128 + SIGKILL);
        rig_start(&rig);
        call_open(&rig, &call, "POST", "/v1/backup", "{\"vms\":[\"ok-2\"]}");
        cr_assert_eq(call_finish(&call, 10000), 0);
        rig_wait_for_history(&rig, "end recover reluctant-1", 1);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert(
                strstr(history, "end backup ok-2,end backup reluctant-1,start recover reluctant-1"),
                "%s", history);
        rig_end(&rig);
}

/* As one that runs is: nothing is left that would begin it again. */
Test(restart, a_recovery_that_waits_is_given_up_when_it_is_cancelled)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "reluctant-1", NULL });
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        json_decref(call_until(&call, "progress", "reluctant-1", 10000));
        call_close(&call);
        kill(rig.pid, SIGKILL);
        cr_assert_eq(rig_wait(&rig), 128 + SIGKILL);
        rig_start(&rig);
        json_t *status = rig_get(&rig, "/v1/status");
        const char *job = text_of(json_array_get(json_object_get(status, "queued"), 0), "job");
        _cleanup_free_ char *path = xasprintf("/v1/jobs/%s/cancel", job);
        json_decref(rig_post(&rig, path, "{}", 200));
        json_decref(status);
        rig_wait_for_history(&rig, "end backup reluctant-1", 1);
        cr_assert_eq(rig_stop(&rig, SIGTERM), 0);
        _cleanup_free_ char *running_folder = xasprintf("%s/state/running", rig.folder);
        cr_assert_eq(rmdir(running_folder), 0, "something is still noted as running");
        rig_done(&rig);
}

Test(restart, stop_cancels_what_runs)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "endless-1", "ok-2", NULL });
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        json_decref(call_until(&call, "progress", "endless-1", 10000));
        kill(rig.pid, SIGTERM);
        json_decref(call_until(&call, "result", "endless-1", 10000));
        cr_assert_eq(call_finish(&call, 10000), 5);
        cr_assert_eq(rig_wait(&rig), 0);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history, "start backup endless-1,end backup endless-1");
        rig_done(&rig);
}

static void begin_letting_finish(struct rig *rig, const char *const vms[])
{
        rig_prepare(rig, NULL);
        _cleanup_free_ char *settings =
                xasprintf("repository: { path: " SHARE ", fstype: any }\ninventory: vm-list.yaml\n"
                          "socket: %s/socket\ndaemon: { state: %s/state, on_stop: finish }\n",
                          rig->folder, rig->folder);
        rig_write(rig, "orch.yaml", settings);
        rig_set_vms(rig, vms);
        rig_start(rig);
}

Test(restart, stop_lets_finish_when_told_so_and_a_second_signal_cancels)
{
        struct rig rig;
        begin_letting_finish(&rig, (const char *const[]){ "slow-1", "ok-2", NULL });
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        json_decref(call_until(&call, "progress", "slow-1", 10000));
        kill(rig.pid, SIGTERM);
        json_t *result = call_until(&call, "result", "slow-1", 10000);
        cr_assert_str_eq(text_of(result, "status"), "ok");
        json_decref(result);
        cr_assert_eq(call_finish(&call, 10000), 5, "the other one was cancelled");
        cr_assert_eq(rig_wait(&rig), 0);

        rig_set_vms(&rig, (const char *const[]){ "endless-1", NULL });
        rig_start(&rig);
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        json_decref(call_until(&call, "progress", "endless-1", 10000));
        kill(rig.pid, SIGTERM);
        json_decref(call_until(&call, "progress", "endless-1", 10000));
        int status = 0;
        json_t *refusal =
                rig_call(&rig, "POST", "/v1/backup", "{\"vms\":[\"endless-1\"]}", &status);
        cr_assert_eq(status, 409);
        json_decref(refusal);
        kill(rig.pid, SIGTERM);
        json_decref(call_until(&call, "result", "endless-1", 10000));
        cr_assert_eq(call_finish(&call, 10000), 5);
        cr_assert_eq(rig_wait(&rig), 0);
        rig_done(&rig);
}

/* What came now would wait for ever, and the daemon for it. */
Test(restart, nothing_new_is_taken_up_while_the_last_job_is_let_finish)
{
        struct rig rig;
        begin_letting_finish(&rig, (const char *const[]){ "endless-1", "ok-2", NULL });
        struct call call;
        call_open(&rig, &call, "POST", "/v1/backup", "{\"vms\":[\"endless-1\"]}");
        json_decref(call_until(&call, "progress", "endless-1", 10000));
        kill(rig.pid, SIGTERM);
        json_decref(call_until(&call, "progress", "endless-1", 10000));
        static const char *const paths[] = { "/v1/check", "/v1/recover", "/v1/discover",
                                             "/v1/hypervisors/check" };
        for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
                struct call refused;
                call_open(&rig, &refused, "POST", paths[i], "{}");
                json_decref(call_line(&refused, 10000));
                cr_expect_eq(refused.status, 409, "%s: %d", paths[i], refused.status);
                call_close(&refused);
        }
        kill(rig.pid, SIGTERM);
        cr_assert_eq(call_finish(&call, 10000), 5);
        cr_assert_eq(rig_wait(&rig), 0);
        rig_done(&rig);
}

/* A VM that waits on its overlay does so until the next start, not until its next backup. */
Test(restart, a_recovery_that_the_stop_broke_off_is_taken_up_again)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "convalescent-1", NULL });
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"convalescent-1\"]}"), 1);
        rig_wait_for_history(&rig, "start recover convalescent-1", 1);
        cr_assert_eq(rig_stop(&rig, SIGTERM), 0);
        rig_start(&rig);
        rig_wait_for_history(&rig, "end recover convalescent-1", 2);
        rig_end(&rig);
}

Test(restart, without_its_share_it_starts_says_why_and_takes_it_when_it_comes)
{
        static const char *options[] = { "share_retry_ms=300", NULL };
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig.options = options;
        rig_set_vms(&rig, (const char *const[]){ "ok-1", NULL });
        cr_assert_eq(rename(SHARE "/.orch-repository", SHARE "/.hidden"), 0);
        rig_start(&rig);
        wait_for_share(&rig, "unavailable");
        json_t *status = rig_get(&rig, "/v1/status");
        cr_assert(strstr(text_of(json_object_get(status, "repository"), "error"), SHARE));
        json_decref(status);
        int code = 0;
        json_t *refusal = rig_call(&rig, "POST", "/v1/run", "{}", &code);
        cr_assert_eq(number_of(refusal, "exit_status"), 4);
        json_decref(refusal);
        refusal = rig_call(&rig, "GET", "/v1/points", NULL, &code);
        cr_assert_eq(number_of(refusal, "exit_status"), 4);
        json_decref(refusal);
        cr_assert_eq(rename(SHARE "/.hidden", SHARE "/.orch-repository"), 0);
        wait_for_share(&rig, "ok");
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        cr_assert_eq(call_finish(&call, 10000), 0);
        rig_end(&rig);
}

/* Another file system is mounted over the share: it is not taken for the repository at the next
 * look either. */
Test(restart, another_repository_in_the_place_of_its_own_is_taken_by_a_restart_alone)
{
        static const char *options[] = { "share_retry_ms=100", "share_refresh_ms=100", NULL };
        struct rig rig;
        rig_begin_with(&rig, options, (const char *const[]){ "ok-1", NULL });
        wait_for_share(&rig, "ok");
        size_t length = 0;
        _cleanup_free_ char *marker = fs_read_file(SHARE "/.orch-repository", 4096, &length, NULL);
        cr_assert(marker);
        char *uuid = strstr(marker, "uuid: ");
        cr_assert(uuid);
        uuid[6] = uuid[6] == 'a' ? 'b' : 'a';
        cr_assert_eq(rename(SHARE "/.orch-repository", SHARE "/.hidden"), 0);
        cr_assert_eq(fs_write_file(SHARE "/.orch-repository", 0644, marker, length, NULL), 0);
        wait_for_share(&rig, "unavailable");
        usleep(1000 * 1000); /* ten more looks */
        json_t *status = rig_get(&rig, "/v1/status");
        const char *said = text_of(json_object_get(status, "repository"), "error");
        cr_assert(said && strstr(said, "now holds another repository"), "%s",
                  said ? said : "no error");
        json_decref(status);
        cr_assert_eq(rig_stop(&rig, SIGTERM), 0);
        rig_start(&rig);
        wait_for_share(&rig, "ok");
        cr_assert_eq(rename(SHARE "/.hidden", SHARE "/.orch-repository"), 0);
        wait_for_share(&rig, "unavailable");
        cr_assert_eq(fs_write_file(SHARE "/.orch-repository", 0644, marker, length, NULL), 0);
        wait_for_share(&rig, "ok");
        rig_end(&rig);
}

Test(restart, a_repository_in_use_by_another_orch_is_left_alone)
{
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig_set_vms(&rig, (const char *const[]){ "ok-1", NULL });
        struct repository *other = repository_open(SHARE, REPOSITORY_FSTYPE_ANY, NULL);
        struct lock_holder holder = { 0 };
        cr_assert_eq(repository_lock(other, &holder, NULL), LOCK_TAKEN);
        lock_holder_done(&holder);
        rig_start(&rig);
        int code = 0;
        json_t *refusal = rig_call(&rig, "POST", "/v1/run", "{}", &code);
        _cleanup_free_ char *pid = xasprintf("pid %d", (int)getpid());
        cr_assert_eq(code, 409);
        cr_assert_eq(number_of(refusal, "exit_status"), 4);
        cr_assert(strstr(text_of(json_object_get(refusal, "error"), "message"), pid), "%s",
                  text_of(json_object_get(refusal, "error"), "message"));
        json_decref(refusal);
        repository_unlock(other);
        repository_free(other);
        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        cr_assert_eq(call_finish(&call, 10000), 0);
        rig_end(&rig);
}

/* Retention that was lowered removes thousands of points: their rows follow one by one. */
Test(restart, a_share_that_has_much_to_do_is_not_taken_for_one_that_hangs)
{
        static const char *options[] = { "share_answer_ms=2000", NULL };
        struct rig rig;
        rig_begin_with(&rig, options, (const char *const[]){ "busy-1", "busy-2", "busy-3", NULL });
        cr_assert_eq(rig_run(&rig, "/v1/run", "{}"), 0);
        struct call call;
        call_open(&rig, &call, "POST", "/v1/verify", "{\"all\":true}");
        for (int i = 0; i < 200; i++) {
                json_t *status = rig_get(&rig, "/v1/status");
                json_t *repository = json_object_get(status, "repository");
                cr_assert_str_eq(text_of(repository, "state"), "ok", "%s",
                                 text_of(repository, "error"));
                json_decref(status);
                usleep(20000);
        }
        call_close(&call);
        rig_end(&rig);
}

/* A large one is read through and compared with its catalog. What does not answer at all fails by
 * the deadlines of its own. */
Test(restart, a_share_whose_opening_takes_its_time_is_not_taken_for_one_that_hangs)
{
        static const char *options[] = { "share_answer_ms=300", NULL };
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig.options = options;
        rig_set_vms(&rig, (const char *const[]){ "ok-1", NULL });
        share_freeze();
        rig_start(&rig);
        bool taken_for_hanging = false;
        for (int i = 0; i < 80; i++) {
                json_t *status = rig_get(&rig, "/v1/status");
                taken_for_hanging |=
                        !streq(text_of(json_object_get(status, "repository"), "state"), "opening");
                json_decref(status);
                usleep(20000);
        }
        share_thaw();
        cr_assert_not(taken_for_hanging);
        wait_for_share(&rig, "ok");
        rig_end(&rig);
}

/* What makes room has to go through the daemon. */
Test(restart, a_share_that_is_full_can_be_pruned_and_what_was_to_be_recorded_is_when_there_is_room)
{
        static const char *options[] = { "share_retry_ms=200", "share_refresh_ms=200",
                                         "keepalive_ms=400", NULL };
        struct rig rig;
        rig_begin_with(&rig, options, (const char *const[]){ "ok-1", "dies-2", NULL });
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"ok-1\"]}"), 0);
        /* What was written settles, and leaves a little room again. */
        shell("for i in 1 2 3; do dd if=/dev/zero of=" SHARE
              "/filler$i bs=1k 2>/dev/null; sync; sleep 1; done");
        bool warned = false;
        for (int i = 0; i < 2000 && !warned; i++) {
                json_t *status = rig_get(&rig, "/v1/status");
                json_t *repository = json_object_get(status, "repository");
                const char *warning =
                        json_string_value(json_array_get(json_object_get(status, "warnings"), 0));
                cr_assert_str_eq(text_of(repository, "state"), "ok", "%s",
                                 text_of(repository, "error"));
                warned = warning && strstr(warning, "is full");
                json_decref(status);
                usleep(20000);
        }
        cr_assert(warned, "no warning");
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"dies-2\"]}"), 1);
        usleep(1000000);
        cr_assert_eq(rig_run(&rig, "/v1/prune", "{\"vms\":[\"ok-1\"]}"), 0);
        cr_assert_eq(shell("rm " SHARE "/filler*"), 0);
        size_t rows = 0;
        for (int i = 0; i < 2000 && rows < 2; i++) {
                json_t *points = rig_get(&rig, "/v1/points?failed=1");
                rows = json_array_size(points);
                json_decref(points);
                usleep(20000);
        }
        cr_assert_eq(rows, 2, "the job that failed is not recorded");
        rig_end(&rig);
}

/* Its failure would be forgotten until the next opening. */
Test(restart, what_fails_while_the_share_is_opened_is_known_afterwards)
{
        static const char *options[] = { "share_retry_ms=200", "share_refresh_ms=200", NULL };
        struct rig rig;
        rig_begin_with(&rig, options, (const char *const[]){ "endless-1", NULL });
        json_decref(rig_post(&rig, "/v1/backup", "{\"vms\":[\"endless-1\"],\"wait\":false}", 200));
        rig_wait_for_history(&rig, "start backup endless-1", 1);
        wait_for_share(&rig, "ok");
        share_freeze();
        /* The look at it fails after 10 s; from then on it is being opened. */
        bool is_away = false;
        for (int i = 0; i < 1500 && !is_away; i++) {
                _cleanup_free_ char *log = rig_read(&rig, "daemon.log");
                is_away = strstr(log, "the repository is not available") != NULL;
                usleep(20000);
        }
        usleep(1000000);
        kill(rig_worker_pid(&rig, "endless-1"), SIGKILL);
        rig_wait_for_history(&rig, "start recover endless-1", 1);
        share_thaw();
        cr_assert(is_away);
        wait_for_share(&rig, "ok");
        json_t *status = rig_get(&rig, "/v1/status");
        cr_assert_str_eq(text_of(json_array_get(json_object_get(status, "failed"), 0), "vm"),
                         "endless-1");
        json_decref(status);
        rig_end(&rig);
}

Test(restart, every_asker_is_told_in_time_that_the_share_hangs)
{
        static const char *options[] = { "share_answer_ms=1000", NULL };
        struct rig rig;
        rig_begin_with(&rig, options, (const char *const[]){ "ok-1", NULL });
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"ok-1\"]}"), 0);
        share_freeze();
        struct call calls[40];
        call_open(&rig, &calls[0], "POST", "/v1/points/ok-1/latest/hold", "{}");
        for (size_t i = 1; i < ARRAY_LENGTH(calls); i++) {
                call_open(&rig, &calls[i], "GET", "/v1/points", NULL);
                usleep(100000);
        }
        json_decref(call_line(&calls[0], 1));
        json_decref(call_line(&calls[1], 1));
        share_thaw();
        cr_expect_eq(calls[0].status, 503);
        cr_expect_eq(calls[1].status, 503);
        for (size_t i = 0; i < ARRAY_LENGTH(calls); i++)
                call_close(&calls[i]);
        rig_end(&rig);
}

/* The share was never away: nothing opens it again. */
Test(restart, the_own_timer_does_not_miss_its_slot_for_a_share_that_hung_a_moment)
{
        static const char *options[] = { "share_answer_ms=500", "keepalive_ms=400", NULL };
        struct rig rig;
        time_t now = time(NULL);
        struct tm tm;
        gmtime_r(&now, &tm);
        static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
        _cleanup_free_ char *more =
                xasprintf("cycle: { start: \"%s %02d:%02d\", timezone: UTC, trigger: internal }\n",
                          days[tm.tm_wday], tm.tm_hour, tm.tm_min);
        rig_prepare(&rig, more);
        rig.options = options;
        rig_write(&rig, "vm-list.yaml",
                  "vms:\n  - { name: ok-1, hypervisor: host-1, method: quiesce, schedule: manual "
                  "}\n");
        rig_start(&rig);
        cr_assert_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"ok-1\"]}"), 0);
        share_freeze();
        struct call hold;
        call_open(&rig, &hold, "POST", "/v1/points/ok-1/latest/hold", "{}");
        wait_for_share(&rig, "unavailable");
        rig_set_vms(&rig, (const char *const[]){ "ok-1", "ok-2", NULL });
        kill(rig.pid, SIGHUP);
        usleep(500000);
        share_thaw();
        call_close(&hold);
        rig_wait_for_history(&rig, "end backup ok-2", 1);
        rig_end(&rig);
}

Test(restart, a_share_that_hangs_never_holds_up_an_answer)
{
        static const char *options[] = { "share_answer_ms=1000", "share_retry_ms=500",
                                         "share_refresh_ms=500", NULL };
        struct rig rig;
        rig_begin_with(&rig, options, (const char *const[]){ "ok-1", "ok-2", NULL });
        wait_for_share(&rig, "ok");
        share_freeze();
        /* A backup of which the catalog can't be told: its worker fails here, but a record is due
         * all the same. */
        struct call call;
        call_open(&rig, &call, "POST", "/v1/backup", "{\"vms\":[\"ok-1\"]}");
        int64_t slowest = 0;
        for (int i = 0; i < 60; i++) {
                int64_t before = clock_monotonic_ms();
                json_decref(rig_get(&rig, "/v1/status"));
                int64_t took = clock_monotonic_ms() - before;
                slowest = took > slowest ? took : slowest;
                usleep(50000);
        }
        /* it would be until the thaw */
        cr_assert_lt(slowest, 3000, "status took %d ms", (int)slowest);
        int code = 0;
        int64_t before = clock_monotonic_ms();
        json_t *answer = rig_call(&rig, "GET", "/v1/points", NULL, &code);
        cr_assert_eq(code, 503, "%d", code);
        json_decref(answer);
        cr_assert_lt(clock_monotonic_ms() - before, 15000);
        wait_for_share(&rig, "unavailable");
        share_thaw();
        wait_for_share(&rig, "ok");
        call_close(&call);
        rig_end(&rig);
}

Test(restart, a_share_that_hangs_does_not_keep_the_daemon_from_ending)
{
        static const char *options[] = { "share_answer_ms=500", "share_refresh_ms=200", NULL };
        struct rig rig;
        rig_begin_with(&rig, options, (const char *const[]){ "dies-1", NULL });
        wait_for_share(&rig, "ok");
        share_freeze();
        struct call call;
        call_open(&rig, &call, "POST", "/v1/backup", "{\"vms\":[\"dies-1\"],\"wait\":false}");
        sleep(2);
        call_close(&call);
        /* It says that it has ended; the kernel keeps a process with a thread that sleeps on a
         * frozen file system until that wakes up. */
        kill(rig.pid, SIGTERM);
        bool stopped = false;
        for (int i = 0; i < 2400 && !stopped; i++) {
                _cleanup_free_ char *log = rig_read(&rig, "daemon.log");
                stopped = strstr(log, "\nstopped\n") != NULL;
                usleep(25000);
        }
        share_thaw();
        cr_assert(stopped, "it did not end within a minute");
        cr_assert_eq(rig_wait(&rig), 0);
        rig_done(&rig);
}
