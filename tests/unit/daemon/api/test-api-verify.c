/* POST /v1/verify, and what becomes of the states that its workers tell. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "rig.h"

static void assert_point_status(struct rig *rig, const char *vm, const char *expected)
{
        _cleanup_free_ char *path = xasprintf("/v1/points?vm=%s", vm);
        json_t *points = rig_get(rig, path);
        cr_expect_str_eq(text_of(json_array_get(points, 0), "status"), expected, "%s", vm);
        json_decref(points);
}

Test(verify, a_verification_marks_what_is_its_own_and_nothing_else)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "rotten-1", "ok-2", "liar-3", NULL });
        cr_assert_eq(rig_run(&rig, "/v1/run", "{}"), 0);
        cr_expect_eq(rig_run(&rig, "/v1/verify", "{\"vms\":[\"liar-3\"]}"), 0);
        assert_point_status(&rig, "ok-2", "ok");
        cr_expect_eq(rig_run(&rig, "/v1/verify", "{\"vms\":[\"rotten-*\"]}"), 1);
        assert_point_status(&rig, "rotten-1", "damaged");
        json_t *status = rig_get(&rig, "/v1/status");
        cr_expect_eq(json_array_size(json_object_get(status, "damaged")), 1);
        json_decref(status);
        int http = 0;
        json_decref(rig_call(&rig, "GET", "/v1/points/rotten-1/latest", NULL, &http));
        cr_expect_eq(http, 400, "there is no good point: %d", http);

        /* Its newest good point is no more: it is due again. */
        json_t *schedule = rig_get(&rig, "/v1/schedule");
        cr_expect(json_is_true(json_object_get(json_array_get(schedule, 0), "due")));
        cr_expect(json_is_false(json_object_get(json_array_get(schedule, 1), "due")));
        json_decref(schedule);

        /* Of a VM that left the inventory, too. */
        rig_set_vms(&rig, (const char *const[]){ "ok-2", NULL });
        cr_expect_eq(rig_run(&rig, "/v1/verify", "{\"all\":true}"), 1);
        static const char *const refused[] = { "{}",
                                               "{\"vms\":[\"nobody-1\"]}",
                                               "{\"vms\":[\"ok-2\"],\"all\":true}",
                                               "{\"all\":true,\"point\":\"latest\"}",
                                               "{\"vms\":[\"*\"],\"point\":\"latest\"}",
                                               "{\"vms\":[\"ok-2\"],\"point\":\"../x\"}" };
        for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
                json_decref(rig_call(&rig, "POST", "/v1/verify", refused[i], &http));
                cr_expect_eq(http, 400, "%s: %d", refused[i], http);
        }
        rig_end(&rig);
}

Test(verify, what_follows_a_cycle_reads_each_point_once_and_nobody_waits_for_it)
{
        struct rig rig;
        rig_begin(&rig, "verify: { budget_minutes: 10 }\n",
                  (const char *const[]){ "ok-1", "rotten-2", "ok-3", NULL });
        cr_assert_eq(rig_run(&rig, "/v1/run", "{}"), 0);
        rig_wait_for_history(&rig, "end verify", 3);
        usleep(1100000); /* the next points get names of their own */
        _cleanup_free_ char *history = rig_history(&rig);
        cr_expect_eq(count_of(history, "start verify"), 3, "%s", history);
        const char *first = strstr(history, "start verify");
        cr_expect_null(strstr(first, "backup"), "only after the cycle: %s", history);
        cr_expect(!strstr(first, "start verify ok-3") ||
                          strstr(first, "start verify ok-1") < strstr(first, "start verify ok-3"),
                  "the oldest first: %s", history);
        assert_point_status(&rig, "rotten-2", "damaged");
        assert_point_status(&rig, "ok-3", "ok");

        /* What is known to be damaged is not read again and again. */
        cr_expect_eq(rig_run(&rig, "/v1/run", "{\"all\":true}"), 0);
        rig_wait_for_history(&rig, "end verify", 3 + 5);
        usleep(300000);
        _cleanup_free_ char *again = rig_history(&rig);
        cr_expect_eq(count_of(again, "start verify"), 3 + 5, "%s", again);
        rig_end(&rig);
}

Test(verify, the_next_cycle_ends_what_follows_the_one_before)
{
        struct rig rig;
        rig_begin(&rig, "verify: { budget_minutes: 10 }\n",
                  (const char *const[]){ "plodding-1", "ok-2", NULL });
        cr_assert_eq(rig_run(&rig, "/v1/run", "{}"), 0);
        rig_wait_for_history(&rig, "start verify plodding-1", 1);
        cr_expect_eq(rig_run(&rig, "/v1/run", "{\"all\":true}"), 0,
                     "a cancelled verification is no failure of the cycle");
        rig_wait_for_history(&rig, "end verify plodding-1", 1);
        cr_assert_eq(rig_stop(&rig, SIGTERM), 0, "nor does one keep the daemon from ending");
        rig_done(&rig);
}

Test(verify, without_a_budget_nothing_follows)
{
        struct rig rig;
        rig_begin(&rig, NULL, (const char *const[]){ "ok-1", NULL });
        cr_assert_eq(rig_run(&rig, "/v1/run", "{}"), 0);
        usleep(700000);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_expect_null(strstr(history, "verify"), "%s", history);
        rig_end(&rig);
}
