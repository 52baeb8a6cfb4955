/* Problems without a failed job (daemon/notices/notices.h): the share, the inventory, the clock.
 * Each is an incident: one message when it begins and one when it is over. The message is queued
 * before the incident is noted: after a crash between the two it is sent twice, never lost. */
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
        const struct incident *incident = incidents_find(notices->incidents, SHARE, now);
        if (view.state == SHARE_UNAVAILABLE && !incident) {
                notices_queue_add(notices, cause_notice(SHARE, NULL, NULL, NULL, view.error, now),
                                  NULL, 0);
                (void)incidents_begin(notices->incidents, SHARE, view.error, now);
        } else if (view.state == SHARE_OK && incident) {
                notices_queue_add(notices,
                                  cause_over_notice(SHARE, incident->vms, incident->since, now),
                                  NULL, 0);
                incidents_end(notices->incidents, SHARE);
        }
        /* The next successful backup ends this incident (failure-watch.c). */
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
        const struct incident *incident = incidents_find(notices->incidents, INVENTORY, now);
        if (problems && !(incident && streq(incident->reason, problems))) {
                bool in_use = inventory_keeper_state(keeper) == INVENTORY_LAST_GOOD;
                notices_queue_add(notices,
                                  inventory_broken_notice(inventory_keeper_path(keeper), problems,
                                                          in_use, now),
                                  NULL, 0);
                incidents_end(notices->incidents, INVENTORY);
                (void)incidents_begin(notices->incidents, INVENTORY, problems, now);
        } else if (!problems && incident) {
                notices_queue_add(notices,
                                  inventory_mended_notice(inventory_keeper_path(keeper),
                                                          inventory_keeper_get(keeper)->n_vms, now),
                                  NULL, 0);
                incidents_end(notices->incidents, INVENTORY);
        }
}

/* The newest slot of any VM; *ret_early: from when on a cycle serves it. */
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

/* The scheduler counts as dead when a slot is half an hour old, a VM is due, and no backup has
 * started for it. Checked once per slot. */
void state_watch_clock(struct notices *notices, int64_t now)
{
        const struct daemon *daemon = notices->daemon;
        int64_t early = 0;
        int64_t slot = newest_slot(daemon, now, &early);
        if (!slot || now < slot + PATIENCE_SECONDS || slot <= notices->kept.dead_clock_slot)
                return;
        /* While the share is being opened it is not known what is due. */
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
