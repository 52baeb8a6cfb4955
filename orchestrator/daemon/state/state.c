/* Implements daemon/state/state.h. */
#include "daemon/state/state.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"

void daemon_changed(struct daemon *daemon)
{
        if (daemon->schedule_timer)
                loop_timer_arm(daemon->schedule_timer, 0, 0);
}

static void request_unknown_pins(struct daemon *daemon)
{
        const struct inventory *inventory = inventory_keeper_get(daemon->inventory);
        _cleanup_strv_ char **names = NULL;
        for (size_t i = 0; inventory && i < inventory->n_vms; i++) {
                const struct vm_state *state =
                        vm_states_find(&daemon->states, inventory->vms[i].name);
                if (!state || !state->pin_known)
                        strv_add(&names, inventory->vms[i].name);
        }
        share_load_pins(daemon->share, names);
}

int daemon_reload_inventory(struct daemon *daemon, struct error **err)
{
        struct error *error = NULL;
        int r = inventory_keeper_reload(daemon->inventory, &error);
        if (r < 0)
                log_error("the inventory is broken%s: %s",
                          inventory_keeper_get(daemon->inventory) ? "; the last good one is used"
                                                                  : " and there is no older one",
                          error->message);
        request_unknown_pins(daemon);
        queue_follow_inventory(&daemon->queue, inventory_keeper_get(daemon->inventory));
        return r < 0 ? error_propagate(err, error) : 0;
}
