/* Implements daemon/jobs/orphans.h. They are not our children, so their end is polled by a timer. A
 * worker that has not ended after ORPHAN_PATIENCE_MS hangs and no longer blocks its VM: the
 * recovery cleans up what it left. */
#include "daemon/jobs/orphans.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/state/state.h"

enum { LOOK_MS = 200, ORPHAN_PATIENCE_MS = 15 * 60 * 1000 };

struct orphan {
        char *vm;
        struct process_id id;
        int64_t deadline_ms;
        struct orphan *next;
};

static void orphan_free(struct orphan *orphan)
{
        free(orphan->vm);
        free(orphan);
}

static void check_orphans(void *data)
{
        struct daemon *daemon = data;
        int64_t now = clock_monotonic_ms();
        for (struct orphan **link = &daemon->orphans; *link;) {
                struct orphan *orphan = *link;
                bool alive = process_id_is_alive(orphan->id);
                if (alive && now < orphan->deadline_ms) {
                        link = &orphan->next;
                        continue;
                }
                if (alive)
                        log_error("the worker (pid %d) that an earlier daemon left on %s does not "
                                  "end; orch no longer waits for it",
                                  (int)orphan->id.pid, orphan->vm);
                *link = orphan->next;
                orphan_free(orphan);
                daemon_changed(daemon);
        }
        if (!daemon->orphans)
                loop_timer_disarm(daemon->orphan_timer);
}

void orphans_add(struct daemon *daemon, const char *vm, struct process_id id)
{
        if (!process_id_is_alive(id))
                return;
        log_info("the worker (pid %d) that an earlier daemon left on %s is still running; orch "
                 "waits for its end",
                 (int)id.pid, vm);
        struct orphan *orphan = xcalloc(1, sizeof *orphan);
        orphan->vm = xstrdup(vm);
        orphan->id = id;
        orphan->deadline_ms = clock_monotonic_ms() + ORPHAN_PATIENCE_MS;
        orphan->next = daemon->orphans;
        daemon->orphans = orphan;
        if (!daemon->orphan_timer)
                daemon->orphan_timer = loop_add_timer(daemon->loop, check_orphans, daemon, NULL);
        if (daemon->orphan_timer)
                loop_timer_arm(daemon->orphan_timer, LOOK_MS, LOOK_MS);
}

bool orphans_hold(const struct daemon *daemon, const char *vm)
{
        for (const struct orphan *orphan = daemon->orphans; orphan; orphan = orphan->next)
                if (streq(orphan->vm, vm))
                        return true;
        return false;
}

void orphans_done(struct daemon *daemon)
{
        while (daemon->orphans) {
                struct orphan *orphan = daemon->orphans;
                daemon->orphans = orphan->next;
                orphan_free(orphan);
        }
        daemon->orphan_timer = loop_source_free(daemon->orphan_timer);
}
