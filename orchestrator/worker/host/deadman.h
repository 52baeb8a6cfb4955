/* The dead-man: a watchdog timer on the hypervisor that thaws a guest, or resumes a paused one, if
 * nobody else does (P1).
 *
 * It is armed before the freeze and disarmed only after `thawed` was seen. It thaws by the domain's
 * UUID through the hypervisor's own virsh, so it needs neither orch nor the network. It keeps
 * trying until the guest reports thawed (or runs) or is gone: its QEMU ended, and its memory is not
 * in a saved image. With systemd it is a transient timer, otherwise a detached process; both create
 * `<tag>.thaw.fired` in /run/orch when they fire.
 *
 * A guest that was frozen when it was saved, or moved to another host, is still frozen when it runs
 * again, and a reboot may have removed the timer. So `<tag>.thaw.id` (QEMU's identity and the
 * domain's UUID) is a durable file in /var/lib/orch. It exists from before the freeze until
 * `thawed` was seen, and shows a recovery that a freeze is ours. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "transports/hypervisor.h"

enum deadman_action { DEADMAN_THAW, DEADMAN_RESUME };

struct deadman {
        enum deadman_action action; /* set before the timer is armed */
        char *tag;                  /* names the unit and the files; NULL: not armed */
        char *uuid;
        bool armed;
};

/* Arms the timer. ERROR_REFUSED if the host cannot run one (then nothing may be frozen). */
int deadman_arm(struct deadman *deadman, struct hypervisor *host, const char *tag, const char *uuid,
                unsigned seconds, struct error **err) _must_check_;
/* Disarms the timer and removes its files. *ret_fired: it had thawed, or begun to. Only call this
 * after `thawed` was seen. Does nothing if the timer is not armed. */
int deadman_disarm(struct deadman *deadman, struct hypervisor *host, bool *ret_fired,
                   struct error **err) _must_check_;
void deadman_done(struct deadman *deadman);

/* What the thawing watchdog timers of earlier jobs left for a domain, as tags. The lists are
 * NULL-terminated and owned by the caller. */
struct deadman_traces {
        char **armed;   /* nobody saw `thawed` yet: if the guest is frozen, the freeze is ours */
        char **stale;   /* the guest that they were armed for is gone: a freeze now is not ours */
        char **fired;   /* fired, saw `thawed`, and ended */
        char **foreign; /* belong to another repository's orch and must not be touched */
};
int deadman_find(struct hypervisor *host, const char *short_uuid, const char *uuid,
                 struct deadman_traces *ret, struct error **err) _must_check_;
void deadman_traces_done(struct deadman_traces *traces);
