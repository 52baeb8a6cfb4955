/* POST /v1/test-restore, and the test-restores that follow a cycle. */
#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>

#include "base/memory.h"
#include "rig.h"

/* Each with its test_restore. */
static const char *const vms[][2] = { { "ok-1", "after-each" },
                                      { "dead-2", "weekly" },
                                      { "ok-3", "never" },
                                      { "ok-4", "monthly" },
                                      { NULL } };

static void begin(struct rig *rig, const char *more_settings)
{
        _cleanup_strbuf_ struct strbuf text = { 0 };
        strbuf_add(&text, "hypervisors:\n  - { name: host-1, address: 127.0.0.1 }\nvms:\n");
        for (int i = 0; vms[i][0]; i++)
                strbuf_addf(&text,
                            "  - { name: %s, hypervisor: host-1, priority: %d, schedule: daily, "
                            "keep_last: 9, test_restore: %s }\n",
                            vms[i][0], i, vms[i][1]);
        rig_prepare(rig, more_settings);
        rig_write(rig, "vm-list.yaml", text.data);
        rig_start(rig);
}

/* What the workers began after `already` characters of their history. */
static char *begun(struct rig *rig, size_t *already)
{
        _cleanup_free_ char *history = rig_history(rig);
        _cleanup_free_ char *news =
                xstrdup(history + (*already < strlen(history) ? *already : strlen(history)));
        *already = strlen(history);
        struct strbuf starts = { 0 };
        char *rest = NULL;
        for (char *word = strtok_r(news, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
                if (str_starts_with(word, "start "))
                        strbuf_addf(&starts, "%s%s", starts.length ? "," : "",
                                    word + strlen("start "));
        return strbuf_take(&starts);
}

/* What follows a cycle: nobody waits for it, so it is waited for here. */
static char *begun_within(struct rig *rig, size_t *already, size_t jobs)
{
        size_t before = *already;
        for (int tenths = 0; tenths < 300; tenths++) {
                *already = before;
                char *starts = begun(rig, already);
                size_t n = *starts ? 1 : 0;
                for (const char *c = starts; *c; c++)
                        n += *c == ',';
                if (n >= jobs)
                        return starts;
                free(starts);
                poll(NULL, 0, 100);
        }
        cr_assert_fail("no %zu jobs were begun", jobs);
        return NULL;
}

Test(prove, a_cycle_is_followed_by_those_that_are_due)
{
        struct rig rig;
        begin(&rig, "test_restore: { budget_minutes: 10 }\n");
        size_t already = 0;
        cr_expect_eq(rig_run(&rig, "/v1/run", "{}"), 0);
        _cleanup_free_ char *first = begun_within(&rig, &already, 7);
        cr_expect(str_starts_with(
                          first, "backup ok-1,backup dead-2,backup ok-3,backup ok-4,test-restore "),
                  "%s", first);
        cr_expect(strstr(first, "test-restore ok-1") && strstr(first, "test-restore dead-2") &&
                          strstr(first, "test-restore ok-4"),
                  "%s", first);
        cr_expect_not(strstr(first, "test-restore ok-3"), "%s", first);

        /* Nobody is due twice but who wants each point tried, or has a newer one than the one that
         * failed. */
        poll(NULL, 0, 1100); /* times are whole seconds */
        cr_expect_eq(rig_run(&rig, "/v1/backup", "{\"vms\":[\"*\"]}"), 0);
        cr_expect_eq(rig_run(&rig, "/v1/run", "{}"), 0);
        _cleanup_free_ char *second = begun_within(&rig, &already, 6);
        cr_expect(strstr(second, "test-restore ok-1") && strstr(second, "test-restore dead-2"),
                  "%s", second);
        poll(NULL, 0, 1000);
        _cleanup_free_ char *more = begun(&rig, &already);
        cr_expect_str_eq(more, "");
        cr_expect_not(strstr(second, "test-restore ok-4"), "%s", second);
        rig_end(&rig);
}

Test(prove, without_a_budget_none_is_tried)
{
        struct rig rig;
        begin(&rig, NULL);
        size_t already = 0;
        cr_expect_eq(rig_run(&rig, "/v1/run", "{}"), 0);
        poll(NULL, 0, 1000);
        _cleanup_free_ char *history = begun(&rig, &already);
        cr_expect_not(strstr(history, "test-restore"), "%s", history);
        rig_end(&rig);
}

Test(prove, by_name_by_lot_and_all)
{
        struct rig rig;
        begin(&rig, NULL);
        size_t already = 0;
        int http = 0;
        json_decref(rig_call(&rig, "POST", "/v1/test-restore", "{\"random\":true}", &http));
        cr_expect_eq(http, 400, "there is nothing to try yet: %d", http);
        cr_expect_eq(rig_run(&rig, "/v1/run", "{}"), 0);
        free(begun(&rig, &already));
        cr_expect_eq(rig_run(&rig, "/v1/test-restore", "{\"vms\":[\"ok-3\"]}"), 0);
        cr_expect_eq(rig_run(&rig, "/v1/test-restore", "{\"all\":true}"), 1);
        _cleanup_free_ char *history = begun(&rig, &already);
        cr_expect_str_eq(history, "test-restore ok-3,test-restore ok-1,test-restore "
                                  "dead-2,test-restore ok-3,test-restore ok-4");
        /* What did not boot was never proven. */
        cr_expect_eq(rig_run(&rig, "/v1/test-restore", "{\"random\":true}"), 1);
        _cleanup_free_ char *lot = begun(&rig, &already);
        cr_expect_str_eq(lot, "test-restore dead-2");
        json_t *points = rig_get(&rig, "/v1/points?vm=dead-2");
        cr_expect_str_eq(text_of(json_array_get(points, 0), "proof"), "not-bootable");
        cr_expect(json_is_null(json_object_get(json_array_get(points, 0), "proven")));
        json_decref(points);
        rig_end(&rig);
}

Test(prove, what_cannot_be_is_refused)
{
        static const char *const bodies[] = {
                "{}",
                "{\"vms\":[\"ok-1\"],\"all\":true}",
                "{\"vms\":[\"ok-1\"],\"random\":true}",
                "{\"all\":true,\"point\":\"2026-01-01\"}",
                "{\"vms\":[\"ok-*\"],\"point\":\"2026-01-01\"}",
                "{\"vms\":[\"nobody\"]}",
                "{\"vms\":[\"ok-1\"],\"point\":\"../x\"}",
                "{\"vms\":[\"ok-1\"],\"network\":\"--all\"}",
                "{\"vms\":[\"ok-1\"],\"remove\":true,\"full\":true}",
                "{\"vms\":[\"ok-1\"],\"net\":\"x\"}",
        };
        struct rig rig;
        begin(&rig, NULL);
        for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
                int http = 0;
                json_decref(rig_call(&rig, "POST", "/v1/test-restore", bodies[i], &http));
                cr_expect_eq(http, 400, "%s: %d", bodies[i], http);
        }
        rig_end(&rig);
}
