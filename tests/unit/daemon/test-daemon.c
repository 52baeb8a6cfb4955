/* The daemon as a whole: start, backups with scripted workers, stop. */
#include <criterion/criterion.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "rig.h"

Test(daemon, starts_backs_up_by_priority_and_stops)
{
        struct rig rig;
        rig_prepare(&rig, NULL);
        rig_set_vms(&rig, (const char *const[]){ "zz-1", "ok-2", "aa-3", NULL });
        rig_start(&rig);
        json_t *status = rig_get(&rig, "/v1/status");
        cr_assert_eq(number_of(status, "pid"), rig.pid);
        json_decref(status);

        struct call call;
        call_open(&rig, &call, "POST", "/v1/run", "{}");
        json_decref(call_until(&call, "started", "zz-1", 10000));
        json_decref(call_until(&call, "result", "aa-3", 20000));
        cr_assert_eq(call_finish(&call, 10000), 0);
        call_close(&call);
        _cleanup_free_ char *history = rig_history(&rig);
        cr_assert_str_eq(history, "start backup zz-1,end backup zz-1,start backup ok-2,end backup ok-2,start backup aa-3,end backup aa-3");

        json_t *points = rig_get(&rig, "/v1/points");
        cr_assert_eq(json_array_size(points), 3);
        cr_assert_str_eq(text_of(json_array_get(points, 0), "status"), "ok");
        json_decref(points);
        cr_assert_eq(rig_stop(&rig, SIGTERM), 0);
        _cleanup_free_ char *socket = xasprintf("%s/socket", rig.folder);
        cr_assert_lt(access(socket, F_OK), 0, "the socket is still there");
        rig_done(&rig);
}
