/* What is wrong without any job having failed (daemon/notices/notices.h): the share, the inventory,
 * the clock. Each is an incident: told when it begins and when it is over. The message is in the
 * queue before it is noted as told: a crash between the two tells it twice, not never. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"
#include "daemon/cycle/cycle-plan.h"
#include "daemon/notices/notices-internal.h"
#include "daemon/state/state.h"
#include "notify/state-notices.h"
#include "policies/due.h"

#define SHARE "share"
#define SHARE_FULL "share-full"
#define INVENTORY "inventory"
#define CLOCK "dead-clock"

enum { PATIENCE_SECONDS = 30 * 60, BEFORE_THE_FIRST_START_SECONDS = 86400 };

void state_watch_share(struct notices *notices, int64_t now)
{
        _cleanup_share_view_ struct share_view view = share_look(notices->daemon->share);
        const struct incident *told = incidents_find(notices->incidents, SHARE, now);
        if (view.state == SHARE_UNAVAILABLE && !told) {
                notices_queue_add(notices, cause_notice(SHARE, NULL, NULL, NULL, view.error, now),
                                  NULL, 0);
                (void)incidents_begin(notices->incidents, SHARE, view.error, now);
        } else if (view.state == SHARE_OK && told) {
                notices_queue_add(notices, cause_over_notice(SHARE, told->vms, told->since, now),
                                  NULL, 0);
                incidents_end(notices->incidents, SHARE);
        }
        /* That it is over, the next backup that goes well tells (failure-watch.c). */
        if (view.full && !incidents_find(notices->incidents, SHARE_FULL, now)) {
                notices_queue_add(notices,
                                  cause_notice(SHARE_FULL, NULL, NULL, NULL,
                                               "nothing can be written to it", now),
                                  NULL, 0);
                (void)incidents_begin(notices->incidents, SHARE_FULL, NULL, now);
        }
}

void state_watch_inventory(struct notices *notices, int64_t now)
{
        const struct inventory_keeper *keeper = notices->daemon->inventory;
        const char *problems = inventory_keeper_problems(keeper);
        const struct incident *told = incidents_find(notices->incidents, INVENTORY, now);
        if (problems && !(told && streq(told->reason, problems))) {
                bool in_use = inventory_keeper_state(keeper) == INVENTORY_LAST_GOOD;
                notices_queue_add(notices,
                                  inventory_broken_notice(inventory_keeper_path(keeper), problems,
                                                          in_use, now),
                                  NULL, 0);
                incidents_end(notices->incidents, INVENTORY);
                (void)incidents_begin(notices->incidents, INVENTORY, problems, now);
        } else if (!problems && told) {
                notices_queue_add(notices,
                                  inventory_mended_notice(inventory_keeper_path(keeper),
                                                          inventory_keeper_get(keeper)->n_vms, now),
                                  NULL, 0);
                incidents_end(notices->incidents, INVENTORY);
        }
}

/* The newest slot of any VM, and from when on a run serves it. */
static int64_t newest_slot(const struct daemon *daemon, int64_t now, int64_t *ret_early)
{
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        int64_t newest = 0;
        for (size_t i = 0; inventory && i < inventory->n_vms; i++) {
                enum vm_schedule schedule = inventory->vms[i].schedule;
                int64_t slot = due_slot_at_or_before(schedule, &daemon->settings->cycle_start, now);
                if (slot <= newest)
                        continue;
                newest = slot;
                *ret_early = slot - due_early_window(schedule);
        }
        return newest;
}

static size_t count_due(const struct daemon *daemon, int64_t slot, int64_t now)
{
        _cleanup_cycle_plan_ struct cycle_plan plan = { 0 };
        size_t due = 0;
        if (cycle_plan_make(daemon, &(struct cycle_filter){ 0 }, false, now, &plan, NULL) < 0)
                return 0;
        for (size_t i = 0; i < plan.count; i++)
                due += plan.items[i].due && plan.items[i].slot <= slot;
        return due;
}

/* The clock is dead when a slot is half an hour old, something is due, and no backup has begun for
 * it. Judged once a slot. */
void state_watch_clock(struct notices *notices, int64_t now)
{
        const struct daemon *daemon = notices->daemon;
        int64_t early = 0;
        int64_t slot = newest_slot(daemon, now, &early);
        if (!slot || now < slot + PATIENCE_SECONDS || slot <= notices->kept.dead_clock_slot)
                return;
        /* The share may still be being opened: what is due is known only then. */
        _cleanup_share_view_ struct share_view view = share_look(daemon->share);
        if (view.state == SHARE_OPENING)
                return;
        size_t due = daemon->states.loaded ? count_due(daemon, slot, now) : 0;
        bool nothing_to_do = daemon->states.loaded && due == 0;
        bool dead = notices->kept.last_begun < early && !nothing_to_do &&
                    slot + BEFORE_THE_FIRST_START_SECONDS > notices->kept.first_started;
        if (dead) {
                bool own_timer = daemon->settings->cycle_trigger == CYCLE_TRIGGER_INTERNAL;
                notices_queue_add(notices,
                                  dead_clock_notice(slot, notices->kept.last_begun, due,
                                                    daemon->paused.on, own_timer, now),
                                  NULL, 0);
                incidents_end(notices->incidents, CLOCK);
                (void)incidents_begin(notices->incidents, CLOCK, NULL, now);
        }
        notices->kept.dead_clock_slot = slot;
        kept_moments_write(notices);
}

void state_watch_clock_begun(struct notices *notices, int64_t now)
{
        notices->kept.last_begun = now;
        kept_moments_write(notices);
        if (!incidents_find(notices->incidents, CLOCK, now))
                return;
        notices_queue_add(notices, clock_works_notice(now), NULL, 0);
        incidents_end(notices->incidents, CLOCK);
}
