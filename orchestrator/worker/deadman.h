/* The dead-man: a timer on the hypervisor that thaws a guest, or resumes one that was paused, when nobody else does (design P1, §9).
 *
 * It is armed before the freeze and disarmed only after `thawed` was seen. It thaws by the domain's UUID through the hypervisor's own
 * virsh, so it needs neither orch nor the network, and goes on until the guest says thawed (or runs) or the QEMU it was armed for is gone.
 * With systemd it is a transient timer, else a detached process; both leave `<tag>.thaw.id` (`.resume.id`), which holds QEMU's identity and the
 * domain's UUID, in /run/orch while they are armed, and `<tag>.thaw.fired` once they fired. */
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
int deadman_arm(struct deadman *deadman, struct hypervisor *host, const char *tag, const char *uuid, unsigned seconds,
                struct error **err) _must_check_;
/* Disarms it and removes its files. *ret_fired: it had thawed, or begun to. Only after `thawed` was seen. Harmless when not armed. */
int deadman_disarm(struct deadman *deadman, struct hypervisor *host, bool *ret_fired, struct error **err) _must_check_;
void deadman_done(struct deadman *deadman);

/* What dead-men of earlier jobs that thaw left for a domain. The tags name them; NULL-terminated, owned by the caller. */
struct deadman_traces {
        char **armed;   /* waiting, or thawing just now: the freeze, if there is one, is ours */
        char **fired;   /* fired, saw `thawed`, and ended */
        char **foreign; /* of another repository's orch: not ours to touch */
};
int deadman_find(struct hypervisor *host, const char *short_uuid, const char *uuid, struct deadman_traces *ret,
                 struct error **err) _must_check_;
void deadman_traces_done(struct deadman_traces *traces);
