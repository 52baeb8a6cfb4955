/* The dead-man: a timer on the hypervisor that thaws a guest, or resumes one that was paused, when
 * nobody else does (P1).
 *
 * It is armed before the freeze and disarmed only after `thawed` was seen. It thaws by the domain's
 * UUID through the hypervisor's own virsh, so it needs neither orch nor the network, and goes on
 * until the guest says thawed (or runs) or is gone: its QEMU ended, and its memory does not wait in
 * a saved image. With systemd it is a transient timer, else a detached process; both leave
 * `<tag>.thaw.fired` in /run/orch once they fired.
 *
 * A guest that was frozen when it was saved, or moved to another host, is still frozen when it runs
 * again, and a reboot may have taken the timer. So `<tag>.thaw.id` (QEMU's identity and the
 * domain's UUID) is durable, in /var/lib/orch: from before the freeze until `thawed` was seen it
 * tells a recovery that a freeze is ours. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "transports/hypervisor.h"

enum deadman_action { DEADMAN_THAW, DEADMAN_RESUME };

struct deadman {
        enum deadman_action action; /* set before it is armed */
        char *tag;                  /* names the unit and the files; NULL: not armed */
        char *uuid;
        bool armed;
};

/* Arms it. ERROR_REFUSED when the host has no way to (then nothing may be frozen). */
int deadman_arm(struct deadman *deadman, struct hypervisor *host, const char *tag, const char *uuid,
                unsigned seconds, struct error **err) _must_check_;
/* Disarms it and removes its files. *ret_fired: it had thawed, or begun to. Only after `thawed` was
 * seen. Harmless when not armed. */
int deadman_disarm(struct deadman *deadman, struct hypervisor *host, bool *ret_fired,
                   struct error **err) _must_check_;
void deadman_done(struct deadman *deadman);

/* What dead-men of earlier jobs that thaw left for a domain. The tags name them; NULL-terminated,
 * owned by the caller. */
struct deadman_traces {
        char **armed;   /* nobody saw `thawed` yet: the freeze, if there is one, is ours */
        char **stale;   /* the guest that they were armed for is gone: another freeze is not ours */
        char **fired;   /* fired, saw `thawed`, and ended */
        char **foreign; /* of another repository's orch: not ours to touch */
};
int deadman_find(struct hypervisor *host, const char *short_uuid, const char *uuid,
                 struct deadman_traces *ret, struct error **err) _must_check_;
void deadman_traces_done(struct deadman_traces *traces);
